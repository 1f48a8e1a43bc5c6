//! Bars, and weights of linear models: each bar and cell against its value, and what is refused.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Step,
    render::{Caption, RankedBar, class_weights, ranked_bars, weight_matrix},
};

const CAPTION: Caption<'static> = Caption { layer: "conv1", step: Step::new(7), epoch: None };
const RED: [u8; 3] = [178, 24, 43];
const BLUE: [u8; 3] = [33, 102, 172];
const GREY: [u8; 3] = [176, 178, 181];
const BAND: [u8; 3] = [236, 232, 216];
const MAGENTA: [u8; 3] = [255, 0, 255];

fn pixels(image: &Image) -> Vec<Vec<[u8; 3]>> {
    let row = |row: &[u8]| row.chunks(3).map(|pixel| pixel.try_into().unwrap()).collect();
    image.pixels().chunks(3 * image.width() as usize).map(row).collect()
}

/// The longest run of a colour in any row.
fn longest(image: &Image, color: [u8; 3]) -> usize {
    let run = |row: &Vec<[u8; 3]>| {
        row.iter().fold((0, 0), |(best, now): (usize, usize), pixel| {
            let now = if *pixel == color { now + 1 } else { 0 };
            (best.max(now), now)
        })
    };
    pixels(image).iter().map(|row| run(row).0).max().unwrap()
}

#[test]
fn bars_are_as_long_as_their_values() {
    let draw = |bars: &[RankedBar<'_>]| ranked_bars(bars, None, "nats", "", &CAPTION).unwrap();
    let image =
        draw(&[RankedBar::new("a", 2.0), RankedBar::new("b", -1.0), RankedBar::new("c", 1.0).faint(true)]);
    let (red, blue, grey) = (longest(&image, RED), longest(&image, BLUE), longest(&image, GREY));
    assert!(red > 60 && red.abs_diff(2 * blue) < 6 && blue.abs_diff(grey) < 4, "{red} {blue} {grey}");
    let alone = draw(&[RankedBar::new("a", f64::NAN), RankedBar::new("b", f64::INFINITY)]);
    assert_eq!((longest(&alone, RED), longest(&alone, BLUE)), (0, 0), "what is not finite has no bar");
}

#[test]
fn whiskers_and_bands_are_as_wide_as_they_say() {
    let bars = [RankedBar::new("a", 1.0).interval(0.5), RankedBar::new("b", 0.001)];
    let image = ranked_bars(&bars, Some(0.25), "nats", "", &CAPTION).unwrap();
    // The whisker crosses the bar: half of it lies on it.
    let whisker = pixels(&image)
        .iter()
        .map(|row| row.windows(2).filter(|pair| pair[0] == [32, 33, 36] && pair[1] == pair[0]).count())
        .max()
        .unwrap();
    let bar = longest(&image, RED);
    assert!(whisker.abs_diff(bar) < 40 && bar > 60, "{whisker} beside {bar}: as long as from 0 to 1");
    assert!(longest(&image, BAND) > bar / 8, "the band is seen beside the bars");
}

#[test]
fn bars_beyond_the_most_are_counted() {
    let bars = [RankedBar::new("a", 1.0); 60];
    let image = |count: usize| ranked_bars(&bars[..count], None, "nats", "", &CAPTION).unwrap();
    assert!(image(60).height() < image(48).height() + 20, "one line of the note more");
    assert!(image(60).height() <= 900);
    assert!(ranked_bars(&[], None, "nats", "", &CAPTION).unwrap_err().to_string().contains("none found"));
    let refused = ranked_bars(&bars, Some(0.0), "nats", "", &CAPTION).unwrap_err().to_string();
    assert!(refused.contains("a band of 0 found"), "{refused}");
}

#[test]
fn weights_have_their_signs_colours() {
    let mut weights = vec![0.0f32; 2 * 64];
    weights[..64].fill(1.0);
    weights[64..].fill(-1.0);
    weights[5] = 0.5;
    weights[70] = f32::NAN;
    let image = class_weights(&weights, [2, 1, 8, 8], &["a", "b"], "", &CAPTION).unwrap();
    let [red, blue] = [0.0, 1.0].map(|end| colorous::RED_BLUE.eval_continuous(end).as_array());
    assert!(longest(&image, red) > 40 && longest(&image, blue) > 40 && longest(&image, MAGENTA) > 5);
    let image = weight_matrix(&[1.0, -1.0, 0.0, f32::NAN], &["a", "b"], &["x", "y"], "", &CAPTION).unwrap();
    assert!(longest(&image, red) > 10 && longest(&image, blue) > 10 && longest(&image, MAGENTA) > 10);
}

#[test]
fn many_classes_and_features_fit() {
    let names = vec!["a class with a very long name"; 120];
    let features: Vec<String> = (0..300).map(|i| format!("relu4[{i}]")).collect();
    let heads: Vec<&str> = features.iter().map(String::as_str).collect();
    let image = weight_matrix(&vec![0.5; 120 * 300], &names, &heads, "", &CAPTION).unwrap();
    assert!(
        (400..=900).contains(&image.width()) && image.height() <= 1600,
        "{} x {}",
        image.width(),
        image.height()
    );
    for shape in [[120, 1, 28, 28], [2, 3, 32, 32], [10, 3, 224, 224], [1, 1, 1, 1], [3, 5, 9, 40]] {
        let weights: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32).sin()).collect();
        let image = class_weights(&weights, shape, &names[..shape[0]], "", &CAPTION).unwrap();
        assert!((400..=900).contains(&image.width()) && image.height() <= 1600, "{shape:?}");
    }
}

#[test]
fn other_numbers_of_weights_and_names_are_refused() {
    let refused = class_weights(&[0.0; 8], [2, 1, 2, 2], &["a"], "", &CAPTION).unwrap_err().to_string();
    assert!(refused.contains("1 names found for 2 classes"), "{refused}");
    let refused = class_weights(&[0.0; 7], [2, 1, 2, 2], &["a", "b"], "", &CAPTION).unwrap_err().to_string();
    assert!(refused.contains("7 values found"), "{refused}");
    assert!(weight_matrix(&[0.0; 3], &["a", "b"], &["x", "y"], "", &CAPTION).is_err());
    assert!(weight_matrix(&[], &[], &["x"], "", &CAPTION).is_err());
}
