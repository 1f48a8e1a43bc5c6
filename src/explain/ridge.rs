//! Linear classifiers in closed form.

use tch::{Device, Kind, TchError, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Penalties that are tried, as powers of ten times the number of samples.
const POWERS: [f64; 13] = [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0];

/// A linear classifier fitted to one-hot labels by ridge regression: it answers the class with the largest of
/// `W · (x - mean) / std + b`.
///
/// With `X` the `n` standardised samples and `Y` the one-hot labels less their means, `W` minimises
/// `‖Y - X W‖² + λ ‖W‖²`; `b` is the share of each class. Least squares on one-hot labels ranks classes much as logistic
/// regression does (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, sections 3.4.1 and 4.2), and has
/// one solution, without steps and without a learning rate.
///
/// ```
/// use convscope::explain::RidgeClassifier;
/// use tch::Tensor;
///
/// let features = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 10.0, 11.0, 12.0]).reshape([6, 1]);
/// let classifier = RidgeClassifier::fit(&features, &[0, 0, 0, 1, 1, 1], 2, None)?;
/// assert_eq!(classifier.predict(&Tensor::from_slice(&[3.0f32, 9.0]).reshape([2, 1]))?, [0, 1]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct RidgeClassifier {
    /// Mean and standard deviation of each feature; infinite where it is constant, so that it counts nothing.
    scale: (Tensor, Tensor),
    /// `[features, classes]`.
    weight: Tensor,
    /// `[classes]`.
    bias: Tensor,
    lambda: f64,
}

impl RidgeClassifier {
    /// Fits `features`, `[samples, features]`, to their labels, in double precision on the CPU. Without a `lambda` it is the
    /// one of 1e-4 to 1e2 times the number of samples, in half decades, that generalised cross-validation likes best
    /// (Golub, Heath and Wahba 1979).
    ///
    /// The smaller of `XᵀX` and `XXᵀ` is decomposed: no square of a side above the number of samples is ever made.
    ///
    /// # Errors
    /// Fewer than two samples, another number of labels, a label outside the classes, features that are not finite, a
    /// `lambda` that is not above 0.
    pub fn fit(
        features: &Tensor,
        labels: &[i64],
        classes: usize,
        lambda: Option<f64>,
    ) -> Result<RidgeClassifier> {
        check(features, labels, classes, lambda)?;
        tch::no_grad(|| solve(features, labels, classes, lambda)).context(|| "ridge regression".to_owned())
    }

    /// The penalty that was taken.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// The score of each class for each sample, `[samples, classes]`.
    ///
    /// # Errors
    /// Another number of features than was fitted.
    pub fn scores(&self, features: &Tensor) -> Result<Tensor> {
        let scores = || standardized(features, &self.scale)?.f_matmul(&self.weight)?.f_add(&self.bias);
        tch::no_grad(scores)
            .context(|| format!("linear classifier on features of shape {:?}", features.size()))
    }

    /// The class of each sample.
    ///
    /// # Errors
    /// As [`scores`](RidgeClassifier::scores).
    pub fn predict(&self, features: &Tensor) -> Result<Vec<i64>> {
        let scores = self.scores(features)?;
        let best = || Vec::try_from(&scores.f_argmax(1, false)?);
        best().context(|| "classes of the linear classifier".to_owned())
    }
}

fn check(features: &Tensor, labels: &[i64], classes: usize, lambda: Option<f64>) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("linear classifier", why));
    let size = features.size();
    if !matches!(size.as_slice(), &[n, d] if n >= 2 && d >= 1 && n as usize == labels.len()) {
        return refuse(format!(
            "features of shape {size:?} and {} labels found; [samples, features] with two samples or more, and a \
             label for each, expected",
            labels.len()
        ));
    }
    if let Some(label) = labels.iter().find(|&&label| usize::try_from(label).map_or(true, |l| l >= classes)) {
        return refuse(format!("label {label} found; there are {classes} classes, counted from 0"));
    }
    if let Some(lambda) = lambda.filter(|lambda| !(lambda.is_finite() && *lambda > 0.0)) {
        return refuse(format!("a penalty of {lambda} found; a finite number above 0 expected"));
    }
    let finite = || bool::try_from(&features.f_isfinite()?.f_all()?);
    if finite().context(|| "features".to_owned())? {
        return Ok(());
    }
    refuse("a feature is NaN or infinite".to_owned())
}

fn solve(
    features: &Tensor,
    labels: &[i64],
    classes: usize,
    lambda: Option<f64>,
) -> Result<RidgeClassifier, TchError> {
    let raw = double(features)?;
    let (samples, width) = (raw.size()[0], raw.size()[1]);
    let mean = raw.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
    let std = raw.f_sub(&mean)?.f_square()?.f_mean_dim([0i64].as_slice(), true, Kind::Double)?.f_sqrt()?;
    // A feature that is constant up to rounding tells nothing; its noise must not be blown up.
    let floor = mean.f_abs()?.f_mul_scalar(1e-6)?.f_add_scalar(1e-12)?;
    let std = std.f_where_self(&std.f_gt_tensor(&floor)?, &std.f_full_like(f64::INFINITY)?)?;
    let scale = (mean, std);
    let x = standardized(&raw, &scale)?;

    let labels = Tensor::f_from_slice(labels)?;
    let one_hot = labels.f_one_hot(classes as i64)?.f_to_kind(Kind::Double)?;
    let bias = one_hot.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    let y = one_hot.f_sub(&bias)?;

    // XᵀX = V E Vᵀ with W = V (E + λ)⁻¹ Vᵀ XᵀY, or XXᵀ = U E Uᵀ with W = Xᵀ U (E + λ)⁻¹ Uᵀ Y: the same W.
    let wide = width > samples;
    let gram = if wide { x.f_matmul(&x.f_tr()?)? } else { x.f_tr()?.f_matmul(&x)? };
    let (eigenvalues, vectors) = gram.f_linalg_eigh("L")?;
    let eigenvalues = eigenvalues.f_clamp_min(0.0)?;
    let target = if wide { y.shallow_clone() } else { x.f_tr()?.f_matmul(&y)? };
    let projected = vectors.f_tr()?.f_matmul(&target)?;

    let lambda = match lambda {
        Some(lambda) => lambda,
        None => {
            let squares = projected.f_square()?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double)?;
            let squares = if wide { squares.f_mul(&eigenvalues)? } else { squares };
            let spectrum = (Vec::try_from(&eigenvalues)?, Vec::try_from(&squares)?);
            best_lambda(&spectrum, f64::try_from(&y.f_square()?.f_sum(Kind::Double)?)?, samples as f64)
        }
    };
    let shrunk = projected.f_div(&eigenvalues.f_add_scalar(lambda)?.f_unsqueeze(1)?)?;
    let inner = vectors.f_matmul(&shrunk)?;
    let weight = if wide { x.f_tr()?.f_matmul(&inner)? } else { inner };
    Ok(RidgeClassifier { scale, weight, bias, lambda })
}

/// The penalty with the smallest `(‖Y - X W‖² / n) / (1 - (1 + tr A) / n)²`, `A` being the hat matrix and the 1 the mean
/// that was taken from `Y`. For each eigenvalue of `XᵀX` its square is that of the row of `Vᵀ XᵀY`.
fn best_lambda((eigenvalues, squares): &(Vec<f64>, Vec<f64>), total: f64, samples: f64) -> f64 {
    let score = |lambda: f64| {
        let explained: f64 = (eigenvalues.iter().zip(squares))
            .map(|(e, square)| square * (e + 2.0 * lambda) / (e + lambda).powi(2))
            .sum();
        let freedom: f64 = 1.0 + eigenvalues.iter().map(|e| e / (e + lambda)).sum::<f64>();
        let left = (1.0 - freedom / samples).max(1e-9);
        (total - explained).max(0.0) / samples / left.powi(2)
    };
    let lambdas = POWERS.map(|power| samples * 10f64.powf(power));
    lambdas.into_iter().min_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(samples)
}

fn double(features: &Tensor) -> Result<Tensor, TchError> {
    features.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)
}

fn standardized(features: &Tensor, (mean, std): &(Tensor, Tensor)) -> Result<Tensor, TchError> {
    double(features)?.f_sub(mean)?.f_div(std)
}
