//! Sizes over steps: one picture that tells how fields grow while training.

use super::{
    caption::Caption,
    line_plot::{Curve, LinePlot, MOST_CURVES, ReferenceLine, line_plot},
    plot_axis::PlotAxis,
    text,
};
use crate::{
    error::{Error, Result},
    summary::{Image, Step},
};

/// One layer's curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthCurve<'a> {
    /// Name of the layer.
    pub layer: &'a str,
    /// A size in pixels for each step; NaN where there is none.
    pub sizes: &'a [f64],
    /// The most that it can be, drawn as a dotted line.
    pub limit: Option<f64>,
}

/// A picture of up to seven curves of sizes in pixels over the steps of a training, each with its name, its last size and
/// its limit beside it. Curves beyond the seventh are counted in the note.
///
/// # Errors
/// No step or no curve, steps that do not rise, a curve with another number of sizes, a size that is negative or
/// infinite.
///
/// ```
/// use convscope::{Step, render::{Caption, GrowthCurve, growth}};
///
/// let steps = [0, 100, 200].map(Step::new);
/// let curve = GrowthCurve { layer: "conv3", sizes: &[8.0, 9.5, 11.0], limit: Some(18.0) };
/// let caption = Caption { layer: "effective receptive fields", step: steps[2], epoch: Some(2) };
/// let image = growth(&steps, &[curve], "rows and columns that hold 95 % of the mass", &caption)?;
/// assert_eq!(image.width(), 440);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn growth(
    steps: &[Step],
    curves: &[GrowthCurve<'_>],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    check(steps, curves)?;
    let points: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|curve| steps.iter().map(|step| step.get() as f64).zip(curve.sizes.iter().copied()).collect())
        .collect();
    let details: Vec<String> = curves.iter().map(detail).collect();
    let lines: Vec<ReferenceLine<'_>> = (curves.iter().take(MOST_CURVES).enumerate())
        .filter_map(|(number, curve)| Some(ReferenceLine::horizontal(curve.limit?, "").of_curve(number)))
        .filter(|line| line.at.is_finite())
        .collect();
    let drawn: Vec<Curve<'_>> = (curves.iter().zip(&points).zip(&details))
        .map(|((curve, points), detail)| Curve::new(curve.layer, points).detail(detail))
        .collect();
    let plot = LinePlot::new(PlotAxis::linear("step"), PlotAxis::linear("pixels").from_zero(), &drawn);
    line_plot(&plot.lines(&lines), note, caption)
}

fn check(steps: &[Step], curves: &[GrowthCurve<'_>]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("growth curves", why));
    if steps.is_empty() || curves.is_empty() {
        return refuse(format!(
            "{} steps and {} curves found; give one of each at least",
            steps.len(),
            curves.len()
        ));
    }
    if !steps.is_sorted_by(|a, b| a < b) {
        return refuse("the steps do not rise".to_owned());
    }
    for GrowthCurve { layer, sizes, limit } in curves {
        if sizes.len() != steps.len() {
            return refuse(format!("layer `{layer}`: {} sizes found for {} steps", sizes.len(), steps.len()));
        }
        if let Some(size) = sizes.iter().chain(limit).find(|size| size.is_infinite() || **size < 0.0) {
            return refuse(format!("layer `{layer}`: {size} found; sizes are pixels, 0 or more"));
        }
    }
    Ok(())
}

/// The last size and the limit: `9.5/18`.
fn detail(curve: &GrowthCurve<'_>) -> String {
    let last = curve.sizes.iter().rev().find(|size| size.is_finite());
    let size = last.map_or("none".to_owned(), |size| text::number(*size));
    match curve.limit {
        Some(limit) => format!("{size}/{}", text::number(limit)),
        None => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_the_last_size_and_the_limit() {
        let curve = GrowthCurve { layer: "conv3", sizes: &[8.0, 9.5, f64::NAN], limit: Some(18.0) };
        assert_eq!(detail(&curve), "9.5/18");
        assert_eq!(detail(&GrowthCurve { limit: None, ..curve }), "9.5");
        assert_eq!(detail(&GrowthCurve { sizes: &[f64::NAN], ..curve }), "none/18");
    }
}
