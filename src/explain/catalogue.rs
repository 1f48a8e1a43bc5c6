//! All studies by name.

use super::{
    attribute::Attribute,
    channel_ablation::ChannelAblation,
    class_means::ClassMeans,
    convolution_matrix::ConvolutionMatrixStudy,
    dropout::DropoutStudy,
    embedding::FeatureEmbedding,
    gallery::Gallery,
    grad_cam::{GradCam, GradCamPlusPlus},
    guided::{Deconvolution, GuidedBackprop},
    integrated_gradients::IntegratedGradients,
    linear_approximation::LinearApproximation,
    linear_model::LinearStudy,
    linear_probe::LinearProbe,
    max_pool::MaxPoolSwitchStudy,
    nearest_neighbors::NearestNeighbors,
    occlusion::Occlusion,
    pruning::Pruning,
    saliency::{GradientXInput, Saliency},
    settings::Settings,
    smooth_grad::SmoothGrad,
    study::Study,
    symmetry::Symmetry,
    wanted_images::WantedImages,
};
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
            name: "occlusion",
            about: "what the answer loses with each part of the image that is hidden",
            make: |settings| Ok(Box::new(Attribute::new(Occlusion::new().with(settings)?))),
        },
        CatalogueEntry {
            name: "saliency",
            about: "how much the answer changes with each pixel: the gradient's magnitude",
            make: |_| Ok(Box::new(Attribute::new(Saliency::new()))),
        },
        CatalogueEntry {
            name: "gradient_x_input",
            about: "what each pixel adds to the answer, to first order",
            make: |_| Ok(Box::new(Attribute::new(GradientXInput::new()))),
        },
        CatalogueEntry {
            name: "smooth_grad",
            about: "the mean gradient at noisy copies of the image",
            make: |settings| Ok(Box::new(Attribute::new(SmoothGrad::new().with(settings)?))),
        },
        CatalogueEntry {
            name: "smooth_grad_squared",
            about: "the mean squared gradient at noisy copies",
            make: |settings| Ok(Box::new(Attribute::new(SmoothGrad::squared().with(settings)?))),
        },
        CatalogueEntry {
            name: "var_grad",
            about: "the variance of the gradient at noisy copies",
            make: |settings| Ok(Box::new(Attribute::new(SmoothGrad::variance().with(settings)?))),
        },
        CatalogueEntry {
            name: "integrated_gradients",
            about: "what each pixel adds to the answer on the way from a baseline to the image",
            make: |settings| Ok(Box::new(Attribute::new(IntegratedGradients::new().with(settings)?))),
        },
        CatalogueEntry {
            name: "grad_cam",
            about: "where a layer's maps raise the class's score",
            make: |settings| Ok(Box::new(Attribute::new(GradCam::from(settings)))),
        },
        CatalogueEntry {
            name: "grad_cam_plus_plus",
            about: "as grad_cam, where several places of one class count alike",
            make: |settings| Ok(Box::new(Attribute::new(GradCamPlusPlus::from(settings)))),
        },
        CatalogueEntry {
            name: "guided_backprop",
            about: "gradients of which each ReLU hands back only what is positive; fails the randomisation check",
            make: |_| Ok(Box::new(Attribute::new(GuidedBackprop::new()))),
        },
        CatalogueEntry {
            name: "deconvolution",
            about: "the same whatever the ReLU's input was; fails the randomisation check",
            make: |_| Ok(Box::new(Attribute::new(Deconvolution::new()))),
        },
        CatalogueEntry {
            name: "max_pool_routing",
            about: "which inputs of each max pooling get a gradient",
            make: |_| Ok(Box::new(MaxPoolSwitchStudy::new())),
        },
        CatalogueEntry {
            name: "dropout",
            about: "dropout as noise on feature maps, and which weights learn behind it",
            make: |settings| Ok(Box::new(DropoutStudy::from_settings(settings)?)),
        },
        CatalogueEntry {
            name: "convolution_matrix",
            about: "the first convolution as a matrix",
            make: |_| Ok(Box::new(ConvolutionMatrixStudy::new())),
        },
        CatalogueEntry {
            name: "activation_maximization",
            about: "what filters and classes want to see, beside the real images that excite them most",
            make: |settings| {
                let mut study = WantedImages { layer: settings.layer.clone(), ..WantedImages::default() };
                study.filters = settings.filters.unwrap_or(study.filters);
                study.ascent.steps = settings.steps.unwrap_or(study.ascent.steps);
                Ok(Box::new(study))
            },
        },
        CatalogueEntry {
            name: "gallery",
            about: "all maps above on one page, with how far to believe each",
            make: |_| Ok(Box::new(Gallery::new())),
        },
        CatalogueEntry {
            name: "linear_approximation",
            about: "how far from the image a gradient may be believed",
            make: |_| Ok(Box::new(LinearApproximation::new())),
        },
        CatalogueEntry {
            name: "linear_model",
            about: "where the network is linear: weights of the classes, and what the log-odds of two are made of",
            make: |_| Ok(Box::new(LinearStudy::new())),
        },
        CatalogueEntry {
            name: "channel_ablation",
            about: "how the loss changes when each channel of a layer is set to 0",
            make: |settings| Ok(Box::new(ChannelAblation::from(settings))),
        },
        CatalogueEntry {
            name: "symmetry",
            about: "two sets of weights that are far apart and compute the same",
            make: |_| Ok(Box::new(Symmetry::new())),
        },
        CatalogueEntry {
            name: "pruning",
            about: "accuracy and loss while the smallest weights are set to 0",
            make: |_| Ok(Box::new(Pruning::new())),
        },
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
        CatalogueEntry {
            name: "nearest_neighbors",
            about: "images whose penultimate features are nearest, and their labels",
            make: |settings| {
                let mut study =
                    NearestNeighbors { layer: settings.layer.clone(), ..NearestNeighbors::default() };
                study.neighbors = settings.neighbors.unwrap_or(study.neighbors);
                Ok(Box::new(study))
            },
        },
        CatalogueEntry {
            name: "class_means",
            about: "mean feature maps of each class, of the channels that tell classes apart best",
            make: |settings| {
                let layer = settings.layer.clone();
                Ok(Box::new(ClassMeans { layer, ..ClassMeans::default() }))
            },
        },
    ]
}
