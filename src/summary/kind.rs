//! Which dashboard.

use std::fmt;

/// Which dashboard of TensorBoard a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A number.
    Scalar,
    /// A distribution.
    Histogram,
    /// One picture or several of one step.
    Image,
    /// Markdown.
    Text,
    /// One clip of sound or several of one step.
    Audio,
    /// An array for a dashboard that is a plugin.
    Tensor,
    /// Operations and how they are connected.
    Graph,
    /// Layers and how they are connected.
    ConceptualGraph,
    /// Points in many dimensions.
    Embedding,
    /// Precision and recall over thresholds.
    PrCurve,
    /// The arrangement of the page Custom Scalars.
    CustomScalars,
    /// Points, colours or triangles in space.
    Mesh,
    /// Hyperparameters of a training, or how it ended.
    HParams,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scalar => "scalar",
            Kind::Histogram => "histogram",
            Kind::Image => "image",
            Kind::Text => "text",
            Kind::Audio => "audio",
            Kind::Tensor => "tensor",
            Kind::Graph => "graph",
            Kind::ConceptualGraph => "conceptual graph",
            Kind::Embedding => "embedding",
            Kind::PrCurve => "PR curve",
            Kind::CustomScalars => "custom scalars layout",
            Kind::Mesh => "mesh",
            Kind::HParams => "hyperparameter",
        })
    }
}
