//! The summary for programs: JSON and CSV.

use serde_json::{Value as Json, json};

use super::{LayerSummary, ModelSummary};
use crate::arch::{
    advice::Advice,
    receptive_field::{AxisField, ReceptiveField},
    shape::Shape,
};

/// Columns of the CSV form. Pairs are height first.
const HEAD: &str = "name,type,inputs,channels,height,width,params,macs,activation_bytes,auxiliary,\
receptive_field_h,receptive_field_w,stride_h,stride_w,padding_h,padding_w,center_y,center_x,aligned,density,exact";

impl ModelSummary {
    /// The summary as one JSON object, in one line: `{name, input, params, macs, activation_bytes, conflict, advice,
    /// layers}`.
    ///
    /// A layer is `{name, type, inputs, output, params, macs, activation_bytes, auxiliary, receptive_field}`, where
    /// `output` is `[C, H, W]` or `[features]`, and `receptive_field` is `{size, stride, padding, center, aligned,
    /// density, exact}` with pairs height first. `padding` is how far the field of the first unit reaches beyond the
    /// image's start, `center` that field's centre in pixels. `stride` is `null` where all units of a layer see the same
    /// pixels, and `[null, 2]` where that is so along the height alone; `padding` and `center` are `null`, or one of
    /// their numbers, and `density` is, where they are not known, and `receptive_field` behind a `conflict`. Where `exact`
    /// is `false`, `size` is a bound that no unit's field exceeds.
    ///
    /// A piece of `advice` is `{kind, layers, message}`, where `kind` is a name of [`AdviceKind`](super::super::AdviceKind) in
    /// small letters: `unproductive_tail`.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let json: serde_json::Value = serde_json::from_str(&ModelSpec::default_model(10)?.summary()?.to_json())
    ///     .expect("the text is JSON");
    /// let pool1 = &json["layers"][3];
    /// assert_eq!(pool1["output"], serde_json::json!([16, 14, 14]));
    /// assert_eq!(pool1["receptive_field"]["size"], serde_json::json!([6, 6]));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let layers: Vec<Json> = self.layers.iter().map(layer).collect();
        json!({
            "name": self.name,
            "input": self.input,
            "params": self.params,
            "macs": self.macs,
            "activation_bytes": self.activation_bytes,
            "conflict": self.conflict,
            "advice": self.advice.iter().map(advice).collect::<Vec<_>>(),
            "layers": layers,
        })
        .to_string()
    }

    /// The layers as comma-separated values with a head, a line each. What is not known is empty, and so are height and
    /// width of vectors. Several inputs have a space between them: no field needs quotes.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let csv = ModelSpec::default_model(10)?.summary()?.to_csv();
    /// assert_eq!(csv.lines().nth(1), Some("conv1,conv2d,input,16,28,28,400,313600,50176,false,5,5,1,1,2,2,0,0,true,1,true"));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_csv(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for layer in &self.layers {
            text.push_str(&cells(layer).join(","));
            text.push('\n');
        }
        text
    }
}

fn layer(layer: &LayerSummary) -> Json {
    json!({
        "name": layer.name,
        "type": layer.type_name,
        "inputs": layer.inputs,
        "output": layer.output.dims(),
        "params": layer.params,
        "macs": layer.macs,
        "activation_bytes": layer.activation_bytes,
        "auxiliary": layer.auxiliary,
        "receptive_field": layer.receptive_field.as_ref().map(receptive_field),
    })
}

fn receptive_field(field: &ReceptiveField) -> Json {
    // Of a pair, a number may be unknown; a pair of which nothing is known is none.
    fn pair<T: Into<Json>>(field: &ReceptiveField, get: fn(&AxisField) -> Option<T>) -> Json {
        match axes(field, get) {
            [None, None] => Json::Null,
            pair => pair.map(|value| value.map_or(Json::Null, Into::into)).to_vec().into(),
        }
    }
    json!({
        "size": field.size(),
        "stride": pair(field, |axis| axis.stride),
        "padding": pair(field, |axis| axis.padding),
        "center": pair(field, AxisField::center),
        "aligned": field.aligned(),
        "density": field.density(),
        "exact": field.exact(),
    })
}

fn advice(advice: &Advice) -> Json {
    // `UnproductiveTail` as `unproductive_tail`.
    let mut kind = String::new();
    for c in format!("{:?}", advice.kind).chars() {
        if c.is_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.extend(c.to_lowercase());
    }
    json!({ "kind": kind, "layers": advice.layers, "message": advice.message })
}

fn axes<T>(field: &ReceptiveField, get: fn(&AxisField) -> Option<T>) -> [Option<T>; 2] {
    [get(&field.rows), get(&field.columns)]
}

fn cells(layer: &LayerSummary) -> Vec<String> {
    let (height, width) = match layer.output {
        Shape::Map { height, width, .. } => (height.to_string(), width.to_string()),
        Shape::Flat { .. } => (String::new(), String::new()),
    };
    let mut cells = vec![
        layer.name.clone(),
        layer.type_name.to_owned(),
        layer.inputs.join(" "),
        layer.output.channels().to_string(),
        height,
        width,
        layer.params.to_string(),
        layer.macs.to_string(),
        layer.activation_bytes.to_string(),
        layer.auxiliary.to_string(),
    ];
    let field = layer.receptive_field.as_ref();
    cells.extend(pair(field, |axis| Some(axis.size)));
    cells.extend(pair(field, |axis| axis.stride));
    cells.extend(pair(field, |axis| axis.padding));
    cells.extend(pair(field, AxisField::center));
    cells.push(or_empty(field.map(ReceptiveField::aligned)));
    cells.push(or_empty(field.and_then(ReceptiveField::density)));
    cells.push(or_empty(field.map(ReceptiveField::exact)));
    cells
}

fn pair<T: ToString>(field: Option<&ReceptiveField>, get: fn(&AxisField) -> Option<T>) -> [String; 2] {
    field.map_or([None, None], |field| axes(field, get)).map(or_empty)
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
