//! Dropout in a CNN: noise that is multiplied into feature maps, and weights that learn all the same.

mod answers;
mod mask;
mod noise;
mod study;
mod weights;

pub use self::{
    answers::{NoisyAnswers, answers_with_dropout},
    mask::{DropoutUnit, dropout_mask},
    noise::DropoutNoise,
    study::DropoutStudy,
    weights::{SurvivingWeights, surviving_weights},
};
