//! The summary for programs: JSON and CSV.

use serde_json::{Value as Json, json};

use super::{LayerSummary, ModelSummary};
use crate::arch::{receptive_field::ReceptiveField, shape::Shape};

/// Columns of the CSV form. Pairs are height first.
const HEAD: &str = "name,type,inputs,channels,height,width,params,macs,activation_bytes,auxiliary,\
receptive_field_h,receptive_field_w,stride_h,stride_w,padding_h,padding_w,center_y,center_x,aligned,density";

impl ModelSummary {
    /// The summary as one JSON object, in one line: `{name, input, params, macs, activation_bytes, conflict, layers}`.
    ///
    /// A layer is `{name, type, inputs, output, params, macs, activation_bytes, auxiliary, receptive_field}`, where
    /// `output` is `[C, H, W]` or `[features]`, and `receptive_field` is `{size, stride, padding, center, aligned,
    /// density}` with pairs height first. `padding` is how far the field of the first unit reaches beyond the image's
    /// start, `center` that field's centre in pixels. `stride` is `null` where all units of a layer see the same
    /// pixels, `density` where it is not known, and `receptive_field` behind a `conflict`.
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
    /// assert_eq!(csv.lines().nth(1), Some("conv1,conv2d,input,16,28,28,400,313600,50176,false,5,5,1,1,2,2,0,0,true,1"));
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
    json!({
        "size": field.size(),
        "stride": field.stride(),
        "padding": field.padding(),
        "center": field.center(),
        "aligned": field.aligned(),
        "density": field.density(),
    })
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
    cells.extend(pair(field.map(ReceptiveField::size)));
    cells.extend(pair(field.and_then(ReceptiveField::stride)));
    cells.extend(pair(field.and_then(ReceptiveField::padding)));
    cells.extend(pair(field.and_then(ReceptiveField::center)));
    cells.push(or_empty(field.map(ReceptiveField::aligned)));
    cells.push(or_empty(field.and_then(ReceptiveField::density)));
    cells
}

fn pair<T: ToString>(pair: Option<[T; 2]>) -> [String; 2] {
    pair.map_or_else(|| [String::new(), String::new()], |pair| pair.map(|value| value.to_string()))
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
