//! What is known of a tag.

use crate::proto::{DataClass, SummaryMetadata, summary};

/// What the values of a tag are.
#[derive(Debug, Default)]
pub(super) struct Tag {
    /// The first metadata.
    pub metadata: Option<SummaryMetadata>,
    /// Name of the plugin that shows them, of the first value that says it.
    plugin: String,
    /// Storage class, of the first value that says it.
    class: DataClass,
    /// Number of the first file that has it, in `Index::files`.
    pub file: u32,
}

impl Tag {
    /// What a value of the file `file` says.
    pub fn of(value: &mut summary::Value, file: u32) -> Tag {
        let metadata = value.metadata.take();
        let plugin = metadata.as_ref().and_then(|metadata| metadata.plugin_data.as_ref());
        let plugin = plugin.map(|plugin| plugin.plugin_name.clone()).filter(|name| !name.is_empty());
        let plugin = plugin.unwrap_or_else(|| implied_plugin(value).to_owned());
        let class = metadata.as_ref().map(SummaryMetadata::data_class).unwrap_or_default();
        Tag { metadata, plugin, class, file }
    }

    /// Of the file `file`, with nothing said of it.
    pub fn unknown(file: u32) -> Tag {
        Tag { file, ..Tag::default() }
    }

    /// Whether another value can be of the same kind.
    pub fn agrees(&self, other: &Tag) -> bool {
        let plugins = [&self.plugin, &other.plugin];
        let classes = [self.class, other.class];
        (plugins[0] == plugins[1] || plugins.iter().any(|plugin| plugin.is_empty()))
            && (classes[0] == classes[1] || classes.contains(&DataClass::Unknown))
    }

    /// Adds what another value says.
    pub fn join(&mut self, other: Tag) {
        if self.plugin.is_empty() {
            self.plugin = other.plugin;
        }
        if self.class == DataClass::Unknown {
            self.class = other.class;
        }
        self.metadata = self.metadata.take().or(other.metadata);
    }

    /// In words.
    pub fn describe(&self) -> String {
        let class = match self.class {
            DataClass::Unknown => "",
            DataClass::Scalar => " (numbers)",
            DataClass::Tensor => " (tensors)",
            DataClass::BlobSequence => " (blobs)",
        };
        match self.plugin.as_str() {
            "" => format!("values of no plugin{class}"),
            plugin => format!("values of the plugin `{plugin}`{class}"),
        }
    }
}

/// The plugin of values in old forms, which need not name one.
fn implied_plugin(value: &summary::Value) -> &'static str {
    use summary::value::Value;
    match value.value {
        Some(Value::SimpleValue(_)) => "scalars",
        Some(Value::Histo(_)) => "histograms",
        Some(Value::Image(_)) => "images",
        Some(Value::Audio(_)) => "audio",
        Some(Value::Tensor(_)) | None => "",
    }
}
