//! How the error of a Taylor series grows with the distance.

use super::{
    caption::Caption,
    line_plot::{Curve, LinePlot, ReferenceLine, line_plot},
    plot_axis::PlotAxis,
    text::number,
};
use crate::{error::Result, summary::Image};

/// Errors below a floor of 0 would have no place on a logarithmic axis.
const LEAST: f64 = 1e-30;

/// Errors along one kind of direction, for [`taylor_errors`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaylorErrors<'a> {
    /// Its name: `gradient`, `random`.
    pub direction: &'a str,
    /// Distances from the image, rising.
    pub distances: &'a [f64],
    /// Error of the linear model at each distance.
    pub first: &'a [f64],
    /// Error with the second order.
    pub second: Option<&'a [f64]>,
    /// Slopes of both on logarithmic axes.
    pub slopes: [Option<f64>; 2],
    /// Up to where the linear model is trusted: a dotted line.
    pub reach: Option<f64>,
}

/// A picture of the errors of first and second order over the distance, on logarithmic axes. Errors at or below
/// `rounding` lie in the strip at the foot. Where the second order changes nothing, it is left out and the note says so.
///
/// # Errors
/// No direction; distances that are not finite.
///
/// ```
/// use convscope::{Step, render::{Caption, TaylorErrors, taylor_errors}};
///
/// let distances = [0.01, 0.1, 1.0];
/// let (first, second) = ([1e-4, 1e-2, 1.0], [1e-6, 1e-3, 1.0]);
/// let errors = TaylorErrors {
///     direction: "gradient",
///     distances: &distances,
///     first: &first,
///     second: Some(&second),
///     slopes: [Some(2.0), Some(3.0)],
///     reach: Some(0.3),
/// };
/// let caption = Caption { layer: "linear approximation at 3 Coat", step: Step::new(200), epoch: None };
/// assert_eq!(taylor_errors(&[errors], 1e-8, "K = Coat", &caption)?.width(), 500);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn taylor_errors(
    errors: &[TaylorErrors<'_>],
    rounding: f64,
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut lines = Vec::new();
    let mut alike = false;
    for TaylorErrors { direction, distances, first, second, slopes, reach } in errors {
        if let Some(reach) = reach {
            lines.push(ReferenceLine::vertical(*reach, "").of_curve(shown.len()));
        }
        let mut show = |order: &str, errors: &[f64], slope: &Option<f64>| {
            let slope = slope.map_or(String::new(), |slope| format!("d^{}", number(slope)));
            let points = distances.iter().copied().zip(errors.iter().copied()).collect();
            shown.push(Shown { name: format!("{direction} {order}"), slope, points });
        };
        show("1st", first, &slopes[0]);
        match second {
            Some(second) if is_alike(first, second, rounding) => alike = true,
            Some(second) => show("2nd", second, &slopes[1]),
            None => {}
        }
    }
    let mut note = format!("{note}; dotted: range of trust; d^n: slope");
    if alike {
        note.push_str(
            "; second derivatives are 0 (ReLU, max pooling): the 2nd order adds nothing and is not drawn",
        );
    }
    let curves: Vec<Curve<'_>> =
        shown.iter().map(|curve| Curve::new(&curve.name, &curve.points).detail(&curve.slope)).collect();
    let x = PlotAxis::log("|d|, length in the values that the model sees", LEAST);
    let y = PlotAxis::log("error, logits", rounding.max(LEAST));
    line_plot(&LinePlot::new(x, y, &curves).lines(&lines).width(500), &note, caption)
}

/// One curve, with the words beside its end.
struct Shown {
    name: String,
    slope: String,
    points: Vec<(f64, f64)>,
}

/// Whether the second order changes no error by more than rounding.
fn is_alike(first: &[f64], second: &[f64], rounding: f64) -> bool {
    first.iter().zip(second).all(|(first, second)| (first - second).abs() <= rounding.max(1e-6 * first.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    const DISTANCES: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];

    fn picture(second: Option<&[f64]>, reach: Option<f64>) -> Image {
        let first = DISTANCES.map(|d| d * d);
        let errors = TaylorErrors {
            direction: "gradient",
            distances: &DISTANCES,
            first: &first,
            second,
            slopes: [Some(2.0), Some(3.0)],
            reach,
        };
        let caption = Caption { layer: "linear approximation", step: Step::new(1), epoch: None };
        taylor_errors(&[errors], 1e-9, "", &caption).unwrap()
    }

    #[test]
    fn what_the_second_order_adds_is_drawn() {
        let alike = DISTANCES.map(|d| d * d);
        let smaller = DISTANCES.map(|d| d * d * d);
        let png = |second: Option<&[f64]>| picture(second, None);
        assert_ne!(png(Some(&smaller)), png(None));
        assert_ne!(png(Some(&alike)), png(None), "the note says that it adds nothing");
        assert_ne!(png(Some(&alike)), png(Some(&smaller)));
        assert!(is_alike(&alike, &alike, 0.0) && !is_alike(&alike, &smaller, 1e-9));
    }

    #[test]
    fn the_range_of_trust_is_a_line() {
        assert_ne!(picture(None, Some(0.1)), picture(None, None));
    }

    #[test]
    fn nothing_but_zeros_is_a_picture_too() {
        let zeros = [0.0; 4];
        let errors = TaylorErrors {
            direction: "random",
            distances: &DISTANCES,
            first: &zeros,
            second: Some(&zeros),
            slopes: [None, None],
            reach: None,
        };
        let caption = Caption { layer: "linear approximation", step: Step::new(1), epoch: None };
        assert!(taylor_errors(&[errors], 0.0, "", &caption).is_ok());
        assert!(taylor_errors(&[], 0.0, "", &caption).is_err(), "no direction");
    }
}
