//! Boxes on pictures: where lines and labels stand, for any box and any picture.

#![allow(clippy::unwrap_used)] // helpers of tests

use convscope::{
    Image,
    render::{BoundingBox, draw_boxes},
};
use proptest::prelude::*;

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const GROUND: [u8; 3] = [90, 140, 90];

fn ground(width: u32, height: u32) -> Image {
    Image::rgb(width, height, GROUND.repeat((width * height) as usize)).unwrap()
}

fn at(image: &Image, x: usize, y: usize) -> [u8; 3] {
    let pixel = 3 * (y * image.width() as usize + x);
    image.pixels()[pixel..pixel + 3].try_into().unwrap()
}

/// Left, top, right, bottom of all pixels of a colour, the last two not included.
fn bounds(image: &Image, color: [u8; 3]) -> Option<(usize, usize, usize, usize)> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let found: Vec<(usize, usize)> = (0..width * height)
        .map(|i| (i % width, i / width))
        .filter(|&(x, y)| at(image, x, y) == color)
        .collect();
    let xs = || found.iter().map(|&(x, _)| x);
    let ys = || found.iter().map(|&(_, y)| y);
    Some((xs().min()?, ys().min()?, xs().max()? + 1, ys().max()? + 1))
}

#[test]
fn a_box_stands_where_it_was_put() {
    let item = BoundingBox::new(20.0, 30.0, 120.4, 99.6).rgb(RED);
    let drawn = draw_boxes(&ground(300, 200), &[item]).unwrap();
    // A dark rim of one pixel, two of colour, another rim.
    assert_eq!(bounds(&drawn, RED), Some((21, 31, 119, 99)));
    let profile: Vec<[u8; 3]> = (18..26).map(|x| at(&drawn, x, 60)).collect();
    let rim = [255; 3];
    assert_eq!(profile, [GROUND, GROUND, rim, RED, RED, rim, GROUND, GROUND]);
    assert_eq!(at(&drawn, 70, 65), GROUND, "the inside is left");
}

#[test]
fn small_pictures_are_enlarged_and_large_ones_get_larger_lines() {
    let size = |width, height| {
        let drawn =
            draw_boxes(&ground(width, height), &[BoundingBox::new(0.0, 0.0, 9.0, 9.0).rgb(RED)]).unwrap();
        (drawn.width(), drawn.height())
    };
    assert_eq!(size(32, 32), (320, 320));
    assert_eq!(size(28, 28), (336, 336));
    assert_eq!(size(175, 100), (350, 200));
    assert_eq!(size(176, 100), (176, 100));
    assert_eq!(size(20, 300), (60, 900), "not higher than 1000");
    assert_eq!(size(1000, 50), (1000, 50));

    let drawn =
        draw_boxes(&ground(1000, 500), &[BoundingBox::new(100.0, 100.0, 900.0, 400.0).rgb(RED)]).unwrap();
    let line = (0..200).filter(|&x| at(&drawn, x, 250) == RED).count();
    assert_eq!(line, 6, "two pixels of a card that shows a third of them");
}

#[test]
fn enlarging_keeps_pixels_whole() {
    let pixels: Vec<u8> = (0..12).map(|i| i * 20).collect();
    let drawn = draw_boxes(&Image::rgb(2, 2, pixels.clone()).unwrap(), &[]).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (350, 350));
    for (corner, (x, y)) in [(0, 0), (349, 0), (0, 349), (349, 349)].into_iter().enumerate() {
        assert_eq!(at(&drawn, x, y), pixels[3 * corner..3 * corner + 3]);
    }
    assert_eq!((at(&drawn, 174, 174), at(&drawn, 175, 175)), ([0, 20, 40], [180, 200, 220]));
}

#[test]
fn gray_and_see_through_pictures_become_colours_on_white() {
    let gray = draw_boxes(&Image::gray(200, 1, vec![77; 200]).unwrap(), &[]).unwrap();
    assert_eq!(at(&gray, 5, 0), [77; 3]);
    let half = Image::rgba(200, 1, [255, 0, 0, 128].repeat(200)).unwrap();
    assert_eq!(at(&draw_boxes(&half, &[]).unwrap(), 5, 0), [255, 127, 127]);
}

#[test]
fn a_box_that_leaves_the_picture_is_cut() {
    let drawn =
        draw_boxes(&ground(300, 200), &[BoundingBox::new(-50.0, 150.0, 1e9, 1e300).rgb(RED)]).unwrap();
    assert_eq!(bounds(&drawn, RED), Some((1, 151, 299, 199)));
    let outside = BoundingBox::new(400.0, 20.0, 500.0, 90.0).rgb(RED);
    let (left, top, right, bottom) =
        bounds(&draw_boxes(&ground(300, 200), &[outside.label("x")]).unwrap(), RED).unwrap();
    assert!(left >= 280 && right == 300 && top < 20 && bottom <= 90, "its label stands at the edge");
}

#[test]
fn a_label_is_a_plate_above_its_box_or_where_there_is_room() {
    let plate_of = |x: f64, y: f64| {
        let image = ground(300, 200);
        let bare = BoundingBox::new(x, y, x + 80.0, y + 60.0).rgb(RED);
        let without = draw_boxes(&image, std::slice::from_ref(&bare)).unwrap();
        let with = draw_boxes(&image, &[bare.label("cat 0.9")]).unwrap();
        let changed: Vec<(usize, usize)> = (0..300 * 200)
            .map(|i| (i % 300, i / 300))
            .filter(|&(x, y)| at(&without, x, y) != at(&with, x, y))
            .collect();
        let (top, bottom) =
            (changed.iter().map(|c| c.1).min().unwrap(), changed.iter().map(|c| c.1).max().unwrap());
        let letters = changed.iter().filter(|&&(x, y)| at(&with, x, y) == [255; 3]).count();
        assert!(letters > 50, "white letters on red");
        (top, bottom)
    };
    assert_eq!(plate_of(50.0, 100.0), (85, 99), "above");
    assert_eq!(plate_of(50.0, 5.0), (65, 79), "below, because there is no room above");
}

#[test]
fn labels_do_not_cover_each_other_where_there_is_room() {
    let same = |color| BoundingBox::new(50.0, 60.0, 150.0, 140.0).rgb(color).label("the same");
    let drawn = draw_boxes(&ground(300, 200), &[same(RED), same(BLUE)]).unwrap();
    let plate = 15; // its height
    let filled = |color| {
        (0..200)
            .filter(|&y| (60..70).all(|x| at(&drawn, x, y) == color || at(&drawn, x, y) == [255; 3]))
            .count()
    };
    assert!(filled(RED) >= plate - 2 && filled(BLUE) >= plate - 2, "{} {}", filled(RED), filled(BLUE));
}

#[test]
fn boxes_that_are_none_are_refused_by_number() {
    let good = BoundingBox::new(1.0, 1.0, 2.0, 2.0);
    let refused =
        |bad: BoundingBox| draw_boxes(&ground(10, 10), &[good.clone(), bad]).unwrap_err().to_string();
    let nan = refused(BoundingBox::new(f64::NAN, 0.0, 1.0, 1.0));
    assert_eq!(nan, "box 1: x NaN to 1, y 0 to 1: an edge is not a number of pixels");
    assert!(refused(BoundingBox::new(0.0, 0.0, f64::INFINITY, 1.0)).starts_with("box 1: "));
    assert!(refused(BoundingBox::new(0.0, 5.0, 1.0, 4.0)).contains("x_min, y_min, x_max, y_max"));
    assert!(draw_boxes(&ground(10, 10), &[BoundingBox::new(3.0, 3.0, 3.0, 3.0)]).is_ok(), "a point is a box");
}

#[test]
fn classes_have_colours_of_their_own() {
    let colors: std::collections::BTreeSet<Vec<u8>> = (0..10)
        .map(|class| {
            let drawn = draw_boxes(&ground(300, 10), &[BoundingBox::new(0.0, 0.0, 300.0, 10.0).class(class)])
                .unwrap();
            at(&drawn, 1, 5).to_vec()
        })
        .collect();
    assert_eq!(colors.len(), 10);
    let of = |class| {
        draw_boxes(&ground(300, 10), &[BoundingBox::new(0.0, 0.0, 300.0, 10.0).class(class)]).unwrap()
    };
    assert_eq!(of(3), of(13));
    assert_eq!(of(usize::MAX), of(usize::MAX % 10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the picture, the box and the label: a picture comes out, of a whole multiple of the size.
    #[test]
    fn any_box_can_be_drawn(
        (width, height) in (1_u32..500, 1_u32..300),
        edges in proptest::array::uniform4(-1e4..1e4_f64),
        label in proptest::option::of(".{0,40}"),
    ) {
        let [a, b, c, d] = edges;
        let mut item = BoundingBox::new(a.min(b), c.min(d), a.max(b), c.max(d)).rgb(RED);
        item.label = label;
        let drawn = draw_boxes(&ground(width, height), &[item]).unwrap();
        prop_assert_eq!(drawn.width() % width, 0);
        prop_assert_eq!(drawn.width() / width, drawn.height() / height);
    }
}
