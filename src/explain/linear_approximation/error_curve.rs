//! The error of an approximation over the distance.

use super::range_of_trust::Reach;

/// Errors of the approximations over the distance.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorCurve {
    /// |d|, rising.
    pub distances: Vec<f64>,
    /// What the linear term is there: |w| |d| along the gradient; |w| |d| / √n along random directions, the root mean
    /// square of w·d over all of them.
    pub linear: Vec<f64>,
    /// |f(x₀ + d) − f(x₀) − w·d|.
    pub first: Vec<f64>,
    /// The same minus ½ d·H d; `None` where libtorch has no second derivative of a layer, or none was asked for.
    pub second: Option<Vec<f64>>,
    /// Errors below this are rounding.
    pub rounding: f64,
}

impl ErrorCurve {
    /// The slope of the first-order error on logarithmic axes: 2 where the second derivative rules, more where only higher
    /// ones do, about 1 where the function has kinks. By least squares over the errors above ten times the rounding;
    /// `None` where less than three are.
    pub fn slope(&self) -> Option<f64> {
        slope(&self.distances, &self.first, 10.0 * self.rounding)
    }

    /// The same with the second order: 3 for a smooth function. `None` also where there is no second order.
    pub fn second_slope(&self) -> Option<f64> {
        slope(&self.distances, self.second.as_ref()?, 10.0 * self.rounding)
    }

    /// Up to where the error is at most `tolerance` times the linear term.
    pub fn reach(&self, tolerance: f64) -> Reach {
        if !self.linear.iter().all(|linear| linear.is_finite() && *linear > 0.0) {
            return Reach::Nowhere;
        }
        let shares = self.first.iter().zip(&self.linear).map(|(&error, linear)| {
            let is_rounding = error <= self.rounding;
            if is_rounding { 0.0 } else { error / linear }
        });
        let mut before: Option<(f64, f64)> = None;
        for (&distance, share) in self.distances.iter().zip(shares) {
            if share > tolerance || share.is_nan() {
                return match before {
                    None => Reach::Below(distance),
                    Some((inside, within)) => {
                        Reach::At(crossing((inside, within), (distance, share), tolerance))
                    }
                };
            }
            before = Some((distance, share));
        }
        before.map_or(Reach::Nowhere, |(distance, _)| Reach::Beyond(distance))
    }
}

/// Errors along one direction, or of several together.
pub(super) struct Errors {
    pub first: Vec<f64>,
    pub second: Option<Vec<f64>>,
}

impl Errors {
    pub fn of(changes: &[f64], distances: &[f64], linear: f64, curvature: Option<f64>) -> Errors {
        let error = |curvature: f64| {
            let at = |(change, d): (&f64, &f64)| (change - linear * d - 0.5 * curvature * d * d).abs();
            changes.iter().zip(distances).map(at).collect()
        };
        Errors { first: error(0.0), second: curvature.map(error) }
    }

    pub fn combine(of: &[Errors], how: fn(&mut dyn Iterator<Item = f64>) -> f64) -> Errors {
        let along = |curves: &[&Vec<f64>]| {
            let count = curves.first().map_or(0, |curve| curve.len());
            (0..count).map(|i| how(&mut curves.iter().map(|curve| curve[i]))).collect()
        };
        let second: Option<Vec<&Vec<f64>>> = of.iter().map(|errors| errors.second.as_ref()).collect();
        Errors {
            first: along(&of.iter().map(|errors| &errors.first).collect::<Vec<_>>()),
            second: second.map(|curves| along(&curves)),
        }
    }
}

pub(super) fn largest(errors: &mut dyn Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |most, error| if error > most || error.is_nan() { error } else { most })
}

pub(super) fn root_mean_square(errors: &mut dyn Iterator<Item = f64>) -> f64 {
    let (sum, count) = errors.fold((0.0, 0.0), |(sum, count), error| (sum + error * error, count + 1.0));
    (sum / count).sqrt()
}

/// Of log error over log distance, by least squares.
fn slope(distances: &[f64], errors: &[f64], floor: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = (distances.iter().zip(errors))
        .filter(|(_, error)| error.is_finite() && **error > floor)
        .map(|(distance, error)| (distance.ln(), error.ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let own: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (points.len() >= 3).then(|| shared / own)
}

/// Where a share crosses the tolerance between two distances, on logarithmic axes where both shares are above 0.
fn crossing((inside, within): (f64, f64), (outside, beyond): (f64, f64), tolerance: f64) -> f64 {
    if within <= 0.0 || !beyond.is_finite() {
        return inside;
    }
    let part = (tolerance / within).ln() / (beyond / within).ln();
    inside * (outside / inside).powf(part)
}
