//! Trainings that are sick on purpose, one file each.

mod class_imbalance;
mod dead_relu;
mod dead_relu_own_loop;
mod dropout_shift;
mod exploding_gradient;
mod frozen_layer;
mod inputs_times_255;
mod nan_in_one_image;
mod saturated_tanh;
mod shuffled_labels;
mod ten_images;
mod tiny_learning_rate;
mod vanishing_gradient;
mod zero_weights;

use super::Case;

/// All of them.
pub const SICK: &[Case] = &[
    vanishing_gradient::CASE,
    exploding_gradient::CASE,
    dead_relu::CASE,
    dead_relu_own_loop::CASE,
    zero_weights::CASE,
    inputs_times_255::CASE,
    nan_in_one_image::CASE,
    shuffled_labels::CASE,
    class_imbalance::CASE,
    frozen_layer::CASE,
    dropout_shift::CASE,
    tiny_learning_rate::CASE,
    ten_images::CASE,
    saturated_tanh::CASE,
];
