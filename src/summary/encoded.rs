//! What a value becomes on disk.

use crate::proto;

/// Most values are one value of an event; a few dashboards want something else.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // it lives for one call; scalars must not allocate
pub(crate) enum Encoded {
    /// A value of a summary event.
    Value(proto::summary::value::Value),
    /// An event of its own: a serialized `GraphDef`.
    GraphDef(Vec<u8>),
    /// Files beside the event file.
    Embedding(EmbeddingFiles),
}

/// Contents of the files of one embedding on the page Projector.
#[derive(Debug)]
pub(crate) struct EmbeddingFiles {
    /// Tab-separated numbers, one line per point.
    pub tensors: Vec<u8>,
    /// Points and dimensions.
    pub shape: [usize; 2],
    /// Tab-separated columns, one line per point after that of the names.
    pub metadata: Option<Vec<u8>>,
    /// One picture per point.
    pub sprites: Option<SpriteFile>,
}

/// Small pictures side by side in one PNG file, row by row.
#[derive(Debug)]
pub(crate) struct SpriteFile {
    pub png: Vec<u8>,
    /// Width and height of a small picture in pixels.
    pub size: [u32; 2],
}
