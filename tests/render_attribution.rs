//! The card of an attribution: colours against values, all that a map can fail to say, all sizes.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Step,
    render::{
        AttributionCard, AttributionMap, AttributionScale, Caption, GalleryImage, GalleryMap, TrustBadge,
        TrustLevel, attribution, attribution_gallery,
    },
};

const NON_FINITE: [u8; 3] = [255, 0, 255];

fn caption() -> Caption<'static> {
    Caption { layer: "saliency of 12 Coat", step: Step::new(938), epoch: Some(1) }
}

fn map(values: &[f32], size: [usize; 2], scale: AttributionScale) -> AttributionMap<'_> {
    AttributionMap { values, size, scale, unit: "d logit / d pixel", class: "Coat" }
}

fn card<'a>(pixels: &'a [f32], shape: [usize; 3], map: AttributionMap<'a>) -> AttributionCard<'a> {
    let note = "K = Coat, Q = Shirt (61 %): a wrong prediction; explained: Coat; patch 4x4; stride 2";
    AttributionCard { pixels, shape, map, note, measures: &[], warning: None, badge: None }
}

/// Draws, and keeps the picture for who wants to look at it.
fn draw(name: &str, card: &AttributionCard<'_>) -> Image {
    let image = attribution(card, &caption()).unwrap();
    assert!((400..=760).contains(&image.width()) && image.height() <= 1600, "{name}: {image:?}");
    keep(name, &image);
    image
}

fn keep(name: &str, image: &Image) {
    if let Some(folder) = std::env::var_os("CONVSCOPE_PICTURES") {
        let file = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(file, image.to_png().unwrap()).unwrap();
    }
}

fn count(image: &Image, color: [u8; 3]) -> usize {
    image.pixels().as_chunks::<3>().0.iter().filter(|pixel| **pixel == color).count()
}

fn blue_red(unit: f64) -> [u8; 3] {
    colorous::RED_BLUE.eval_continuous(1.0 - unit).as_array()
}

fn viridis(unit: f64) -> [u8; 3] {
    colorous::VIRIDIS.eval_continuous(unit).as_array()
}

/// A ring on a slope.
fn pixels(channels: usize, height: usize, width: usize) -> Vec<f32> {
    let at = |c: usize, y: usize, x: usize| {
        let (dy, dx) = (y as f32 / height as f32 - 0.5, x as f32 / width as f32 - 0.5);
        let ring = (dy * dy + dx * dx).sqrt();
        let bright = if (0.2..0.4).contains(&ring) { 0.9 } else { 0.1 + 0.3 * x as f32 / width as f32 };
        if c == 1 { bright * 0.6 } else { bright }
    };
    (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| at(c, y, x)))).collect()
}

/// Positive at the left, negative at the right, strongest in the middle of the height.
fn waves(height: usize, width: usize) -> Vec<f32> {
    let value = |y: usize, x: usize| {
        let (y, x) = (y as f32 / height as f32, x as f32 / width as f32);
        (std::f32::consts::PI * y).sin() * (std::f32::consts::TAU * x).sin()
    };
    (0..height).flat_map(|y| (0..width).map(move |x| value(y, x))).collect()
}

#[test]
fn colours_say_what_speaks_for_the_class() {
    let image = pixels(1, 8, 8);
    // As many pixels of each of four values.
    let values: Vec<f32> = (0..16).map(|i| [-2.0, -1.0, 0.0, 1.0][i % 4]).collect();
    let units = |scale| match scale {
        AttributionScale::Signed => [0.0, 0.25, 0.5, 0.75].map(blue_red),
        AttributionScale::Reversed => [1.0, 0.75, 0.5, 0.25].map(blue_red),
        AttributionScale::Magnitude => [0.0, 0.0, 0.0, 0.5].map(viridis),
    };
    for scale in [AttributionScale::Signed, AttributionScale::Reversed, AttributionScale::Magnitude] {
        let drawn = draw(&format!("scale_{scale:?}"), &card(&image, [1, 8, 8], map(&values, [4, 4], scale)));
        // Panels of 8 x 8 pixels, each of 17 x 17: a quarter of them for each value, each a block of 2 x 2 pixels.
        for color in units(scale) {
            let same = units(scale).iter().filter(|other| **other == color).count();
            let found = count(&drawn, color);
            let panel = 136 * 136 * same / 4;
            assert!(
                (panel..panel + 120).contains(&found),
                "{scale:?} {color:?}: {found}, {panel} in the map"
            );
        }
    }
}

#[test]
fn the_overlay_is_between_the_map_and_the_grey_image() {
    let image = [0.2; 64];
    let drawn =
        draw("overlay", &card(&image, [1, 8, 8], map(&[1.0; 4], [2, 2], AttributionScale::Magnitude)));
    let expected = viridis(1.0).map(|part| (0.55 * f64::from(part) + 0.45 * 51.0).round() as u8);
    let found = count(&drawn, expected);
    assert!(found > 136 * 136 * 9 / 10, "{found}: all but the cross");
}

#[test]
fn what_a_map_does_not_say_is_said_in_words() {
    use AttributionScale::{Magnitude, Reversed, Signed};
    let cases: [(&[f32], AttributionScale, Option<&str>); 12] = [
        (&[1.0, -1.0, 0.5, 0.0], Signed, None),
        (&[0.0; 4], Magnitude, Some("all values 0: no pixel has a part in the score of Coat")),
        (&[0.0, -0.0, 0.0, 0.0], Signed, Some("all values 0: no pixel has a part in the score of Coat")),
        (&[0.25; 4], Signed, Some("all values equal 0.25: no pixel stands out")),
        (&[-0.25; 4], Signed, Some("all values equal -0.25: no pixel stands out")),
        (&[-1.0, -2.0, 0.0, -0.5], Signed, Some("all values <= 0: nothing speaks for Coat")),
        (&[1.0, 2.0, 0.0, 0.5], Reversed, Some("all values >= 0: nothing speaks for Coat")),
        (&[1.0, 2.0, 0.0, 0.5], Signed, None),
        (&[1.0, f32::NAN, 0.0, 0.5], Signed, Some("1 of 4 values NaN or infinite")),
        (
            &[-1.0, f32::NEG_INFINITY, f32::NAN, -0.5],
            Signed,
            Some("2 of 4 values NaN or infinite; the others: all values <= 0: nothing speaks for Coat"),
        ),
        (&[f32::NAN; 4], Magnitude, Some("none of 4 values is finite: nothing can be said")),
        (
            &[f32::INFINITY, 3.0, 3.0, 3.0],
            Magnitude,
            Some("1 of 4 values NaN or infinite; the others: all values equal 3: no pixel stands out"),
        ),
    ];
    let image = pixels(1, 28, 28);
    for (number, (values, scale, expected)) in cases.into_iter().enumerate() {
        let map = map(values, [2, 2], scale);
        assert_eq!(map.finding().as_deref(), expected, "{values:?}");
        let drawn = draw(&format!("finding_{number}"), &card(&image, [1, 28, 28], map));
        let broken = values.iter().filter(|value| !value.is_finite()).count();
        let found = count(&drawn, NON_FINITE);
        // A quarter of the map and of the overlay for each value.
        let expected = broken * 2 * 140 * 140 / 4;
        assert!(found >= expected * 9 / 10, "{number}: {found} of {expected}");
        assert!(broken > 0 || found == 0, "{number}: {found}");
    }
    let single = [0.5];
    let finding = map(&single, [1, 1], Magnitude).finding().unwrap();
    assert_eq!(finding, "a single value for the whole image: it does not say where");
}

#[test]
fn images_of_all_sizes_and_both_modes_are_drawn() {
    let sizes = [
        (4, 4),
        (28, 28),
        (32, 32),
        (96, 96),
        (224, 224),
        (300, 500),
        (1000, 1200),
        (40, 400),
        (9, 300),
        (300, 9),
        (1, 1),
        (2000, 3),
    ];
    for (height, width) in sizes {
        for channels in [1, 3] {
            let image = pixels(channels, height, width);
            for coarse in [false, true] {
                let size = if coarse { [height.div_ceil(16), width.div_ceil(16)] } else { [height, width] };
                let values = waves(size[0], size[1]);
                let name = format!("size_{height}x{width}x{channels}{}", if coarse { "_coarse" } else { "" });
                let map = map(&values, size, AttributionScale::Signed);
                draw(&name, &card(&image, [channels, height, width], map));
            }
        }
    }
}

#[test]
fn strong_values_do_not_darken_the_others() {
    let image = pixels(1, 28, 28);
    let mut values: Vec<f32> = waves(28, 28).iter().map(|value| value.abs()).collect();
    values[300] = 1e4;
    let drawn =
        draw("outlier", &card(&image, [1, 28, 28], map(&values, [28, 28], AttributionScale::Magnitude)));
    let darkest = count(&drawn, viridis(0.0));
    assert!(darkest < 140 * 140 / 4, "{darkest}: most of the map has colours");
    // A coarse map is drawn to its largest value.
    let few: Vec<f32> = (0..49).map(|i| if i == 24 { 100.0 } else { 1.0 }).collect();
    let drawn = draw("few", &card(&image, [1, 28, 28], map(&few, [7, 7], AttributionScale::Magnitude)));
    let largest = count(&drawn, viridis(1.0));
    assert!(
        (400..600).contains(&largest),
        "{largest}: one block of 4 x 4 pixels, 5 x 5 each, and the bar's end"
    );
}

#[test]
fn badges_say_why() {
    let image = pixels(3, 32, 32);
    let values = waves(32, 32);
    let measures =
        ["completeness error 0.0021".to_owned(), "f(x) 7.31".to_owned(), "f(baseline) 0.12".to_owned()];
    let levels = [TrustLevel::Trusted, TrustLevel::Caution, TrustLevel::DoNotTrust];
    let mut pictures = Vec::new();
    for level in levels {
        let badge = TrustBadge {
            level,
            reasons: vec![
                "depends on the weights: rank correlation 0.12 with a random last layer".to_owned(),
                "deleting its pixels first lowers the score faster than any of 8 random orders".to_owned(),
            ],
        };
        let card = AttributionCard {
            measures: &measures,
            badge: Some(&badge),
            warning: Some("it looks the same for random weights (Adebayo et al. 2018)"),
            ..card(&image, [3, 32, 32], map(&values, [32, 32], AttributionScale::Signed))
        };
        pictures.push(draw(&format!("badge_{level:?}"), &card));
    }
    assert!(levels.is_sorted(), "the worst is the greatest");
    let same = |a: &Image, b: &Image| a.pixels() == b.pixels();
    assert!(!same(&pictures[0], &pictures[1]) && !same(&pictures[1], &pictures[2]));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let image = pixels(1, 4, 4);
    let values = waves(4, 4);
    let refused = |card: AttributionCard<'_>| attribution(&card, &caption()).unwrap_err().to_string();
    let good = map(&values, [4, 4], AttributionScale::Signed);
    assert!(refused(card(&image, [1, 4, 5], good)).contains("16 values found"));
    assert!(refused(card(&image, [2, 2, 4], good)).contains("2 channels found; 1 (grey) or 3"));
    assert!(
        refused(card(&image, [1, 4, 4], AttributionMap { size: [4, 3], ..good })).contains("16 values found")
    );
    assert!(refused(card(&image, [1, 4, 4], AttributionMap { size: [0, 4], ..good })).contains("empty side"));
}

const METHODS: [&str; 11] = [
    "saliency",
    "gradient x input",
    "smooth grad",
    "smooth grad squared",
    "var grad",
    "integrated gradients",
    "grad cam",
    "grad cam plus plus",
    "guided backprop",
    "deconvolution",
    "occlusion",
];

fn gallery_image<'a>(
    pixels: &'a [f32],
    shape: [usize; 3],
    values: &'a [f32],
    methods: usize,
) -> GalleryImage<'a> {
    use AttributionScale::{Magnitude, Reversed, Signed};
    let levels = [None, Some(TrustLevel::Trusted), Some(TrustLevel::Caution), Some(TrustLevel::DoNotTrust)];
    let size = [shape[1], shape[2]];
    let map = |number: usize| GalleryMap {
        values,
        size,
        scale: [Signed, Magnitude, Reversed][number % 3],
        level: levels[number % 4],
    };
    let words = "12 Coat: K = Coat, Q = Shirt (61 %): a wrong prediction; explained: Coat".to_owned();
    let maps = (0..methods).map(|number| (number != 2).then(|| map(number))).collect();
    GalleryImage { words, pixels, shape, maps }
}

#[test]
fn a_gallery_holds_any_number_of_images_and_methods() {
    for (height, width) in [(28, 28), (224, 224), (4, 4), (300, 40), (40, 300), (1, 1)] {
        let (image, values) = (pixels(3, height, width), waves(height, width));
        for (images, methods) in [(1, 1), (4, 6), (3, 11), (20, 3)] {
            let rows = vec![gallery_image(&image, [3, height, width], &values, methods); images];
            let page = attribution_gallery(&METHODS[..methods], &rows, "", &caption()).unwrap();
            let name = format!("gallery_{height}x{width}_{images}x{methods}");
            assert!((400..=900).contains(&page.width()) && page.height() <= 1600, "{name}: {page:?}");
            keep(&name, &page);
        }
    }
}

#[test]
fn every_level_of_trust_has_a_sign_in_the_gallery() {
    let (image, values) = (pixels(1, 28, 28), waves(28, 28));
    let with = |level| {
        let mut row = gallery_image(&image, [1, 28, 28], &values, 1);
        row.maps[0] = row.maps[0].map(|map| GalleryMap { level, ..map });
        attribution_gallery(&["saliency"], &[row], "", &caption()).unwrap()
    };
    let levels = [None, Some(TrustLevel::Trusted), Some(TrustLevel::Caution), Some(TrustLevel::DoNotTrust)];
    let pages = levels.map(with);
    for (number, page) in pages.iter().enumerate() {
        assert!(pages[..number].iter().all(|other| other.pixels() != page.pixels()), "{number}");
    }
}

#[test]
fn a_gallery_of_nothing_is_an_error() {
    let (image, values) = (pixels(1, 4, 4), waves(4, 4));
    let row = gallery_image(&image, [1, 4, 4], &values, 2);
    let refused = |methods: &[&str], rows: &[GalleryImage<'_>]| {
        attribution_gallery(methods, rows, "", &caption()).unwrap_err().to_string()
    };
    assert!(refused(&[], std::slice::from_ref(&row)).contains("0 methods and 1 images"));
    assert!(refused(&["saliency"], &[]).contains("1 methods and 0 images"));
    assert!(refused(&["saliency"], &[row]).contains("2 maps found for 1 methods"));
}
