//! Floor 6: explanations of a trained network, and how far to believe them. One file for each method: a pure function that
//! gives numbers, and a small [`Study`] that draws them for TensorBoard.
//!
//! | file | what it holds |
//! |---|---|
//! | `classifier` | [`Classifier`]: the model that is explained; logits, gradients and layers' outputs within a memory |
//! | `head`, `memory` | its last layer; how many images run at a time |
//! | `attribution`, `attributor` | [`Attribution`]: how much each pixel has to do with an answer; [`Attributor`]: a method that says so |
//! | `saliency` | [`Saliency`] and [`GradientXInput`]: the gradient of a logit by the image |
//! | `attribute` | [`Attribute`]: the study of any attribution method |
//! | `smooth_grad` | [`SmoothGrad`]: gradients at noisy copies: mean, mean square, variance |
//! | `integrated_gradients`, `quadrature` | [`IntegratedGradients`]: gradients on the way from a baseline; [`Quadrature`]: its points and weights |
//! | `grad_cam` | [`GradCam`] and [`GradCamPlusPlus`]: where in a layer the class is seen |
//! | `guided` | [`GuidedBackprop`] and [`Deconvolution`]: gradients with another way back through ReLUs |
//! | `occlusion` | [`Occlusion`]: what the answer loses with each part of the image that is hidden |
//! | `linear_approximation` | [`LinearApproximation`]: the Taylor series around an image, and how far it may be believed |
//! | `deletion` | [`DeletionInsertion`]: the answer while important pixels go and come |
//! | `fill`, `planes` | what pixels show that were taken away; one image of any shape |
//! | `max_pool` | [`max_pool_routing`]: which inputs of a max pooling get a gradient |
//! | `dropout` | [`DropoutNoise`]: noise on feature maps; [`surviving_weights`]: which weights learn all the same |
//! | `convolution_matrix` | [`convolution_part`]: a convolution of the network as a matrix |
//! | `linear_probe`, `ridge` | [`LinearProbe`]: how much a linear classifier gets out of each layer |
//! | `embedding` | [`FeatureEmbedding`]: penultimate features on the page Projector |
//! | `nearest_neighbors`, `class_means` | [`NearestNeighbors`]: images that are alike to the model; [`ClassMeans`]: what channels answer to each class |
//! | `activation_maximization`, `wanted_images` | [`ActivationMaximization`]: what a filter wants to see; its study |
//! | `features` | what layers answer to many images, batch by batch |
//! | `gallery` | [`Gallery`]: all maps of a report on one page |
//! | `trust`, `last_layer` | [`Trust`]: checks of a map, and the badge; the model with another last layer |
//! | `rank_correlation` | [`rank_correlation()`]: how alike two maps order the pixels |
//! | `channel_ablation`, `losses` | [`ChannelAblation`]: the loss without each channel |
//! | `symmetry` | [`Symmetry`]: two sets of weights, one function |
//! | `pruning` | [`Pruning`]: the answers without the smallest weights |
//! | `linear_model` | [`LinearModel`]: where a network is linear, its weights and log-odds |
//! | `sample` | [`Sample`], [`Case`]: an image, and what the model answers for it |
//! | `study`, `report`, `shared` | [`Study`] and [`Report`]: the seam between explanations and those who run them; what studies leave for others |
//! | `catalogue`, `settings` | all studies by name; what a user may set of them |
//! | `callback`, `choice` | [`Explain`]: runs studies while training; which images they look at |

mod activation_maximization;
mod attribute;
mod attribution;
mod attributor;
mod callback;
mod catalogue;
mod channel_ablation;
mod choice;
mod class_means;
mod classifier;
mod convolution_matrix;
mod deletion;
mod dropout;
mod embedding;
mod features;
mod fill;
mod gallery;
mod grad_cam;
mod guided;
mod head;
mod integrated_gradients;
mod last_layer;
mod linear_approximation;
mod linear_model;
mod linear_probe;
mod losses;
mod max_pool;
mod memory;
mod nearest_neighbors;
mod occlusion;
mod planes;
mod pruning;
mod quadrature;
mod rank_correlation;
mod report;
mod ridge;
mod rounding;
mod saliency;
mod sample;
mod settings;
mod shared;
mod smooth_grad;
mod study;
mod symmetry;
mod trust;
mod values;
mod wanted_images;

pub use self::{
    activation_maximization::{ActivationMaximization, Maximized, Start, Units},
    attribute::Attribute,
    attribution::{Attribution, Reduce, Sign},
    attributor::Attributor,
    callback::Explain,
    catalogue::{CatalogueEntry, catalogue},
    channel_ablation::{ChannelAblation, ChannelEffect, LayerAblation},
    class_means::{ClassMeanMaps, ClassMeans, SelectiveChannel},
    classifier::{Classifier, Gradients, Prediction, Trace},
    convolution_matrix::{ConvolutionMatrixStudy, ConvolutionPart, convolution_part},
    deletion::{DeletionCurves, DeletionInsertion, DeletionScore},
    dropout::{
        DropoutNoise, DropoutStudy, DropoutUnit, NoisyAnswers, SurvivingWeights, answers_with_dropout,
        dropout_mask, surviving_weights,
    },
    embedding::{EmbeddedFeatures, FeatureEmbedding},
    fill::Fill,
    gallery::Gallery,
    grad_cam::{GradCam, GradCamPlusPlus, scale_cam_image},
    guided::{Deconvolution, GuidedBackprop},
    head::Head,
    integrated_gradients::IntegratedGradients,
    linear_approximation::{ErrorCurve, Expansion, LinearApproximation, RangeOfTrust, Reach},
    linear_model::{LinearModel, LinearStudy},
    linear_probe::{Accuracy, LinearProbe, ProbedLayer, ProbedLayers},
    max_pool::{MaxPoolRouting, MaxPoolSwitchStudy, RoutingCounts, max_pool_routing},
    nearest_neighbors::{NearestNeighbors, Neighbor, Neighbors},
    occlusion::{Occlusion, OcclusionMap, Patch, PatchStarts},
    pruning::{Pruning, PruningCurve, PruningPoint, PruningScope, prune},
    quadrature::Quadrature,
    rank_correlation::rank_correlation,
    report::Report,
    ridge::RidgeClassifier,
    saliency::{GradientXInput, Saliency},
    sample::{Case, Sample},
    settings::Settings,
    smooth_grad::SmoothGrad,
    study::{Evidence, Study, Subject},
    symmetry::{SymmetricPair, Symmetry, SymmetryFound},
    trust::{Checks, Trust},
    wanted_images::WantedImages,
};
