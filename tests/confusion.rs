//! Pictures of how well a classifier answers, pixel by pixel.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Step,
    classification::{Calibration, ConfusionMatrix},
    render::{
        Caption, ConfusionCells, ConfusionScale, ReliabilityBin, WrongAnswer, confusion_matrix, mistakes,
        reliability,
    },
};
use proptest::prelude::*;

type Rgb = [u8; 3];

const ACCURACY: Rgb = [78, 121, 167];
const OVER: Rgb = [225, 87, 89];
const UNDER: Rgb = [118, 183, 178];

fn caption() -> Caption<'static> {
    Caption { layer: "confusion matrix", step: Step::new(94), epoch: Some(1) }
}

fn viridis(unit: f64) -> Rgb {
    colorous::VIRIDIS.eval_continuous(unit).as_array()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn draw(classes: usize, cells: &[(usize, usize, u64)], scale: ConfusionScale) -> Image {
    let names = names(classes);
    confusion_matrix(&ConfusionCells { classes: &names, cells }, scale, "a note", &caption()).unwrap()
}

/// Pixels, row by row.
fn rows(image: &Image) -> Vec<Vec<Rgb>> {
    let pixels: Vec<Rgb> = image.pixels().chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    pixels.chunks_exact(image.width() as usize).map(<[_]>::to_vec).collect()
}

fn count(image: &Image, color: Rgb) -> usize {
    rows(image).iter().flatten().filter(|&&pixel| pixel == color).count()
}

/// The first and the last row and column with a colour.
fn extent(image: &Image, color: Rgb) -> [usize; 4] {
    let rows = rows(image);
    let places = || {
        rows.iter()
            .enumerate()
            .flat_map(|(y, row)| row.iter().enumerate().map(move |(x, pixel)| (y, x, *pixel)))
    };
    let of_color = || places().filter(|(.., pixel)| *pixel == color);
    [
        of_color().map(|(y, ..)| y).min().unwrap(),
        of_color().map(|(y, ..)| y).max().unwrap(),
        of_color().map(|(_, x, _)| x).min().unwrap(),
        of_color().map(|(_, x, _)| x).max().unwrap(),
    ]
}

/// Colours of cells that occur nowhere in a legend's bar by chance are rare: cells are found by their number of pixels.
fn is_filled(image: &Image, color: Rgb) -> bool {
    count(image, color) > 150
}

#[test]
fn a_cell_lies_in_the_row_of_its_truth_and_the_column_of_its_prediction() {
    // One cell alone is not 0: at its place is the top of the scale.
    let at = |truth: usize, predicted: usize| {
        let all = [(0, 0, 0), (truth, predicted, 7)];
        let image = draw(5, &all, ConfusionScale::Counts);
        let rows = rows(&image);
        // Not the legend's bar, which is below.
        let cells: Vec<(usize, usize)> = (0..rows.len() - 60)
            .flat_map(|y| (0..rows[y].len()).map(move |x| (y, x)))
            .filter(|&(y, x)| rows[y][x] == viridis(1.0))
            .collect();
        (cells.iter().map(|cell| cell.0).min().unwrap(), cells.iter().map(|cell| cell.1).min().unwrap())
    };
    let (top, left) = at(0, 0);
    let (height, width) = (at(1, 0).0 - top, at(0, 1).1 - left);
    assert!(height >= 15 && width >= 15, "{height} x {width}");
    for (truth, predicted) in [(0, 4), (4, 0), (2, 3), (4, 4)] {
        assert_eq!(at(truth, predicted), (top + truth * height, left + predicted * width));
    }
}

#[test]
fn colours_are_shares_of_the_row_or_counts() {
    let cells = [(0, 0, 30), (0, 1, 10), (1, 0, 1), (1, 1, 1)];
    let shares = draw(2, &cells, ConfusionScale::Shares);
    for share in [0.75, 0.25, 0.5] {
        assert!(is_filled(&shares, viridis(share)), "{share}");
    }
    let counts = draw(2, &cells, ConfusionScale::Counts);
    for count in [30.0, 10.0, 1.0] {
        assert!(is_filled(&counts, viridis(count / 30.0)), "{count}");
    }
    assert!(!is_filled(&counts, viridis(0.75)));
}

#[test]
fn a_class_without_samples_is_blank_in_shares_only() {
    let cells = [(0, 0, 3), (0, 1, 1)];
    let (shares, counts) = (draw(3, &cells, ConfusionScale::Shares), draw(3, &cells, ConfusionScale::Counts));
    // Rows of pixels with a run of white that letters do not have.
    let blank = |image: &Image| {
        let is_run =
            |row: &&Vec<Rgb>| row.chunk_by(|a, b| a == b).any(|run| run[0] == [255; 3] && run.len() >= 15);
        rows(image).iter().filter(is_run).count()
    };
    assert_eq!(blank(&counts), 0);
    assert!(blank(&shares) >= 2 * 15, "two rows of cells: {}", blank(&shares));
}

#[test]
fn numbers_stand_in_the_cells_of_few_classes_and_names_of_many_below() {
    let diagonal = |classes: usize| (0..classes).map(|class| (class, class, 8)).collect::<Vec<_>>();
    // A number makes a cell another colour here and there.
    let few = draw(20, &diagonal(20), ConfusionScale::Counts);
    let many = draw(21, &diagonal(21), ConfusionScale::Counts);
    let cell_of = |image: &Image| {
        let [top, _, left, _] = extent(image, viridis(1.0));
        rows(image)[top..top + 12].iter().flat_map(|row| row[left..left + 12].to_vec()).collect::<Vec<_>>()
    };
    assert!(cell_of(&few).contains(&[0; 3]));
    assert!(cell_of(&many).iter().all(|pixel| *pixel == viridis(1.0)));
    let mut confused = diagonal(21);
    confused.push((3, 4, 2));
    let one = draw(21, &confused, ConfusionScale::Counts);
    confused.push((5, 6, 2));
    let two = draw(21, &confused, ConfusionScale::Counts);
    assert!(many.height() < one.height() && one.height() < two.height(), "a line for each confusion");
}

#[test]
fn what_is_no_matrix_is_refused() {
    let refused = |classes: usize, cells: &[(usize, usize, u64)]| {
        let names = names(classes);
        let cells = ConfusionCells { classes: &names, cells };
        confusion_matrix(&cells, ConfusionScale::Counts, "", &caption()).unwrap_err().to_string()
    };
    assert_eq!(refused(0, &[]), "confusion matrix: no class found, at least 1 expected");
    assert!(refused(2, &[(0, 2, 1)]).contains("a cell of classes 0 and 2 found, the last class is 1"));
    assert!(refused(2, &[(5, 0, 1)]).contains("the last class is 1"));
}

fn bin(count: u64, accuracy: f64, confidence: f64) -> ReliabilityBin {
    ReliabilityBin { count, accuracy, confidence }
}

#[test]
fn bars_reach_the_accuracy_and_gaps_the_confidence() {
    // Half of the answers right that claim to be surely so, in the last of two bins.
    let over = reliability(&[bin(0, 0.0, 0.0), bin(8, 0.5, 1.0)], "", &caption()).unwrap();
    // All right that claim half, in the first.
    let under = reliability(&[bin(8, 1.0, 0.5), bin(0, 0.0, 0.0)], "", &caption()).unwrap();
    assert_eq!((count(&over, UNDER), count(&under, OVER)), (0, 0), "neither in the key");
    // The bar and its gap are as high as each other; the cells of the key are at the right.
    let plot = |image: &Image, color: Rgb| {
        let rows = rows(image);
        let columns: Vec<usize> = (0..330).filter(|&x| rows.iter().any(|row| row[x] == color)).collect();
        let height = (0..rows.len()).filter(|&y| rows[y][columns[columns.len() / 2]] == color).count();
        (columns[0], columns.len(), height)
    };
    let ((left, width, gap), (_, _, bar)) = (plot(&over, OVER), plot(&over, ACCURACY));
    assert!(gap.abs_diff(bar) <= 3 && gap > 40, "{gap} {bar}");
    let ((under_left, under_width, under_gap), (_, _, under_bar)) =
        (plot(&under, UNDER), plot(&under, ACCURACY));
    assert!(under_gap.abs_diff(under_bar) <= 3 && under_gap.abs_diff(gap) <= 3, "{under_gap} {under_bar}");
    assert!(under_left < left && width.abs_diff(under_width) <= 1 && left - under_left >= width);
    // A bin that is right as often as it claims has no gap.
    let none = reliability(&[bin(8, 0.75, 0.75)], "", &caption()).unwrap();
    assert_eq!((count(&none, OVER), count(&none, UNDER)), (0, 0));
}

#[test]
fn impossible_bins_are_refused() {
    let refused = |bins: &[ReliabilityBin]| reliability(bins, "", &caption()).unwrap_err().to_string();
    assert!(refused(&[]).contains("0 bins found, 1 to 100 expected"));
    assert!(refused(&[bin(1, 0.5, 0.5); 101]).contains("101 bins found"));
    assert!(refused(&[bin(0, f64::NAN, 9.0), bin(1, 1.5, 0.5)]).contains("bin 1: accuracy 1.5 found"));
    assert!(refused(&[bin(1, 0.5, f64::NAN)]).contains("bin 0: confidence NaN found"));
    assert!(reliability(&[bin(u64::MAX, 1.0, 1.0); 2], "", &caption()).is_ok(), "no overflow");
    assert!(Calibration::default().to_image(&caption()).is_ok(), "nothing yet");
}

#[test]
fn a_gallery_holds_the_images_in_their_order() {
    let answer = WrongAnswer { truth: "Coat", predicted: "Shirt", confidence: 0.98 };
    // Three images of one grey each.
    let greys = [0.2f32, 0.5, 0.8];
    let pixels: Vec<f32> = greys.iter().flat_map(|grey| [*grey; 28 * 28]).collect();
    let image = mistakes(&pixels, [3, 1, 28, 28], &[answer; 3], "of 3", &caption()).unwrap();
    let at = greys.map(|grey| extent(&image, [(grey * 255.0 + 0.5) as u8; 3]));
    let side = |[top, bottom, left, right]: [usize; 4]| (bottom + 1 - top, right + 1 - left);
    assert!(at.iter().all(|extent| side(*extent) == side(at[0]) && side(*extent).0 >= 96), "{at:?}");
    assert!(at[0] < at[1] && at[0][2] < at[1][2] && at[1][2] < at[2][2], "{at:?}");
    let colors: Vec<f32> = [1.0, 0.0, 0.5].iter().flat_map(|v| [*v; 64]).collect();
    let color = mistakes(&colors, [1, 3, 8, 8], &[answer], "of 1", &caption()).unwrap();
    assert!(count(&color, [255, 0, 128]) >= 96 * 96);
    let broken = mistakes(&[f32::NAN; 64], [1, 1, 8, 8], &[answer], "of 1", &caption()).unwrap();
    assert!(count(&broken, [255, 0, 255]) >= 96 * 96, "one loud colour");
}

#[test]
fn a_gallery_refuses_what_it_cannot_draw() {
    let answer = WrongAnswer { truth: "", predicted: "", confidence: 2.0 };
    let refused = |pixels: usize, shape, answers: usize| {
        let answers = vec![answer; answers];
        mistakes(&vec![0.0; pixels], shape, &answers, "", &caption()).unwrap_err().to_string()
    };
    assert!(refused(64, [1, 1, 8, 8], 2).contains("2 answers found for 1 images"));
    assert!(refused(128, [1, 2, 8, 8], 1).contains("2 channels found; 1 (grey) or 3"));
    assert!(refused(63, [1, 1, 8, 8], 1).contains("63"));
    assert!(refused(0, [1, 1, 0, 8], 1).contains('0'));
    assert!(mistakes(&[], [0, 1, 8, 8], &[], "none", &caption()).is_ok());
    assert!(mistakes(&[0.0; 64], [1, 1, 8, 8], &[answer], "", &caption()).is_ok(), "any words");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_matrix_can_be_drawn(
        classes in prop_oneof![1..25usize, 170..190usize, Just(1000)],
        answers in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..60),
        name in "\\PC{0,40}",
        shares in any::<bool>(),
    ) {
        let mut matrix = ConfusionMatrix::new(classes).unwrap();
        for (truth, predicted) in answers {
            matrix.add(truth.index(classes), predicted.index(classes)).unwrap();
        }
        let scale = if shares { ConfusionScale::Shares } else { ConfusionScale::Counts };
        let image = matrix.to_image(&[name], scale, &caption()).unwrap();
        prop_assert!((400..=900).contains(&image.width()) && image.height() <= 1600, "{} x {}", image.width(), image.height());
    }

    #[test]
    fn counts_of_any_size_fit(classes in 1..25usize, count in any::<u64>()) {
        let cells: Vec<_> = (0..classes).map(|class| (class, 0, count)).collect(); // of up to 20 digits
        let image = draw(classes, &cells, ConfusionScale::Counts);
        prop_assert!(image.width() <= 900 && image.height() <= 1600, "{} x {}", image.width(), image.height());
    }
}
