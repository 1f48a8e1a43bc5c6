//! What a run says of itself: the model's layers, the settings, and what one needs to use the checkpoints.

use std::{fs, path::Path};

use anyhow::Context as _;
use convscope::{
    arch::{ModelSpec, Source},
    data::{Dataset, Normalization},
    summary::{Table, thousands},
};
use toml::{Table as Toml, Value};

/// Layers with their types, output shapes and parameter counts; with their inputs where the model is no plain chain.
pub fn layers(spec: &ModelSpec) -> anyhow::Result<Table> {
    let model = spec.resolve()?;
    let is_chain = spec.layers.iter().all(|layer| layer.inputs.is_empty());
    let row = |name: &str, kind: &str, inputs: String, output: String, parameters: String| {
        let mut cells = vec![name.to_owned(), kind.to_owned()];
        if !is_chain {
            cells.push(inputs);
        }
        cells.extend([output, parameters]);
        cells
    };
    let mut table =
        Table::new(row("layer", "type", "inputs".to_owned(), "output".to_owned(), "parameters".to_owned()));
    for layer in &model.layers {
        let input_name = |input: &Source| match *input {
            Source::Image => ModelSpec::IMAGE,
            Source::Layer(index) => model.layers.get(index).map_or("", |layer| layer.name.as_str()),
        };
        let inputs: Vec<&str> = layer.inputs.iter().map(input_name).collect();
        table.row(row(
            &layer.name,
            layer.layer.type_name(),
            inputs.join(", "),
            layer.output_shape.to_string(),
            thousands(&layer.param_count()),
        ));
    }
    table.row(row("total", "", String::new(), String::new(), thousands(&model.param_count())));
    Ok(table)
}

/// Writes `model.toml` and `data.toml` beside the checkpoints: architecture, and what turns an image into the model's
/// input and its output into a class.
pub fn write_beside_checkpoints(
    folder: &Path,
    spec: &ModelSpec,
    data: &Dataset,
    normalization: &Normalization,
) -> anyhow::Result<()> {
    let floats = |values: &[f64]| Value::Array(values.iter().map(|&value| Value::Float(value)).collect());
    let mut pixels = Toml::new();
    pixels.insert("mean".to_owned(), floats(&normalization.mean));
    pixels.insert("std".to_owned(), floats(&normalization.std));
    let classes = data.classes().iter().map(|name| Value::String(name.clone())).collect();
    let mut toml = Toml::new();
    toml.insert("classes".to_owned(), Value::Array(classes));
    toml.insert("normalization".to_owned(), Value::Table(pixels));

    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("model.toml", &spec.to_toml())?;
    write(
        "data.toml",
        &format!(
            "# The model's input is (pixel - mean) / std per channel, with pixels from 0 to 1; its output are logits of\n\
             # these classes.\n{toml}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_name_their_inputs() {
        let layer = |name: &str, rest: &str| format!("[[layer]]\nname = \"{name}\"\n{rest}\n");
        let toml = [
            "name = \"branches\"\ninput = [1, 8, 8]\n".to_owned(),
            layer("a", "type = \"conv2d\"\nout_channels = 2\nkernel_size = 3\npadding = 1"),
            layer("b", "type = \"relu\"\ninputs = [\"a\"]"),
            layer("sum", "type = \"add\"\ninputs = [\"a\", \"b\"]"),
        ];
        let text = layers(&ModelSpec::from_toml(&toml.concat()).unwrap()).unwrap().to_text();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["layer", "type", "inputs", "output", "parameters"]);
        assert_eq!(lines[1], ["a", "conv2d", "input", "2x8x8", "20"]);
        assert_eq!(lines[3], ["sum", "add", "a,", "b", "2x8x8", "0"]);
        assert_eq!(lines[4], ["total", "20"]);
    }
}
