//! What one needs to use the checkpoints of a run.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
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

/// The file that says how images become the model's input.
const DATA: &str = "data.toml";

/// What [`write_beside_checkpoints`] says of the data.
pub struct Described {
    pub path: PathBuf,
    pub classes: Vec<String>,
    pub normalization: Normalization,
}

/// Reads what stands beside a checkpoint; `None` where nothing does.
pub fn read_beside(checkpoint: &Path) -> anyhow::Result<Option<Described>> {
    let path = checkpoint.with_file_name(DATA);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let toml: Toml = text.parse().with_context(|| path.display().to_string())?;
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let pixels = toml.get("normalization").and_then(Value::as_table);
    let number = |value: &Value| value.as_float().or_else(|| Some(value.as_integer()? as f64));
    let floats = |name: &str| -> Vec<f64> {
        list(pixels.and_then(|pixels| pixels.get(name))).iter().filter_map(number).collect()
    };
    let normalization = Normalization { mean: floats("mean"), std: floats("std") };
    ensure!(
        !normalization.mean.is_empty() && normalization.mean.len() == normalization.std.len(),
        "{}: `mean` and `std` in [normalization], a number for each channel, expected",
        path.display()
    );
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let classes = list(toml.get("classes")).iter().filter_map(name).collect();
    Ok(Some(Described { path, classes, normalization }))
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
        DATA,
        &format!(
            "# The model's input is (pixel - mean) / std per channel, with pixels from 0 to 1; its output are logits of\n\
             # these classes.\n{toml}"
        ),
    )
}
