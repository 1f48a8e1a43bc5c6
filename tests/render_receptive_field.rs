//! Pictures of receptive fields and of dilated kernels, pixel by pixel.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Result, Step,
    render::{Caption, LayerField, Taps, UnitField, receptive_field, receptive_fields, taps},
};

const INK: [u8; 3] = [32, 33, 36];
const GROUND: [u8; 3] = [100, 110, 120];
/// The image's first and last pixel.
const FIRST: [u8; 3] = [200, 0, 0];
const LAST: [u8; 3] = [0, 0, 200];
/// Of the first unit, and of the second one.
const ORANGE: [u8; 3] = [242, 142, 44];
const TEAL: [u8; 3] = [118, 183, 178];

fn caption(layer: &str) -> Caption<'_> {
    Caption { layer, step: Step::new(0), epoch: None }
}

/// Of one colour, except for its first and last pixel.
fn image(height: usize, width: usize) -> Image {
    let mut pixels = GROUND.repeat(height * width);
    pixels[..3].copy_from_slice(&FIRST);
    pixels[3 * (height * width - 1)..].copy_from_slice(&LAST);
    Image::rgb(width as u32, height as u32, pixels).unwrap()
}

fn unit(unit: [i64; 2], [top, left, bottom, right]: [i64; 4]) -> UnitField {
    UnitField { unit, top, left, bottom, right }
}

/// A window of `size` pixels in a layer of stride 1 whose output is as large as the image.
fn field(size: i64, units: &[[i64; 2]]) -> LayerField {
    let reach = size / 2;
    units
        .iter()
        .fold(LayerField::new("conv2d", [size; 2]).stride([1, 1]).padding([reach; 2]), |field, &[y, x]| {
            field.unit(unit([y, x], [y - reach, x - reach, y - reach + size, x - reach + size]))
        })
}

/// A picture, and where on it the image lies.
struct Seen {
    picture: Image,
    /// Upper left corner of the image, and pixels of the picture per pixel of the image.
    at: (usize, usize),
    zoom: usize,
}

impl Seen {
    fn of(picture: Image) -> Seen {
        let mut seen = Seen { picture, at: (0, 0), zoom: 1 };
        let (width, height) = (seen.picture.width() as usize, seen.picture.height() as usize);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        seen.at = places.clone().find(|&at| seen.color(at) == FIRST).unwrap();
        seen.zoom = (seen.at.0..width).take_while(|&x| seen.color((x, seen.at.1)) == FIRST).count();
        seen
    }

    fn color(&self, (x, y): (usize, usize)) -> [u8; 3] {
        let at = 3 * (y * self.picture.width() as usize + x);
        self.picture.pixels()[at..at + 3].try_into().unwrap()
    }

    /// The colour at a place of the image, whole numbers being the edges of its pixels, and so many pixels of the picture
    /// further down and to the right.
    fn colour_at(&self, row: f64, column: f64, further: (i64, i64)) -> [u8; 3] {
        let place = |at: usize, edge: f64, further: i64| {
            usize::try_from((at as f64 + edge * self.zoom as f64).round() as i64 + further).unwrap()
        };
        self.color((place(self.at.0, column, further.1), place(self.at.1, row, further.0)))
    }
}

fn draw(image: &Image, field: &LayerField) -> Seen {
    Seen::of(receptive_field(image, field, &caption("conv1")).unwrap())
}

#[test]
fn edges_of_boxes_lie_at_the_edges_of_their_pixels() {
    let seen = draw(&image(28, 28), &field(7, &[[14, 14]]));
    assert!(seen.zoom >= 8, "small images are enlarged: {}", seen.zoom);
    // Rows and columns 11..18: on each side the last pixel outside, a dark rim, and the line.
    let left = [-1, 0, 1].map(|dx| seen.colour_at(13.2, 11.0, (0, dx)));
    let right = [0, -1, -2].map(|dx| seen.colour_at(13.2, 18.0, (0, dx)));
    let bottom = [0, -1, -2].map(|dy| seen.colour_at(18.0, 13.2, (dy, 0)));
    for edge in [left, right, bottom] {
        assert_eq!(edge, [GROUND, [0; 3], ORANGE]);
    }
    // Above it is its name.
    let top = [0, 1].map(|dy| seen.colour_at(11.0, 17.6, (dy, 0)));
    assert_eq!(top, [[0; 3], ORANGE]);
    assert_eq!(seen.colour_at(12.0, 12.0, (4, 4)), GROUND, "inside is the image");
}

#[test]
fn what_lies_outside_of_the_image_is_hatched_and_boxes_go_on_there() {
    let seen = draw(&image(28, 28), &field(7, &[[14, 14], [0, 0]]));
    let outside: Vec<[u8; 3]> = (0..8).map(|dx| seen.colour_at(-1.5, 20.0, (0, dx))).collect();
    assert!(!outside.contains(&GROUND));
    assert!(outside.iter().any(|color| color != &outside[0]), "a hatch, not a plain colour");
    assert_eq!(seen.colour_at(28.0, 20.0, (-1, 0)), GROUND);
    assert_ne!(seen.colour_at(28.0, 20.0, (0, 0)), GROUND);
    // Unit (0, 0) sees rows and columns -3..4.
    let edge = [-1, 0, 1].map(|dx| seen.colour_at(0.6, -3.0, (0, dx)));
    assert_eq!(edge[1..], [[0; 3], TEAL]);
    assert_ne!(edge[0], TEAL);
}

#[test]
fn fields_larger_than_the_image_leave_it_legible() {
    let seen = draw(&image(32, 32), &field(435, &[[16, 16]]));
    assert!(seen.zoom >= 6, "the image has {} pixels a side for each of its own", seen.zoom);
    let right = seen.colour_at(31.5, 31.5, (0, 0));
    assert_eq!(right, LAST, "the whole image is shown");
    // The hatch is half as wide as the image; there the edge is dashed.
    let dashes: Vec<bool> = (0..100).map(|dy| seen.colour_at(4.0, -16.0, (dy, 1)) == ORANGE).collect();
    let (on, off) = (dashes.iter().filter(|on| **on).count(), dashes.iter().filter(|on| !**on).count());
    assert!(on > 40 && off > 25, "{dashes:?}");
}

#[test]
fn holes_show_the_image_and_seen_pixels_do_not() {
    let offsets = vec![0, 2, 4, 6, 8, 10, 12];
    let seen = draw(&image(28, 28), &field(13, &[[14, 14]]).seen(offsets.clone(), offsets));
    // Rows and columns 8..21, every second one.
    for row in 9..20 {
        for column in 9..20 {
            let is_seen = row % 2 == 0 && column % 2 == 0;
            let color = seen.colour_at(row as f64 + 0.3, column as f64 + 0.3, (0, 0));
            assert_eq!(color != GROUND, is_seen, "row {row}, column {column}: {color:?}");
        }
    }
}

#[test]
fn dots_are_the_centres_of_the_units_that_there_are() {
    let field =
        LayerField::new("max_pool2d", [4, 4]).stride([4, 4]).map([5, 7]).unit(unit([2, 3], [8, 12, 12, 16]));
    let seen = draw(&image(28, 28), &field);
    let is_dot =
        |row: i64, column: i64| seen.colour_at(row as f64 + 2.0, column as f64 + 2.0, (0, 0)) == [255; 3];
    for (row, column) in (0..7).flat_map(|row| (0..7).map(move |column| (row, column))) {
        assert_eq!(is_dot(row * 4, column * 4), row < 5, "unit ({row}, {column})");
    }
}

#[test]
fn pictures_of_all_sizes_have_the_size_of_a_picture() {
    for (height, width) in [(1, 1), (1, 90), (28, 28), (64, 200), (224, 224), (224, 10), (1500, 2000)] {
        let image = image(height, width);
        for size in [1, 3, 435, i64::MAX / 4] {
            let field = field(size, &[[height as i64 / 2, width as i64 / 2], [0, 0]]);
            let picture = receptive_field(&image, &field, &caption("conv1")).unwrap();
            assert!((400..=900).contains(&picture.width()), "{height} x {width}: {picture:?}");
            assert!(picture.height() <= 1600 && picture.channels() == 3, "{height} x {width}: {picture:?}");
            let layers = vec![("conv1".to_owned(), field); 5];
            let overview = receptive_fields(&image, &layers, &caption("net")).unwrap();
            assert!((400..=900).contains(&overview.width()), "{height} x {width}: {overview:?}");
            assert!(overview.height() <= 1600, "{height} x {width}: {overview:?}");
        }
        for kernel in [Taps::new([3, 3], [2, 2]), Taps::new([400, 2], [1, 399])] {
            let picture = taps(&image, &kernel, &caption("conv1")).unwrap();
            assert!((400..=900).contains(&picture.width()) && picture.height() <= 1600, "{picture:?}");
        }
    }
}

#[test]
fn an_overview_has_a_box_for_each_layer_and_counts_those_that_it_leaves_out() {
    let layer = |size: i64| (format!("block{size}.conv"), field(size, &[[14, 14]]));
    let few: Vec<_> = [3, 9, 27].map(layer).into();
    let picture = receptive_fields(&image(28, 28), &few, &caption("net")).unwrap();
    assert_eq!(
        picture,
        receptive_fields(&image(28, 28), &few, &caption("net")).unwrap(),
        "the same each time"
    );
    let color_count = |picture: &Image, color: [u8; 3]| {
        picture.pixels().as_chunks::<3>().0.iter().filter(|pixel| **pixel == color).count()
    };
    // One first pixel of the image in each tile, all of one size.
    let firsts = color_count(&picture, FIRST);
    let side = Seen::of(picture).zoom;
    assert_eq!(firsts, 3 * side * side);
    let many: Vec<_> = (1..=200).map(|n| layer(2 * n + 1)).collect();
    let picture = receptive_fields(&image(28, 28), &many, &caption("net")).unwrap();
    let side = Seen::of(picture.clone()).zoom;
    let shown = color_count(&picture, FIRST) / (side * side);
    assert!((20..=64).contains(&shown), "{shown} of 200 layers");
}

#[test]
fn letters_are_at_least_eleven_pixels_high() {
    let pictures = [
        receptive_field(&image(28, 28), &field(3, &[[14, 14]]), &caption("|gj|")).unwrap(),
        receptive_fields(&image(28, 28), &[("a".to_owned(), field(3, &[[14, 14]]))], &caption("|gj|"))
            .unwrap(),
        taps(&image(28, 28), &Taps::new([2, 2], [2, 2]), &caption("|gj|")).unwrap(),
    ];
    for picture in pictures {
        let line = 3 * picture.width() as usize;
        let rows = picture.pixels().chunks(line);
        // From the top of a bar to the foot of a g, in the layer's name on the left of the first line.
        let has_ink = |row: &[u8]| row[..3 * 40].as_chunks::<3>().0.contains(&INK);
        let height = rows.skip_while(|row| !has_ink(row)).take_while(|row| has_ink(row)).count();
        assert!(height >= 11, "{height}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_layers_name() {
    let image = image(28, 28);
    let message = |picture: Result<Image>| picture.unwrap_err().to_string();
    let refused = |field: LayerField| message(receptive_field(&image, &field, &caption("conv1")));
    let ok = field(3, &[[0, 0]]);
    assert_eq!(
        refused(LayerField::new("conv2d", [3, 3])),
        "receptive field of layer `conv1`: 0 units found; 1 to 4 can be drawn"
    );
    assert!(refused(field(3, &[[0, 0]; 5])).ends_with("5 units found; 1 to 4 can be drawn"));
    assert!(
        refused(LayerField { size: [0, 3], ..ok.clone() })
            .ends_with("size [0, 3] found; each side is 1 or more")
    );
    assert!(refused(ok.clone().stride([1, 0])).ends_with("stride [1, 0] found; each is 1 or more"));
    assert!(refused(ok.clone().map([0, 1])).ends_with("map [0, 1] found; each side is 1 or more"));
    for seen in [vec![], vec![1, 0], vec![0, 0], vec![-1, 1], vec![0, 3]] {
        let error = refused(ok.clone().seen(seen, vec![0, 1, 2]));
        assert!(error.ends_with("seen pixels are not ascending numbers from 0 to 2"), "{error}");
    }
    let empty = LayerField::new("conv2d", [3, 3]).unit(unit([4, 5], [7, 0, 7, 3]));
    assert!(refused(empty).contains("unit (4, 5) sees nothing: rows 7 to 6"));
    let empty = LayerField::new("conv2d", [3, 3]).unit(unit([4, 5], [0, 0, i64::MIN, i64::MIN]));
    assert!(refused(empty).contains("unit (4, 5) sees nothing"));
    let everything = unit([i64::MIN, i64::MAX], [i64::MIN, i64::MIN, i64::MAX, i64::MAX]);
    let endless = LayerField::new("conv2d", [i64::MAX; 2]).stride([i64::MAX; 2]).map([i64::MAX; 2]);
    assert!(receptive_field(&image, &endless.unit(everything), &caption("conv1")).is_ok());
    let overview =
        |layers: &[(String, LayerField)]| message(receptive_fields(&image, layers, &caption("net")));
    assert_eq!(overview(&[]), "overview of receptive fields: there is no layer to show");
    let bad = ("conv9".to_owned(), LayerField::new("conv2d", [3, 3]));
    assert!(overview(&[("conv1".to_owned(), ok), bad]).contains("`conv9`"));

    let refused = |kernel: Taps| message(taps(&image, &kernel, &caption("conv1")));
    assert_eq!(
        refused(Taps::new([3, 0], [1, 1])),
        "taps of layer `conv1`: kernel [3, 0] found; each is 1 or more"
    );
    assert!(refused(Taps::new([3, 3], [-1, 1])).ends_with("dilation [-1, 1] found; each is 1 or more"));
    assert!(refused(Taps::new([3, 3], [200, 1])).contains("reach 401 x 3 found"));
    assert!(refused(Taps::new([i64::MAX; 2], [i64::MAX; 2])).contains("at most 400 pixels"));
    assert!(refused(Taps::new([3, 3], [1, 1]).weights(vec![0.0; 8])).ends_with("8 weights found for 9 taps"));
    for (row, column) in [(i64::MAX, 0), (0, i64::MIN)] {
        let error = refused(Taps::new([3, 3], [1, 1]).at(row, column));
        assert!(error.contains(&format!("first tap at [{row}, {column}] found")), "{error}");
    }
    let error = refused(Taps::new([1, 3], [i64::MAX, 1]).stride([2, 2]));
    assert!(error.ends_with("and stride 2 found; their product is at most 2147483647"), "{error}");
}

#[test]
fn taps_are_filled_and_their_holes_are_not() {
    let picture = taps(&image(28, 28), &Taps::new([2, 3], [4, 2]).at(10, 12), &caption("conv1")).unwrap();
    let seen = Seen::of(picture);
    for row in 10..15 {
        for column in 12..17 {
            let is_tap = (row - 10) % 4 == 0 && (column - 12) % 2 == 0;
            let color = seen.colour_at(row as f64 + 0.5, column as f64 + 0.5, (0, 0));
            assert_eq!(color, if is_tap { ORANGE } else { GROUND }, "row {row}, column {column}");
        }
    }
}

#[test]
fn each_tap_is_seen_where_a_pixel_is_small() {
    // As in a context network on images of 64 x 64 pixels, of which each is 4 pixels large.
    let kernel = Taps::new([3, 3], [16, 16]).at(15, 15);
    let seen = Seen::of(taps(&image(64, 64), &kernel, &caption("conv6")).unwrap());
    assert_eq!(seen.zoom, 4);
    for (row, column) in [15.5, 31.5, 47.5].iter().flat_map(|&row| [15.5, 31.5, 47.5].map(|c| (row, c))) {
        for (dy, dx) in (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dy, dx))) {
            assert_eq!(seen.colour_at(row, column, (dy, dx)), ORANGE, "tap {row}, {column}: {dy}, {dx}");
        }
        assert_eq!(seen.colour_at(row, column, (0, 16)), GROUND, "right of tap {row}, {column}");
    }
    // The frame lies around them: the rims of its left edge, and the line between.
    let edge = [-5, -4, -3, -2, -1].map(|dx| seen.colour_at(24.0, 15.0, (0, dx)));
    assert_eq!(edge, [GROUND, [0; 3], ORANGE, ORANGE, [0; 3]]);
}

#[test]
fn dots_of_a_map_without_end_take_no_time_and_none_hides_holes() {
    let field = |map| field(7, &[[14, 14]]).map([map; 2]);
    let image = image(28, 28);
    let picture = |field| draw(&image, &field);
    let endless = picture(field(i64::MAX).stride([4, 4]));
    let white = |seen: &Seen, row: f64, column: f64| seen.colour_at(row, column, (0, 0)) == [255; 3];
    // Its centre is that of the pixel (14, 14), and its neighbours' lie four pixels further.
    assert!([2.5, 14.5, 26.5].iter().all(|&row| white(&endless, row, 14.5) && white(&endless, row, 26.5)));
    let holes = picture(field(28).stride([2, 2]).seen(vec![0, 2, 4, 6], vec![0, 2, 4, 6]));
    let is_dot = |row: i64, column: i64| white(&holes, row as f64 + 0.5, column as f64 + 0.5);
    let dots: Vec<_> =
        (0..28).flat_map(|row| (0..28).map(move |c| (row, c))).filter(|&(row, c)| is_dot(row, c)).collect();
    assert!(dots.len() > 20, "{dots:?}");
    assert!(dots.iter().all(|(row, c)| !(11..18).contains(row) || !(11..18).contains(c)), "{dots:?}");
}

#[test]
fn weights_have_the_colours_of_their_signs() {
    let weights = vec![-0.5, 0.5, 0.0, f32::NAN];
    let picture =
        taps(&image(28, 28), &Taps::new([2, 2], [4, 4]).at(1, 1).weights(weights), &caption("conv1"));
    let seen = Seen::of(picture.unwrap());
    // Above the number.
    let tap = |row: f64, column: f64| seen.colour_at(row + 0.25, column + 0.25, (0, 0));
    let ([r, _, b], [r2, _, b2]) = (tap(1.0, 1.0), tap(1.0, 5.0));
    assert!(b > r, "negative is blue");
    assert!(r2 > b2, "positive is red");
    assert!(tap(5.0, 1.0).iter().all(|&c| c > 230), "zero is near-white");
    assert_eq!(tap(5.0, 5.0), [255, 0, 255], "not a number");
}

#[test]
fn a_kernel_beside_the_image_is_drawn_where_it_is() {
    let picture = taps(&image(28, 28), &Taps::new([2, 2], [3, 3]).at(-2, -2), &caption("conv1")).unwrap();
    let seen = Seen::of(picture);
    assert_eq!(seen.colour_at(-1.5, -1.5, (0, 0)), ORANGE);
    assert_eq!(seen.colour_at(1.5, 1.5, (0, 0)), ORANGE);
}
