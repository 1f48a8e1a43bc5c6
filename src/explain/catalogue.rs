//! All studies by name.

use super::{embedding::FeatureEmbedding, linear_probe::LinearProbe, settings::Settings, study::Study};
use crate::error::Result;

/// A study that can be asked for by name.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueEntry {
    /// [`Study::name`].
    pub name: &'static str,
    /// What it shows, in a few words for a list.
    pub about: &'static str,
    /// Makes it. What the settings leave open has its default.
    ///
    /// # Errors
    /// A setting with a value that the study cannot take.
    pub make: fn(&Settings) -> Result<Box<dyn Study>>,
}

/// All studies, in the order in which a reader meets them: attributions first, then what looks at layers, then what looks
/// at many images.
///
/// ```
/// use convscope::explain::{Settings, catalogue};
///
/// for entry in catalogue() {
///     assert_eq!((entry.make)(&Settings::default())?.name(), entry.name);
/// }
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn catalogue() -> Vec<CatalogueEntry> {
    vec![
        CatalogueEntry {
            name: "linear_probe",
            about: "accuracy of a linear classifier on each layer's output",
            make: |_| Ok(Box::new(LinearProbe::default())),
        },
        CatalogueEntry {
            name: "embedding",
            about: "penultimate features of many images on TensorBoard's page Projector",
            make: |settings| {
                let layer = settings.layer.clone();
                Ok(Box::new(FeatureEmbedding { layer, ..FeatureEmbedding::default() }))
            },
        },
    ]
}
