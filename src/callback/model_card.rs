//! What a checkpoint says of itself.

use std::path::Path;

use toml::{Table, Value};

use crate::{
    arch::ModelSpec,
    data::Preprocessing,
    error::{Error, Result},
    weights,
};

/// The key in the metadata of a safetensors file.
const KEY: &str = "convscope";

/// What one needs to use a checkpoint beside its values: it stands in the file itself, as TOML under `convscope` in
/// safetensors' `__metadata__`, which all readers of the format pass over. Everything may be absent.
///
/// ```
/// use convscope::{Checkpoint, ModelCard, arch::ModelSpec};
/// use tch::{Device, nn};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let store = nn::VarStore::new(Device::Cpu);
/// let _weight = store.root().ones("weight", &[3]);
/// let card = ModelCard { model: Some(ModelSpec::default_model(10)?), ..ModelCard::default() };
/// Checkpoint::save_with(&store, &card, &path)?;
/// assert_eq!(ModelCard::read(&path)?, Some(card));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelCard {
    /// The architecture.
    pub model: Option<ModelSpec>,
    /// How a picture becomes the model's input.
    pub preprocessing: Option<Preprocessing>,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Where the training data came from, as `--data` of the program takes it.
    pub data: Option<String>,
    /// The step that the values are of.
    pub step: Option<i64>,
    /// The epoch that the values are of.
    pub epoch: Option<u64>,
}

impl ModelCard {
    /// The card in the safetensors file at `path`; `None` where it has none, as a file that PyTorch wrote.
    ///
    /// # Errors
    /// A file that cannot be read or is no safetensors file; a card that cannot be understood.
    pub fn read(path: impl AsRef<Path>) -> Result<Option<ModelCard>> {
        let path = path.as_ref();
        let metadata = weights::metadata(path)?;
        let in_file = |error: Error| Error::invalid(path.display().to_string(), error.to_string());
        metadata.get(KEY).map(|text| ModelCard::from_toml(text).map_err(in_file)).transpose()
    }

    /// As it stands in the file.
    pub fn to_toml(&self) -> String {
        let mut table = Table::new();
        let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
        if let Some(step) = self.step {
            put("step", Value::Integer(step));
        }
        if let Some(epoch) = self.epoch {
            put("epoch", Value::Integer(epoch.cast_signed()));
        }
        if let Some(data) = &self.data {
            put("data", Value::String(data.clone()));
        }
        if !self.classes.is_empty() {
            put("classes", Value::Array(self.classes.iter().cloned().map(Value::String).collect()));
        }
        if let Some(model) = &self.model {
            put("model", Value::String(model.to_toml()));
        }
        if let Some(preprocessing) = &self.preprocessing {
            put("preprocessing", Value::Table(preprocessing.to_table()));
        }
        table.to_string()
    }

    /// Reads what [`to_toml`](ModelCard::to_toml) writes. Fields that are not known are passed over: a later version may
    /// write more.
    ///
    /// # Errors
    /// A text that is no TOML; a field of another kind than expected; an architecture or preprocessing that cannot be
    /// used.
    pub fn from_toml(text: &str) -> Result<ModelCard> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            Error::invalid("model card", format!("it is no TOML: {}", error.message()))
        })?;
        let wrong = |field: &str, expected: &str| {
            Error::invalid("model card", format!("field `{field}`: {expected} expected"))
        };
        let text = |field: &str| {
            table.get(field).map(|value| value.as_str().ok_or_else(|| wrong(field, "a text"))).transpose()
        };
        let whole = |field: &str| {
            let number = |value: &Value| value.as_integer().filter(|&number| number >= 0);
            table
                .get(field)
                .map(|value| number(value).ok_or_else(|| wrong(field, "a number from 0")))
                .transpose()
        };
        let classes = match table.get("classes") {
            None => Some(Vec::new()),
            Some(value) => value
                .as_array()
                .and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect()),
        };
        let preprocessing = match table.get("preprocessing") {
            None => None,
            Some(Value::Table(table)) => Some(Preprocessing::from_table(table)?),
            Some(_) => return Err(wrong("preprocessing", "a table")),
        };
        Ok(ModelCard {
            model: text("model")?.map(ModelSpec::from_toml).transpose()?,
            preprocessing,
            classes: classes.ok_or_else(|| wrong("classes", "a list of names"))?,
            data: text("data")?.map(str::to_owned),
            step: whole("step")?,
            epoch: whole("epoch")?.map(i64::unsigned_abs),
        })
    }

    pub(super) fn metadata(&self) -> weights::Metadata {
        Some((KEY, self.to_toml()))
    }
}
