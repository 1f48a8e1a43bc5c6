//! The summary for people.

use super::{FLOAT32, LayerSummary, ModelSummary};
use crate::{
    arch::{
        receptive_field::{AxisField, ReceptiveField},
        shape::Shape,
        spec::ModelSpec,
    },
    summary::{Table, thousands},
};

/// Where a receptive field is not known.
const UNKNOWN: &str = "?";

/// So many inputs are listed, of more the first two and the last.
const MOST_INPUTS: usize = 8;

/// A column: its head, and what stands in it for a layer with the one above it.
type Column = (&'static str, fn(&LayerSummary, Option<&LayerSummary>) -> String);

const COLUMNS: [Column; 9] = [
    ("layer", |layer, _| layer.name.clone()),
    ("type", |layer, _| layer.type_name.to_owned()),
    ("output", |layer, _| layer.output.to_string()),
    ("parameters", |layer, _| thousands(&layer.params)),
    ("multiply-adds", |layer, _| thousands(&layer.macs)),
    ("output bytes", |layer, _| thousands(&layer.activation_bytes)),
    ("receptive field", |layer, _| {
        let is_bound = layer.receptive_field.as_ref().is_some_and(|field| !field.exact());
        let size = field(layer, |axis| Some(axis.size));
        if is_bound { format!("≤{size}") } else { size }
    }),
    ("stride", |layer, _| field(layer, |axis| axis.stride)),
    ("padding", |layer, _| field(layer, |axis| axis.stride.and(axis.padding))),
];
const DENSITY: Column = ("density", |layer, _| {
    layer.receptive_field.as_ref().and_then(ReceptiveField::density).map_or_else(String::new, short)
});
const ALIGNED: Column = ("aligned", |layer, _| {
    layer.receptive_field.as_ref().map_or("", |field| if field.aligned() { "yes" } else { "no" }).to_owned()
});
const AUXILIARY: Column = ("auxiliary", |layer, _| if layer.auxiliary { "yes" } else { "" }.to_owned());
const INPUTS: Column = ("inputs", |layer, above| {
    if reads_the_one_above(layer, above) {
        return String::new();
    }
    let short = |input: &String| without_box(input, &layer.name);
    match &layer.inputs[..] {
        [first, second, .., last] if layer.inputs.len() > MOST_INPUTS => {
            let count = thousands(&layer.inputs.len());
            format!("{}, {}, … {} ({count})", short(first), short(second), short(last))
        }
        inputs => inputs.iter().map(short).collect::<Vec<_>>().join(", "),
    }
});

impl ModelSummary {
    /// The layers as a table, with the totals in its last row. A size, stride or padding that is the same in both
    /// directions is one number, others are height x width. Receptive fields are in pixels of the image; `?` stands for
    /// a field that is not known, `≤` before a size that no unit's field exceeds. Where all units of a layer see the same
    /// pixels there is no stride, and `-` where they do along one direction alone.
    ///
    /// Four columns are there only where they say something: `density` below 1, `aligned` where paths do not share
    /// their centre, `auxiliary`, and `inputs` of layers that do not read the one above, where `…` stands for the parts
    /// of a name that the layer's own has, too. Of more than eight inputs there are the first two, the last and their
    /// number.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let table = ModelSpec::default_model(10)?.summary()?.to_table().to_text();
    /// let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    /// assert_eq!(lines[1], ["conv1", "conv2d", "16x28x28", "400", "313,600", "50,176", "5", "1", "2"]);
    /// assert_eq!(lines[4], ["pool1", "max_pool2d", "16x14x14", "0", "0", "12,544", "6", "2", "2"]);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_table(&self) -> Table {
        let mut columns = COLUMNS.to_vec();
        let fields = || self.layers.iter().filter_map(|layer| layer.receptive_field.as_ref());
        if fields().any(|field| field.density().is_some_and(|density| density < 1.0)) {
            columns.push(DENSITY);
        }
        if fields().any(|field| !field.aligned()) {
            columns.push(ALIGNED);
        }
        if self.has_auxiliary() {
            columns.push(AUXILIARY);
        }
        let above = |index: usize| index.checked_sub(1).and_then(|above| self.layers.get(above));
        let in_line = |(index, layer)| reads_the_one_above(layer, above(index));
        if !self.layers.iter().enumerate().all(in_line) {
            columns.push(INPUTS);
        }
        let mut table = Table::new(columns.iter().map(|(head, _)| *head));
        for (index, layer) in self.layers.iter().enumerate() {
            table.row(columns.iter().map(|(_, cell)| cell(layer, above(index))));
        }
        let [params, macs, bytes] =
            [self.params, self.macs, self.activation_bytes].map(|sum| thousands(&sum));
        table.row(["total", "", "", &params, &macs, &bytes]);
        table
    }

    /// Parameters, multiply-adds, memory of the activations, and the receptive field of the last maps, with their units.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let totals = ModelSpec::default_model(10)?.summary()?.to_totals().to_text();
    /// assert!(totals.contains("98,810 (395.2 kB in float32)"), "{totals}");
    /// assert!(totals.contains("24x24 pixels at `pool3`, the image has 28x28"), "{totals}");
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_totals(&self) -> Table {
        let in_float32 = |bytes: i64| format!("{}B in float32", scaled(bytes, 1));
        let own = |value: fn(&LayerSummary) -> i64| {
            let layers = self.layers.iter().filter(|layer| !layer.auxiliary);
            let sum = layers.map(value).fold(0, i64::saturating_add);
            if self.has_auxiliary() {
                format!(", {} without auxiliary layers", thousands(&sum))
            } else {
                String::new()
            }
        };
        let mut table = Table::new(["total", "for one image"]);
        table.row([
            "parameters".to_owned(),
            format!(
                "{} ({}){}",
                thousands(&self.params),
                in_float32(self.params.saturating_mul(FLOAT32)),
                own(|layer| layer.params)
            ),
        ]);
        table.row([
            "multiply-adds".to_owned(),
            format!("{} ({}){}", thousands(&self.macs), scaled(self.macs, 3), own(|layer| layer.macs)),
        ]);
        table.row([
            "activations".to_owned(),
            format!(
                "{} bytes ({}), outputs of all layers together",
                thousands(&self.activation_bytes),
                in_float32(self.activation_bytes)
            ),
        ]);
        if let Some((name, field)) = self.last_maps() {
            let [height, width] = field.size();
            let bound = if field.exact() { "" } else { "at most " };
            let [_, image_height, image_width] = self.input;
            table.row([
                "receptive field".to_owned(),
                format!(
                    "{bound}{height}x{width} pixels at `{name}`, the image has {image_height}x{image_width}"
                ),
            ]);
        }
        table
    }

    fn has_auxiliary(&self) -> bool {
        self.layers.iter().any(|layer| layer.auxiliary)
    }

    /// The last layer on the way to the output whose units see different pixels, with their field.
    fn last_maps(&self) -> Option<(&str, &ReceptiveField)> {
        self.layers.iter().rev().filter(|layer| !layer.auxiliary).find_map(|layer| {
            let field = layer.receptive_field.as_ref()?;
            let is_map = matches!(layer.output, Shape::Map { .. }) && !field.sees_everything();
            is_map.then_some((layer.name.as_str(), field))
        })
    }
}

fn reads_the_one_above(layer: &LayerSummary, above: Option<&LayerSummary>) -> bool {
    layer.inputs == [above.map_or(ModelSpec::IMAGE, |above| above.name.as_str())]
}

/// The name of an input with `…` for the parts that it has in common with `layer`: `…bn2` for `layer1.0.bn2` at
/// `layer1.0.add`.
fn without_box(input: &str, layer: &str) -> String {
    let common = input.split_inclusive('.').zip(layer.split_inclusive('.'));
    let common: usize =
        common.take_while(|(a, b)| a == b && a.ends_with('.')).map(|(part, _)| part.len()).sum();
    if common == 0 { input.to_owned() } else { format!("…{}", &input[common..]) }
}

/// Something of the receptive field; nothing where the field has none.
fn field(layer: &LayerSummary, get: fn(&AxisField) -> Option<i64>) -> String {
    let Some(field) = &layer.receptive_field else { return UNKNOWN.to_owned() };
    match [get(&field.rows), get(&field.columns)] {
        [None, None] => String::new(),
        [Some(height), Some(width)] if height == width => height.to_string(),
        pair => pair.map(|value| value.map_or_else(|| "-".to_owned(), |value| value.to_string())).join("x"),
    }
}

/// `12345678` as `12.35 M` with two `decimals`.
fn scaled(count: i64, decimals: usize) -> String {
    let (unit, name) = match count {
        1_000_000_000.. => (1e9, "G"),
        1_000_000.. => (1e6, "M"),
        _ => (1e3, "k"),
    };
    format!("{:.decimals$} {name}", count as f64 / unit)
}

/// A share with two digits behind the point, but 1 only where it is whole.
fn short(share: f64) -> String {
    if share < 1.0 { format!("{:.2}", share.min(0.99)) } else { "1".to_owned() }
}
