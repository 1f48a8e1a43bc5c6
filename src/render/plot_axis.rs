//! One axis of a plot: from a value to a pixel, and the numbers beside it.

use super::text;
use crate::error::{Error, Result};

/// An axis of a [`LinePlot`](super::LinePlot).
///
/// ```
/// use convscope::render::{AxisScale, PlotAxis};
///
/// let axis = PlotAxis::log("|d|, in units of the input", 1e-6).range(1e-3, 10.0);
/// assert_eq!(axis.scale, AxisScale::Log { floor: 1e-6 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotAxis<'a> {
    /// What is measured, with its unit: `loss, nats`. Latin-1 characters can be shown, others become `?`.
    pub title: &'a str,
    /// How values are spread.
    pub scale: AxisScale,
    /// The ends; `None` for those of the values. What lies beyond is cut off.
    pub range: Option<(f64, f64)>,
    /// Whether an axis without a range begins at 0 where no value is negative. Without meaning on a logarithmic one.
    pub from_zero: bool,
}

/// How the values of a [`PlotAxis`] are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AxisScale {
    /// Even steps for even differences.
    Linear,
    /// Even steps for even factors. Values at or below the floor, zero and negative ones among them, lie in a grey strip
    /// of their own at the axis' low end.
    Log {
        /// Above 0.
        floor: f64,
    },
}

impl<'a> PlotAxis<'a> {
    /// A linear axis as long as the values need.
    pub fn linear(title: &'a str) -> PlotAxis<'a> {
        PlotAxis { title, scale: AxisScale::Linear, range: None, from_zero: false }
    }

    /// A logarithmic axis as long as the values above `floor` need.
    pub fn log(title: &'a str, floor: f64) -> PlotAxis<'a> {
        PlotAxis { scale: AxisScale::Log { floor }, ..PlotAxis::linear(title) }
    }

    /// The axis from `low` to `high`.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> PlotAxis<'a> {
        self.range = Some((low, high));
        self
    }

    /// The axis from 0 on, unless a value is negative.
    #[must_use]
    pub fn from_zero(mut self) -> PlotAxis<'a> {
        self.from_zero = true;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid(format!("axis `{}`", self.title), why));
        if let AxisScale::Log { floor } = self.scale
            && !(floor > 0.0 && is_drawable(floor))
        {
            return refuse(format!("floor {floor} found; a logarithmic axis needs one above 0"));
        }
        let Some((low, high)) = self.range else { return Ok(()) };
        if !(is_drawable(low) && is_drawable(high) && low < high) {
            return refuse(format!("range {low} to {high} found; two finite numbers, rising, expected"));
        }
        match self.scale {
            AxisScale::Log { floor } if low < floor => {
                refuse(format!("range from {low} found; it begins below the floor, {floor}"))
            }
            _ => Ok(()),
        }
    }

    /// The axis for these values, `pixels` long. `snap`: whether its ends are moved outwards to round numbers.
    pub(super) fn fit(
        &self,
        values: impl Iterator<Item = f64>,
        pixels: usize,
        ticks: usize,
        snap: bool,
    ) -> Axis {
        let values: Vec<f64> = values.filter(|value| is_drawable(*value)).collect();
        match self.scale {
            AxisScale::Linear => self.fit_linear(&values, pixels, ticks, snap),
            AxisScale::Log { floor } => self.fit_log(&values, floor, pixels, ticks, snap),
        }
    }

    fn fit_linear(&self, values: &[f64], pixels: usize, ticks: usize, snap: bool) -> Axis {
        let (mut low, mut high) = self.range.or_else(|| extent(values)).unwrap_or((0.0, 1.0));
        if self.range.is_none() {
            if self.from_zero && low >= 0.0 {
                low = 0.0;
            }
            // One value, or values that are one but for rounding: some room around it.
            if high - low <= 1e-12 * low.abs().max(high.abs()) {
                let room = if low == 0.0 { 0.5 } else { 0.1 * low.abs() };
                (low, high) = (if self.from_zero && low >= 0.0 { 0.0 } else { low - room }, high + room);
            }
        }
        let tick = round_tick((high - low) / ticks as f64);
        if snap && self.range.is_none() {
            (low, high) = ((low / tick).floor() * tick, (high / tick).ceil() * tick);
        }
        // A hair of tolerance: 3 * 0.1 is more than 0.3.
        let (first, last) = ((low / tick - 1e-9).ceil(), (high / tick + 1e-9).floor());
        let labelled = |i: i32| {
            let value = (first + f64::from(i)) * tick;
            (value, tick_label(value, tick))
        };
        let count = (last - first).clamp(-1.0, 32.0) as i32;
        Axis { scale: self.scale, low, high, ticks: (0..=count).map(labelled).collect(), pixels, strip: 0 }
    }

    fn fit_log(&self, values: &[f64], floor: f64, pixels: usize, ticks: usize, snap: bool) -> Axis {
        let above: Vec<f64> = values.iter().copied().filter(|value| *value > floor).collect();
        let strip = if above.len() < values.len() { STRIP.min(pixels / 4) } else { 0 };
        let (mut low, mut high) = self.range.or_else(|| extent(&above)).unwrap_or((floor, 10.0 * floor));
        if self.range.is_none() {
            if strip > 0 {
                low = floor;
            } else if snap {
                low = 10f64.powf(low.log10().floor()).max(floor);
            }
            if snap {
                high = 10f64.powf((high.log10() - 1e-9).ceil());
            }
            if high < low * 1.001 {
                (low, high) = ((low / 3.0).max(floor), low * 3.0);
            }
        }
        Axis { scale: self.scale, low, high, ticks: log_ticks(low, high, ticks), pixels, strip }
    }
}

/// Pixels of the strip for what lies at or below the floor.
const STRIP: usize = 14;

/// From a value to a pixel.
pub(super) struct Axis {
    scale: AxisScale,
    low: f64,
    high: f64,
    /// Where the numbers stand, and what they are.
    pub ticks: Vec<(f64, String)>,
    pixels: usize,
    /// Pixels at the low end for what lies at or below the floor; 0 where nothing does.
    pub strip: usize,
}

impl Axis {
    /// Pixels from the low end, not cut off at the ends.
    pub fn pixel(&self, value: f64) -> f64 {
        let room = self.pixels.saturating_sub(1 + self.strip) as f64;
        let unit = match self.scale {
            AxisScale::Linear => (value - self.low) / (self.high - self.low),
            AxisScale::Log { floor } if value <= floor => return self.strip as f64 / 2.0,
            AxisScale::Log { .. } => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        // Far beyond is as good as beyond, and keeps pixels countable.
        self.strip as f64 + unit.clamp(-10.0, 11.0) * room
    }

    /// Whether a value lies between the ends, where there is a place for it.
    pub fn holds(&self, value: f64) -> bool {
        (-0.5..self.pixels as f64).contains(&self.pixel(value))
    }

    /// What the strip at the low end holds.
    pub fn strip_label(&self) -> Option<String> {
        match self.scale {
            AxisScale::Log { floor } if self.strip > 0 => Some(format!("<={}", text::number(floor))),
            _ => None,
        }
    }
}

/// Neither NaN nor infinite, and small enough that differences are not infinite.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() < 1e300
}

fn extent(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().reduce(f64::min)?;
    Some((low, values.iter().copied().reduce(f64::max)?))
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than `rough`.
fn round_tick(rough: f64) -> f64 {
    let decade = 10f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|part| part * decade);
    round.into_iter().find(|tick| *tick >= rough * (1.0 - 1e-9)).unwrap_or(rough)
}

/// As many digits after the point as tell neighbouring ticks apart.
fn tick_label(value: f64, tick: f64) -> String {
    let value = if value.abs() < tick * 1e-6 { 0.0 } else { value };
    let places = -(tick * (1.0 + 1e-9)).log10().floor() as i32;
    if (1e-4..1e6).contains(&tick) && value.abs() < 1e7 {
        format!("{value:.*}", places.max(0) as usize)
    } else {
        text::number(value)
    }
}

/// Powers of ten, as many as fit; 1, 2 and 5 times those where fewer than two lie in the range.
fn log_ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let (first, last) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
    let every = (last - first + 1).max(1).unsigned_abs().div_ceil(most.max(1) as u32) as usize;
    let mut found: Vec<f64> = (first..=last).step_by(every).map(|power| 10f64.powi(power)).collect();
    if found.len() < 2 {
        let parts = |power: i32| [1.0, 2.0, 5.0].map(|part| part * 10f64.powi(power));
        found = (first - 1..=last).flat_map(parts).collect();
        found.retain(|tick| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(tick));
    }
    found.into_iter().map(|tick| (tick, text::number(tick))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        for (values, expected) in [
            ([0.0, 28.0], vec!["0", "10", "20"]),
            ([0.0, 224.0], vec!["0", "100", "200"]),
            ([0.0, 1.0], vec!["0.0", "0.5", "1.0"]),
            ([950.0, 1000.0], vec!["960", "980", "1000"]),
            ([-0.3, 0.3], vec!["-0.2", "0.0", "0.2"]),
            ([7.0, 7.0], vec!["6.5", "7.0", "7.5"]),
            ([0.0, 0.0], vec!["-0.5", "0.0", "0.5"]),
            ([0.0, 4e-9], vec!["0", "1e-9", "2e-9", "3e-9", "4e-9"]),
            ([120_000.0, 128_000.0], vec!["120000", "122000", "124000", "126000", "128000"]),
        ] {
            let axis = PlotAxis::linear("x").fit(values.into_iter(), 100, 4, false);
            assert_eq!(labels(&axis), expected, "{values:?}");
        }
    }

    #[test]
    fn ends_are_those_of_the_values_or_round() {
        let ends = |axis: PlotAxis<'_>, snap| {
            let Axis { low, high, .. } = axis.fit([3.0, 28.0].into_iter(), 100, 4, snap);
            (low, high)
        };
        assert_eq!(ends(PlotAxis::linear("x"), false), (3.0, 28.0));
        assert_eq!(ends(PlotAxis::linear("x"), true), (0.0, 30.0));
        assert_eq!(ends(PlotAxis::linear("x").from_zero(), false), (0.0, 28.0));
        assert_eq!(ends(PlotAxis::linear("x").range(1.0, 2.0), true), (1.0, 2.0));
        assert_eq!(ends(PlotAxis::log("x", 1e-3), true), (1.0, 100.0));
        assert_eq!(ends(PlotAxis::log("x", 5.0), false), (5.0, 28.0), "3 is below the floor");
    }

    #[test]
    fn pixels_go_evenly_from_end_to_end() {
        let axis = PlotAxis::linear("x").range(0.0, 10.0).fit([].into_iter(), 101, 4, false);
        assert_eq!([0.0, 2.5, 10.0, -1.0].map(|value| axis.pixel(value)), [0.0, 25.0, 100.0, -10.0]);
        assert!(axis.holds(0.0) && axis.holds(10.0) && !axis.holds(-0.1) && !axis.holds(10.2));
        let axis = PlotAxis::log("x", 1e-9).range(0.01, 100.0).fit([].into_iter(), 101, 4, false);
        for (value, pixel) in [(0.01, 0.0), (0.1, 25.0), (1.0, 50.0), (100.0, 100.0)] {
            assert!((axis.pixel(value) - pixel).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_lies_below_the_floor_has_a_strip() {
        let axis = PlotAxis::log("x", 1e-4).fit([0.0, 1e-5, 1e-2, 1.0].into_iter(), 115, 5, true);
        assert_eq!((axis.strip, axis.strip_label().as_deref()), (STRIP, Some("<=1e-4")));
        assert_eq!([-3.0, 0.0, 1e-5, 1e-4].map(|value| axis.pixel(value)), [7.0; 4]);
        assert!((axis.pixel(1.0) - 114.0).abs() < 1e-9 && (axis.pixel(1e-2) - 64.0).abs() < 1e-9);
        assert_eq!(labels(&axis), ["1e-4", "0.001", "0.01", "0.1", "1"]);
        let axis = PlotAxis::log("x", 1e-4).fit([1e-2, 1.0].into_iter(), 115, 5, true);
        assert_eq!((axis.strip, axis.strip_label()), (0, None));
    }

    #[test]
    fn narrow_and_wide_logarithmic_axes_have_ticks() {
        let of = |low, high| log_ticks(low, high, 5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(of(1.0, 10.0), ["1", "10"]);
        assert_eq!(of(1.5, 9.0), ["2", "5"]);
        assert_eq!(of(1e-12, 1.0), ["1e-12", "1e-9", "1e-6", "0.001", "1"]);
    }
}
