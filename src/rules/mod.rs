//! Floor 4: what goes wrong in a training, found by rules from what was measured.
//!
//! Nothing here needs libtorch: an [`Observation`] is numbers, whoever measured them, and a [`Rule`] finds
//! [`Symptom`]s in it. `diagnostics::Diagnosis` measures and examines while a network trains on libtorch.
//!
//! # The rules
//!
//! In the order of [`RuleSet::standard`]: causes before what follows from them. All thresholds can be changed, by the
//! fields of the rule or in TOML ([`RuleSet::configure`]). Where they differ from the source, the rule says why.
//! *SageMaker* is Amazon SageMaker Debugger.
//!
//! | rule | what it finds | default thresholds | source |
//! |---|---|---|---|
//! | [`input_not_normalized`](InputNotNormalized) | inputs whose channels have a mean far from 0, or values far from 1 | absolute mean > 0.2: info; RMS > 5 or deviation < 0.01: warning; RMS > 20: critical | SageMaker CheckInputImages; LeCun et al. 1998 |
//! | [`label_range`](LabelRange) | labels that are no class of the model; classes that never occur | any label outside: critical; unseen classes: info, more than half: warning | PyTorch's cross-entropy |
//! | [`unshuffled_data`](UnshuffledData) | batches of few classes each | fewer than 0.6 of the expected number of labels: warning | own |
//! | [`class_imbalance`](ClassImbalance) | some classes have far more images than others | ratio > 10: warning; rare ones > 70 % wrong while the frequent one is learned: critical | SageMaker ClassImbalance |
//! | [`stalled_data_loading`](StalledDataLoading) | more waiting for data than training | > 50 % of the time: warning | own |
//! | [`poor_initialization`](PoorInitialization) | training begins from bad weights | variance over depth > 1e5, first loss > 3 ln C, logits > 10: warning; equal weights: critical | SageMaker PoorWeightInitialization |
//! | [`exploding_gradient`](ExplodingGradient) | gradients, updates or the loss grow without bounds | norm > 1e4: warning; 1000 times its median, updates > 0.1, 3 of 5 losses 20 times the first: critical | TorchLens; CS231n |
//! | [`non_finite`](NonFinite) | NaN or infinity, and where it began | any: critical | SageMaker ExplodingTensor |
//! | [`saturated_activation`](SaturatedActivation) | tanh and sigmoid at their flat ends | > 50 % of a layer: warning; > 90 %: critical | SageMaker SaturatedActivation |
//! | [`dead_relu`](DeadRelu) | units that are silent for a whole window of images | > 50 % of a layer: warning; > 80 %: critical | SageMaker DeadRelu; keras-contrib |
//! | [`sparse_activations`](SparseActivations) | nearly all outputs of a layer are 0 | > 98 %: warning | SageMaker AllZero |
//! | [`vanishing_gradient`](VanishingGradient) | gradients shrink on their way to the first layers | 1e-4 of the median layer, 4 decades over depth: warning; 1e-6, 6 decades: critical | SageMaker VanishingGradient; TorchLens |
//! | [`update_ratio`](UpdateRatio) | steps that change the weights too little or too much | outside 1e-4 to 1e-2 from step 200 on: info; 1e-6 to 0.1: warning; 1e-8 to 10: critical | CS231n; SageMaker WeightUpdateRatio |
//! | [`unchanged_parameter`](UnchangedParameter) | parameters that do not change; frozen ones | frozen: info; not one bit changed: warning; of no weight: critical | SageMaker UnchangedTensor |
//! | [`dropout_shift`](DropoutShiftRule) | dropout before a normalisation | variance 1.5 times that of evaluation: warning | Li et al. 2019 |
//! | [`batch_norm_drift`](BatchNormDrift) | BatchNorm's running statistics are not those of the batches | variance > 1e6, 10 times the batch's, mean 3 deviations away: warning; > 1e10: critical | own |
//! | [`loss_spike`](LossSpike) | a batch's loss far above those before it | 8 robust deviations: info; above the first losses, or 3 large ones in 1,000 batches: warning | Lightning SpikeDetection |
//! | [`loss_divergence`](LossDivergence) | the loss went up for good | 5 % above the first losses, 1.5 ln C, half of what was gained: warning | SageMaker LossNotDecreasing |
//! | [`loss_not_decreasing`](LossNotDecreasing) | the loss does not fall, or far too slowly | less than 0.1 % per 10 batches: warning | SageMaker LossNotDecreasing |
//! | [`loss_plateau`](LossPlateau) | the loss has stopped falling | 10 epochs without 1 %: info; above half of the first losses: warning | PyTorch and Keras ReduceLROnPlateau |
//! | [`prediction_collapse`](PredictionCollapse) | the same answer to nearly every image | > 95 % of the answers: warning | own |
//! | [`no_generalization`](NoGeneralization) | training above chance, validation at chance | skill < 0.05 in validation and > 0.02 in training: warning; > 0.2: critical | Zhang et al. 2017 |
//! | [`overfitting`](Overfitting) | better on training images, worse on validation images | gap > 0.1 and validation loss up 5 %: info, 20 % or accuracy gap > 0.2: warning; > 0.3: critical | SageMaker Overfit |
//! | [`overtraining`](Overtraining) | no better validation loss for long | 10 passes without 1 %: warning | SageMaker Overtraining; Keras, Lightning |
//!
//! What the loss and the answers show is a warning at most: it tells that something is wrong, and the rules above it tell
//! what. So a training that does not work has one critical finding, its cause, and warnings that follow from it.
//!
//! Own rules are closures ([`RuleSet::with_fn`]) or types ([`Rule`]). `examples/rules_without_libtorch.rs` shows both the
//! standard rules and an own one beside a training loop that does not know libtorch.
//!
//! # The files
//!
//! | file | what it holds |
//! |---|---|
//! | `observation`, `batch`, `layer`, `param`, `timing` | [`Observation`]: what was measured at one moment |
//! | `tensor_stats` | [`TensorStats`]: numbers about one tensor |
//! | `rule`, `closure`, `setting`, `threshold` | [`Rule`], the [`Symptom`] that it finds, [`Setting`]s, [`Threshold`]s |
//! | `rule_set`, `config` | [`RuleSet`]: which rules look, with which settings, in TOML too |
//! | `examiner`, `alarm`, `finding`, `recent` | [`Examiner`]: from symptoms that last to a [`Finding`] |
//! | `verdict`, `verdict_page`, `catalogue`, `evidence` | [`Verdict`]: all of it in words, in Markdown and for the terminal |
//! | `words`, `median` | numbers in sentences; the median |
//! | `standard/` | the rules, one file each, and [`RuleSet::standard`] |
//! | `standard/group` | many layers with the same trouble are one symptom |
//! | `standard/{losses,checks,label_counts,peak_rate}` | what several rules remember of loss, validation, labels and learning rate |

mod alarm;
mod batch;
mod catalogue;
mod closure;
mod config;
mod evidence;
mod examiner;
mod finding;
mod layer;
mod median;
mod observation;
mod param;
mod recent;
mod rule;
mod rule_set;
mod setting;
mod standard;
mod tensor_stats;
mod threshold;
mod timing;
mod verdict;
mod verdict_page;
mod words;

pub use self::{
    alarm::Persistence,
    batch::{BatchObservation, ChannelStats, LabelStats, PredictionStats},
    evidence::Evidence,
    examiner::{Changes, Examiner},
    finding::Finding,
    layer::{Cause, DropoutShift, LayerObservation, SilentUnit, UnitActivity},
    observation::{Moment, Observation, Score},
    param::{ParamObservation, ParamRole, Spectrum},
    recent::Recent,
    rule::{Rule, Severity, Symptom},
    rule_set::RuleSet,
    setting::Setting,
    standard::{
        BatchNormDrift, ClassImbalance, DeadRelu, DropoutShiftRule, ExplodingGradient, InputNotNormalized,
        LabelRange, LossDivergence, LossNotDecreasing, LossPlateau, LossSpike, NoGeneralization, NonFinite,
        Overfitting, Overtraining, PoorInitialization, PredictionCollapse, SaturatedActivation,
        SparseActivations, StalledDataLoading, UnchangedParameter, UnshuffledData, UpdateRatio,
        VanishingGradient,
    },
    tensor_stats::TensorStats,
    threshold::{Grade, Threshold},
    timing::Timing,
    verdict::{Looks, Verdict},
};
