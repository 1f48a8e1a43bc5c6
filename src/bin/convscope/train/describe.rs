//! What one needs to use the checkpoints of a run.

use std::{fs, path::Path};

use anyhow::Context as _;
use convscope::{
    ModelCard,
    arch::ModelSpec,
    data::{Dataset, Normalization, Preprocessing},
};
use toml::{Table as Toml, Value};

use super::values::DataSource;

/// What stands in the checkpoints themselves.
pub fn card(
    source: &DataSource,
    spec: &ModelSpec,
    data: &Dataset,
    normalization: &Normalization,
) -> anyhow::Result<ModelCard> {
    Ok(ModelCard {
        model: Some(spec.clone()),
        preprocessing: Some(Preprocessing::for_input(spec.input, normalization.clone())?),
        classes: data.classes().to_vec(),
        data: Some(source.absolute()?.to_string()),
        ..ModelCard::default()
    })
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
