//! What is known of a tag.

use std::fmt;

use super::{column::Column, skim::Form};
use crate::{
    proto::{DataClass, SummaryMetadata},
    summary::{Step, WallTime},
};

/// Name of the plugin of the page Scalars.
pub(super) const SCALARS: &str = "scalars";

/// Which sort of values a tag has, by the plugin that shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SeriesKind {
    /// Numbers.
    Scalar,
    /// Distributions.
    Histogram,
    /// Pictures.
    Image,
    /// Sounds.
    Audio,
    /// Markdown.
    Text,
    /// Precision and recall.
    PrCurve,
    /// A layout of the page Custom Scalars.
    CustomScalars,
    /// Vertices, faces or colours of a mesh.
    Mesh,
    /// Hyperparameters, or the end of a training.
    HParams,
    /// The graph of operations.
    Graph,
    /// The graph of layers.
    ConceptualGraph,
    /// Times and memory of a run of the graph.
    RunMetadata,
    /// Values of a plugin that is none of TensorBoard's own, or of none at all.
    Other,
}

impl SeriesKind {
    /// The kind of values that a plugin of this name shows.
    ///
    /// ```
    /// use convscope::logdir::SeriesKind;
    ///
    /// assert_eq!(SeriesKind::of_plugin("scalars"), SeriesKind::Scalar);
    /// assert_eq!(SeriesKind::of_plugin("weather"), SeriesKind::Other);
    /// ```
    pub fn of_plugin(name: &str) -> SeriesKind {
        match name {
            SCALARS => SeriesKind::Scalar,
            "histograms" => SeriesKind::Histogram,
            "images" => SeriesKind::Image,
            "audio" => SeriesKind::Audio,
            "text" => SeriesKind::Text,
            "pr_curves" => SeriesKind::PrCurve,
            "custom_scalars" => SeriesKind::CustomScalars,
            "mesh" => SeriesKind::Mesh,
            "hparams" => SeriesKind::HParams,
            "graphs" => SeriesKind::Graph,
            "graph_keras_model" => SeriesKind::ConceptualGraph,
            "graph_run_metadata" | "graph_run_metadata_graph" | "graph_tagged_run_metadata" => {
                SeriesKind::RunMetadata
            }
            _ => SeriesKind::Other,
        }
    }

    /// The storage class of such values, where metadata does not tell it.
    pub(super) fn data_class(self) -> DataClass {
        match self {
            SeriesKind::Scalar => DataClass::Scalar,
            SeriesKind::Histogram
            | SeriesKind::Text
            | SeriesKind::PrCurve
            | SeriesKind::CustomScalars
            | SeriesKind::Mesh
            | SeriesKind::HParams => DataClass::Tensor,
            SeriesKind::Image
            | SeriesKind::Audio
            | SeriesKind::Graph
            | SeriesKind::ConceptualGraph
            | SeriesKind::RunMetadata => DataClass::BlobSequence,
            SeriesKind::Other => DataClass::Unknown,
        }
    }
}

impl fmt::Display for SeriesKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SeriesKind::Scalar => "scalar",
            SeriesKind::Histogram => "histogram",
            SeriesKind::Image => "image",
            SeriesKind::Audio => "audio",
            SeriesKind::Text => "text",
            SeriesKind::PrCurve => "PR curve",
            SeriesKind::CustomScalars => "custom scalars layout",
            SeriesKind::Mesh => "mesh",
            SeriesKind::HParams => "hyperparameters",
            SeriesKind::Graph => "graph",
            SeriesKind::ConceptualGraph => "conceptual graph",
            SeriesKind::RunMetadata => "run metadata",
            SeriesKind::Other => "other",
        })
    }
}

/// A tag of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TagInfo {
    /// Its name. Graphs have none in the file and are called `__run_graph__`, as TensorBoard calls them.
    pub tag: String,
    /// Which sort of values it has.
    pub kind: SeriesKind,
    /// Name of the plugin that shows them; empty where nothing says which.
    pub plugin: String,
    /// The plugin's own message about the tag, serialized.
    pub content: Vec<u8>,
    /// Its storage class. TensorBoard does not show a tag of an unknown one.
    pub data_class: DataClass,
    /// Name shown in place of the tag; mostly empty.
    pub display_name: String,
    /// Markdown shown beside the values; mostly empty.
    pub description: String,
    /// Number of values, without those that a restart made obsolete.
    pub values: usize,
    /// Bytes that its values take in the files, those included that a restart made obsolete. A record that holds values of
    /// several tags counts for each with the bytes of its own value.
    pub bytes: u64,
    /// Smallest step. `None` where all values are obsolete.
    pub first_step: Option<Step>,
    /// Largest step.
    pub last_step: Option<Step>,
    /// When the newest value was taken.
    pub last_wall_time: Option<WallTime>,
}

/// What the columns of a tag, in the order of their files, say of it: the first that says anything counts.
pub(super) fn metadata<'a>(columns: impl Iterator<Item = &'a Column>) -> SummaryMetadata {
    for column in columns {
        let mut metadata = column.metadata.as_deref().cloned().unwrap_or_default();
        if metadata.data_class() == DataClass::Unknown {
            if let Some(plugin) = implied_plugin(column.form) {
                metadata.plugin_data.get_or_insert_default().plugin_name = plugin.to_owned();
            }
            let plugin = metadata.plugin_data.as_ref().map_or("", |plugin| plugin.plugin_name.as_str());
            metadata.data_class = SeriesKind::of_plugin(plugin).data_class() as i32;
        }
        if metadata != SummaryMetadata::default() {
            return metadata;
        }
    }
    SummaryMetadata::default()
}

/// The plugin of values in old forms, which say nothing of it.
fn implied_plugin(form: Form) -> Option<&'static str> {
    match form {
        Form::SimpleValue => Some(SCALARS),
        Form::Histogram => Some("histograms"),
        Form::Image => Some("images"),
        Form::Audio => Some("audio"),
        Form::Graph => Some("graphs"),
        Form::RunMetadata => Some("graph_tagged_run_metadata"),
        Form::Tensor | Form::None => None,
    }
}
