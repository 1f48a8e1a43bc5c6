//! All studies by name.

use super::study::Study;

/// A study that can be asked for by name.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueEntry {
    /// [`Study::name`].
    pub name: &'static str,
    /// What it shows, in a few words for a list.
    pub about: &'static str,
    /// Makes it with its default settings.
    pub make: fn() -> Box<dyn Study>,
}

/// All studies, in the order in which a reader meets them: attributions first, then what looks at layers, then what looks
/// at many images.
pub fn catalogue() -> Vec<CatalogueEntry> {
    Vec::new()
}
