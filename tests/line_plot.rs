//! The plot of curves: where a point lies, what gaps, floors and infinities become, and what is refused.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Step,
    render::{Caption, Curve, CurveMarks, GrowthCurve, LinePlot, PlotAxis, ReferenceLine, growth, line_plot},
};

const CAPTION: Caption<'static> = Caption { layer: "plot", step: Step::new(7), epoch: None };
const BLUE: [u8; 3] = [78, 121, 167];
const ORANGE: [u8; 3] = [242, 142, 44];
const FAINT: [u8; 3] = [95, 99, 104];
const PAPER: [u8; 3] = [250; 3];
const STRIP: [u8; 3] = [214; 3];

fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
    let at = 3 * (y * image.width() as usize + x);
    image.pixels()[at..at + 3].try_into().unwrap()
}

/// Left, right, top and bottom of the axes, both ends included: the foot is the longest line of the axes' colour, and the
/// other axis goes up from its left end.
fn axes(image: &Image) -> (usize, usize, usize, usize) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let is_axis = |x: usize, y: usize| x < width && pixel(image, x, y) == FAINT;
    let run = |(x, y): (usize, usize)| ((x..width).take_while(|&x| is_axis(x, y)).count(), x, y);
    let begins = |&(x, y): &(usize, usize)| is_axis(x, y) && !(x > 0 && is_axis(x - 1, y));
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let (length, left, bottom) = pixels.filter(begins).map(run).max().unwrap();
    let top = (0..bottom).rev().take_while(|&y| pixel(image, left, y) != PAPER).last().unwrap();
    (left, left + length - 1, top, bottom)
}

fn share(from: usize, to: usize, part: f64) -> usize {
    (from as f64 + part * (to as f64 - from as f64)).round() as usize
}

fn count(image: &Image, color: [u8; 3]) -> usize {
    image.pixels().chunks(3).filter(|pixel| **pixel == color).count()
}

#[test]
fn points_lie_where_the_axes_say() {
    let points = [(0.5, 1.0), (1.0, 2.0), (3.5, 9.0)];
    let curves = [Curve::new("a", &points).marks(CurveMarks::All)];
    let x = PlotAxis::linear("x").range(0.0, 4.0);
    let y = PlotAxis::linear("y").range(0.0, 10.0);
    let image = line_plot(&LinePlot::new(x, y, &curves), "", &CAPTION).unwrap();
    let (left, right, top, bottom) = axes(&image);
    for (x, y) in points {
        let (column, row) = (share(left, right, x / 4.0), share(bottom, top, y / 10.0));
        assert_eq!(pixel(&image, column, row), BLUE, "({x}, {y})");
    }
    // Half way between two points: (1, 2) and (3.5, 9).
    let (column, row) = (share(left, right, 2.25 / 4.0), share(bottom, top, 0.55));
    assert!((row - 1..=row + 1).any(|row| pixel(&image, column, row) == BLUE));
    assert!(!(row + 8..bottom).chain(top..row - 8).any(|row| pixel(&image, column, row) == BLUE));
}

#[test]
fn decades_are_evenly_spaced_and_the_floor_has_a_strip() {
    let points = [(1.5, 1.0), (2.0, 1e-2), (3.0, 0.0), (3.5, 1e-4)];
    let curves = [Curve::new("a", &points).marks(CurveMarks::All)];
    let x = PlotAxis::linear("x").range(1.0, 4.0);
    let image = line_plot(&LinePlot::new(x, PlotAxis::log("y", 1e-4), &curves), "", &CAPTION).unwrap();
    let (left, right, top, bottom) = axes(&image);
    assert!(count(&image, STRIP) > 1000);
    let strip = (top..bottom).filter(|&row| pixel(&image, left + 3, row) == STRIP).count();
    let foot = bottom - strip;
    for (x, y) in [(1.5, top), (2.0, share(top, foot, 0.5))] {
        let column = share(left, right, (x - 1.0) / 3.0);
        assert!((y.saturating_sub(1)..=y + 1).any(|row| pixel(&image, column, row) == BLUE), "{x}");
    }
    for x in [3.0, 3.5] {
        let column = share(left, right, (x - 1.0) / 3.0);
        assert!((foot..bottom).any(|row| pixel(&image, column, row) == BLUE), "{x} lies in the strip");
    }
    let without = [Curve::new("a", &points[..2])];
    let image = line_plot(&LinePlot::new(x, PlotAxis::log("y", 1e-4), &without), "", &CAPTION).unwrap();
    assert_eq!(count(&image, STRIP), 0, "nothing lies at or below the floor");
}

#[test]
fn a_nan_is_a_gap_and_lone_points_are_seen() {
    let draw = |points: &[(f64, f64)], marks| {
        let curves = [Curve::new("a", points).marks(marks)];
        let (x, y) = (PlotAxis::linear("x").range(0.0, 4.0), PlotAxis::linear("y").range(0.0, 1.0));
        line_plot(&LinePlot::new(x, y, &curves), "", &CAPTION).unwrap()
    };
    let whole = draw(&[(0.0, 0.5), (1.0, 0.5), (2.0, 0.5), (4.0, 0.5)], CurveMarks::None);
    let broken = draw(&[(0.0, 0.5), (1.0, 0.5), (2.0, f64::NAN), (4.0, 0.5)], CurveMarks::None);
    let (left, right, top, bottom) = axes(&broken);
    let row = share(bottom, top, 0.5);
    let at = |image: &Image, part: f64| pixel(image, share(left, right, part), row);
    assert_eq!([at(&whole, 0.1), at(&whole, 0.4), at(&whole, 0.8)], [BLUE; 3]);
    assert_eq!(at(&broken, 0.1), BLUE);
    assert!([0.4, 0.5, 0.8].iter().all(|part| at(&broken, *part) != BLUE), "no line over the gap");
    assert_eq!(pixel(&broken, right - 1, row), BLUE, "the last point stands alone");
}

#[test]
fn what_has_no_place_is_told() {
    let finite = [(0.0, 1.0), (1.0, 2.0)];
    let draw = |points: &[(f64, f64)]| {
        let curves = [Curve::new("a", points)];
        line_plot(&LinePlot::new(PlotAxis::linear("x"), PlotAxis::linear("y"), &curves), "", &CAPTION)
            .unwrap()
    };
    let plain = draw(&finite);
    let with_nan = draw(&[finite[0], finite[1], (2.0, f64::NAN)]);
    assert_eq!(plain.height(), with_nan.height(), "a gap needs no words");
    let with_infinity = draw(&[finite[0], finite[1], (2.0, f64::INFINITY)]);
    assert!(with_infinity.height() > plain.height(), "one line more: an infinite value is not drawn");
    let without = draw(&[(0.0, f64::NAN)]);
    assert!(without.height() > plain.height(), "one line more: no finite value");
}

#[test]
fn curves_beyond_the_seventh_are_counted() {
    let points = [(0.0, 1.0), (1.0, 2.0)];
    let curves = [Curve::new("a", &points); 9];
    let (x, y) = (PlotAxis::linear("x"), PlotAxis::linear("y"));
    let image = |count: usize| line_plot(&LinePlot::new(x, y, &curves[..count]), "", &CAPTION).unwrap();
    assert_eq!(image(1).height(), image(7).height());
    assert!(image(9).height() > image(7).height());
}

#[test]
fn reference_lines_are_dotted_and_have_their_curves_color() {
    let points = [(0.4, 0.0), (0.6, 0.0)];
    let curves = [Curve::new("a", &points), Curve::new("b", &points)];
    let (x, y) = (PlotAxis::linear("x").range(0.0, 1.0), PlotAxis::linear("y").range(-1.0, 1.0));
    let lines = [
        ReferenceLine::horizontal(0.5, "limit").of_curve(1),
        ReferenceLine::vertical(0.25, "start"),
        ReferenceLine::horizontal(7.0, "beyond"),
    ];
    let image = line_plot(&LinePlot::new(x, y, &curves).lines(&lines), "", &CAPTION).unwrap();
    let (left, right, top, bottom) = axes(&image);
    let row = share(bottom, top, 0.75);
    let across = (left + 1..right).filter(|&x| pixel(&image, x, row) == ORANGE).count();
    assert!((across * 2).abs_diff(right - left) < 8, "every other pixel: {across} of {}", right - left);
    let column = share(left, right, 0.25);
    let upwards = (top..bottom).filter(|&y| pixel(&image, column, y) == FAINT).count();
    assert!((upwards * 2).abs_diff(bottom - top) < 20, "{upwards} of {}", bottom - top);
}

#[test]
fn every_size_and_extreme_is_drawn() {
    for width in [400, 499, 500, 699, 700, 900] {
        for points in [
            vec![],
            vec![(f64::NAN, f64::NAN)],
            vec![(0.0, 0.0)],
            vec![(-1e299, -1e299), (1e299, 1e299)],
            vec![(1e15, 1.0), (1e15 + 1.0, 1.0 + f64::EPSILON)],
            vec![(-5e-324, 5e-324), (0.0, 1e-300)],
            vec![(f64::NEG_INFINITY, 0.0), (0.0, f64::INFINITY)],
        ] {
            let curves =
                [Curve::new("a name that is far too long for the room that is beside a plot", &points)];
            for y in [PlotAxis::linear("y"), PlotAxis::linear("y").from_zero(), PlotAxis::log("y", 1e-12)] {
                for x in [PlotAxis::linear("x"), PlotAxis::log("x", 1e-3)] {
                    let plot = LinePlot::new(x, y, &curves).width(width);
                    let image = line_plot(&plot, "a note", &CAPTION).unwrap();
                    assert_eq!(image.width() as usize, width, "{points:?}");
                    assert!(image.height() < 900);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let points = [(0.0, 1.0)];
    let curves = [Curve::new("a", &points)];
    let (x, y) = (PlotAxis::linear("x"), PlotAxis::linear("loss"));
    let refused = |plot: &LinePlot<'_>| line_plot(plot, "", &CAPTION).unwrap_err().to_string();
    let plot = LinePlot::new(x, y, &curves);
    assert_eq!(refused(&LinePlot { curves: &[], ..plot }), "plot: no curve found; give one at least");
    assert!(refused(&plot.width(399)).contains("width 399 found; 400 to 900 pixels expected"));
    assert!(refused(&plot.width(901)).contains("width 901"));
    let lines = [ReferenceLine::vertical(f64::NAN, "here")];
    assert!(refused(&plot.lines(&lines)).contains("line `here` at NaN"));
    for (axis, why) in [
        (PlotAxis::log("loss", 0.0), "floor 0 found"),
        (PlotAxis::log("loss", f64::NAN), "floor NaN found"),
        (y.range(1.0, 1.0), "range 1 to 1 found"),
        (y.range(f64::NEG_INFINITY, 1.0), "range -inf to 1 found"),
        (
            PlotAxis::log("loss", 0.1).range(0.01, 1.0),
            "range from 0.01 found; it begins below the floor, 0.1",
        ),
    ] {
        let found = refused(&LinePlot { y: axis, ..plot });
        assert!(found.starts_with("axis `loss`: ") && found.contains(why), "{found}");
    }
}

#[test]
fn growth_is_such_a_plot() {
    let steps = [0, 100, 200].map(Step::new);
    let curve = GrowthCurve { layer: "conv3", sizes: &[8.0, f64::NAN, 11.0], limit: Some(18.0) };
    let drawn = growth(&steps, &[curve], "95 % of the mass", &CAPTION).unwrap();
    let points = [(0.0, 8.0), (100.0, f64::NAN), (200.0, 11.0)];
    let curves = [Curve::new("conv3", &points).detail("11/18")];
    let lines = [ReferenceLine::horizontal(18.0, "").of_curve(0)];
    let plot = LinePlot::new(PlotAxis::linear("step"), PlotAxis::linear("pixels").from_zero(), &curves);
    assert_eq!(drawn, line_plot(&plot.lines(&lines), "95 % of the mass", &CAPTION).unwrap());
}
