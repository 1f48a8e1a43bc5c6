//! Where a network is a linear model: its weights, and what they say about the odds of two classes.

mod find;
mod study;

use tch::Tensor;

use super::sample::class_name;
use crate::error::{Error, Result};

pub use self::study::LinearStudy;

/// A classifier, or its end, as a linear model: `logits = W x + b`, where `x` is the image or the output of a layer. With
/// softmax behind it this is multinomial logistic regression, and
///
/// ```text
/// ln(P(k) / P(j)) = (w_k - w_j) x + (b_k - b_j)
/// ```
///
/// so each weight says by how much the log-odds of two classes change when its feature grows by 1. Only differences between
/// classes count: adding one vector to the weights of all classes changes no probability.
///
/// [`find`](LinearModel::find) takes the earliest place behind which all is linear, so weights of a linear layer behind an
/// average pooling, a flattening or an inactive dropout become weights of the maps before it. That it *is* linear is
/// verified by finite differences, not taken from the layers' names.
///
/// ```
/// use convscope::explain::{Classifier, LinearModel};
/// use tch::Tensor;
///
/// // Two logits of two pixels: 3 a - 2 b + 1, and a.
/// let weight = Tensor::from_slice(&[3.0f32, -2.0, 1.0, 0.0]).reshape([2, 2]);
/// let bias = Tensor::from_slice(&[1.0f32, 0.0]);
/// let classifier = Classifier::new(|images| Ok(images.flatten(1, -1).matmul(&weight.tr()) + &bias));
/// let images = Tensor::from_slice(&[0.5f32, 1.0, 2.0, -1.0]).reshape([2, 1, 1, 2]);
///
/// let model = LinearModel::find(&classifier, &images, 0)?.unwrap();
/// assert_eq!((model.place(), model.shape.as_slice()), ("image", [1, 1, 2].as_slice()));
/// assert!((model.log_odds(&[0.5, 1.0], 0, 1)? - (0.5 - 0.5)).abs() < 1e-5); // 3/2 - 2 + 1 against 1/2
/// assert_eq!(model.predictor(1), "pixel (0, 1)");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    /// The layer whose output is `x`; `None` where it is the image.
    pub layer: Option<String>,
    /// Shape of `x` for one image.
    pub shape: Vec<i64>,
    /// `W`, `[classes, features]`, class by class.
    pub weights: Vec<f32>,
    /// `b`, `[classes]`.
    pub bias: Vec<f64>,
    /// The largest deviation from linearity that was found, relative to the largest logit: rounding.
    pub error: f64,
}

impl LinearModel {
    /// The linear model behind the earliest place of `classifier` from which on it is linear: the image, or an observed
    /// layer through which all goes. Verified on the first two of `images`, `[N, C, H, W]`, in random directions of three
    /// lengths: second differences vanish, and what other images would add, up to 1e-4 of the largest logit (5e-3 on CUDA,
    /// where convolutions may be in TF32). `Err` in words where there is none.
    ///
    /// Costs some 10 passes of two images for each layer behind the place, and one backward pass a class.
    ///
    /// # Errors
    /// What the model refuses.
    pub fn find(
        classifier: &super::Classifier<'_>,
        images: &Tensor,
        seed: u64,
    ) -> Result<std::result::Result<LinearModel, String>> {
        find::find(classifier, images, seed)
    }

    /// `image`, or the layer's name.
    pub fn place(&self) -> &str {
        self.layer.as_deref().unwrap_or("image")
    }

    /// How many classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// How many features: values of `x`.
    pub fn features(&self) -> usize {
        self.weights.len() / self.classes().max(1)
    }

    /// The weights of a class.
    pub fn class_weights(&self, class: usize) -> &[f32] {
        &self.weights[class * self.features()..][..self.features()]
    }

    /// `ln(P(k) / P(j))` for features `x`.
    ///
    /// # Errors
    /// Another number of features than the model has; a class that it does not have.
    pub fn log_odds(&self, x: &[f32], k: usize, j: usize) -> Result<f64> {
        let bias = self.checked_bias(k, j)?;
        Ok(self.contributions(x, k, j)?.iter().sum::<f64>() + bias)
    }

    /// What each [predictor](LinearModel::predictor) adds to `ln(P(k) / P(j))`: `(w_k - w_j) x`, summed over its values.
    /// Together with the difference of the biases these are the log-odds.
    ///
    /// # Errors
    /// As [`log_odds`](LinearModel::log_odds).
    pub fn contributions(&self, x: &[f32], k: usize, j: usize) -> Result<Vec<f64>> {
        self.checked_bias(k, j)?;
        if x.len() != self.features() {
            return Err(Error::invalid(
                format!("features at `{}`", self.place()),
                format!("{} found; the linear model has {}", x.len(), self.features()),
            ));
        }
        let parts = (self.class_weights(k).iter().zip(self.class_weights(j)).zip(x))
            .map(|((k, j), x)| (f64::from(*k) - f64::from(*j)) * f64::from(*x));
        Ok(self.by_predictor(parts))
    }

    /// The weights of the predictors, less their mean over the classes, `[classes, predictors]`: of a predictor of several
    /// values, what it adds where all of them grow by 1. The mean changes no probability.
    pub fn centred(&self) -> Vec<Vec<f64>> {
        let weights: Vec<Vec<f64>> = (0..self.classes())
            .map(|class| self.by_predictor(self.class_weights(class).iter().map(|weight| f64::from(*weight))))
            .collect();
        let mean = |predictor: usize| {
            weights.iter().map(|class| class[predictor]).sum::<f64>() / self.classes().max(1) as f64
        };
        let means: Vec<f64> = (0..self.predictors()).map(mean).collect();
        let centre =
            |class: &Vec<f64>| class.iter().zip(&means).map(|(weight, mean)| weight - mean).collect();
        weights.iter().map(centre).collect()
    }

    /// How many predictors: pixels of an image, channels of a layer.
    pub fn predictors(&self) -> usize {
        self.features() / self.positions()
    }

    /// What a predictor is called: `pixel (3, 4)`, `red pixel (3, 4)`, `relu4[17]`, `relu3 channel 5`.
    pub fn predictor(&self, number: usize) -> String {
        match (&self.layer, self.shape.as_slice()) {
            (None, &[channels, height, width]) if height > 0 && width > 0 => {
                let (plane, width) = ((height * width) as usize, width as usize);
                let (channel, pixel) = (number / plane, number % plane);
                let color = match (channels, channel) {
                    (1, _) => String::new(),
                    (3, 0) => "red ".to_owned(),
                    (3, 1) => "green ".to_owned(),
                    (3, 2) => "blue ".to_owned(),
                    _ => format!("channel {channel} "),
                };
                format!("{color}pixel ({}, {})", pixel / width, pixel % width)
            }
            (Some(layer), &[_, _, _]) => format!("{layer} channel {number}"),
            _ => format!("{}[{number}]", self.place()),
        }
    }

    /// Values of a predictor: rows times columns of a layer's channel, else 1.
    fn positions(&self) -> usize {
        match (&self.layer, self.shape.as_slice()) {
            (Some(_), &[_, height, width]) => (height * width).max(1).unsigned_abs() as usize,
            _ => 1,
        }
    }

    fn by_predictor(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let values: Vec<f64> = values.collect();
        values.chunks(self.positions()).map(|values| values.iter().sum()).collect()
    }

    /// Whether every value of a layer's channel has the same weight, as behind a global average pooling: the weights are
    /// then those of the channel's mean, divided by the number of its values.
    pub fn is_of_means(&self) -> bool {
        let positions = self.positions();
        let same = |weights: &[f32]| {
            let most = weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
            weights.iter().all(|weight| (weight - weights[0]).abs() <= 1e-4 * most)
        };
        positions > 1 && self.weights.chunks_exact(positions).all(same)
    }

    /// `b_k - b_j`.
    fn checked_bias(&self, k: usize, j: usize) -> Result<f64> {
        match (self.bias.get(k), self.bias.get(j)) {
            (Some(of_k), Some(of_j)) => Ok(of_k - of_j),
            _ => {
                let why =
                    format!("{k} and {j} found; the model has {} classes, counted from 0", self.classes());
                Err(Error::invalid("class", why))
            }
        }
    }

    /// Names of the classes.
    fn names(&self, classes: &[String]) -> Vec<String> {
        (0..self.classes()).map(|class| class_name(classes, class as i64)).collect()
    }
}
