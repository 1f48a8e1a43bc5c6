//! The pictures: torchvision's numbers, colours that mean what the legend says, and no input that breaks them.

#![allow(clippy::unwrap_used)] // helpers of tests

use convscope::{
    Image, Result, Step,
    render::{
        Caption, ColorMap, FeatureMapOptions, FilterOptions, GridOptions, Normalization, feature_maps,
        filters, make_grid, probe_images, to_byte,
    },
};
use proptest::prelude::*;

const MAGENTA: [u8; 3] = [255, 0, 255];

/// The colour of a signed value, -1 to 1 of the largest magnitude.
fn signed(value: f64) -> [u8; 3] {
    colorous::RED_BLUE.eval_continuous(0.5 - value / 2.0).as_array()
}

fn caption(layer: &str) -> Caption<'_> {
    Caption { layer, step: Step::new(1875), epoch: Some(2) }
}

fn draw_filters(kernel: &[f32], shape: [usize; 4]) -> Result<Image> {
    filters(kernel, shape, &caption("conv1"), &FilterOptions::default())
}

fn draw_maps(maps: &[f32], shape: [usize; 4]) -> Result<Image> {
    feature_maps(maps, shape, &caption("relu1"), &FeatureMapOptions::default())
}

/// Pixels, row by row.
fn rows(image: &Image) -> Vec<Vec<[u8; 3]>> {
    assert_eq!(image.channels(), 3);
    let width = image.width() as usize;
    let pixels: Vec<[u8; 3]> = image.pixels().chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    pixels.chunks_exact(width).map(<[_]>::to_vec).collect()
}

fn count(image: &Image, color: [u8; 3]) -> usize {
    rows(image).iter().flatten().filter(|&&p| p == color).count()
}

/// Squares of `color` that are at least 6 pixels a side: upper left corners with side, so that lines and letters do not
/// count.
fn squares(image: &Image, color: [u8; 3]) -> Vec<(usize, usize, usize)> {
    let rows = rows(image);
    let is = |y: usize, x: usize| rows.get(y).and_then(|row| row.get(x)) == Some(&color);
    let mut found = Vec::new();
    for y in 0..rows.len() {
        for x in 0..rows[0].len() {
            let corner = is(y, x) && (y == 0 || !is(y - 1, x)) && (x == 0 || !is(y, x - 1));
            if corner {
                let width = (x..).take_while(|&x| is(y, x)).count();
                let height = (y..).take_while(|&y| is(y, x)).count();
                if width == height && width >= 6 {
                    found.push((x, y, width));
                }
            }
        }
    }
    found
}

#[test]
fn grid_has_torchvisions_shapes() {
    let cases = [
        ([5, 3, 10, 10], 8, 2, (14, 62)),
        ([64, 1, 3, 3], 8, 1, (33, 33)),
        ([64, 3, 7, 7], 8, 2, (74, 74)),
        ([1, 1, 5, 5], 8, 2, (5, 5)),
        ([9, 3, 4, 6], 4, 0, (12, 24)),
        ([10, 1, 2, 2], 3, 2, (18, 14)),
    ];
    for (shape, columns, padding, expected) in cases {
        let values = vec![0.0; shape.iter().product()];
        let grid =
            make_grid(&values, shape, &GridOptions { columns, padding, ..GridOptions::default() }).unwrap();
        assert_eq!((grid.height, grid.width), expected, "{shape:?}");
        assert_eq!(grid.values.len(), 3 * grid.height * grid.width);
        let image = grid.to_image().unwrap();
        assert_eq!((image.height() as usize, image.width() as usize), expected);
    }
}

#[test]
fn grid_puts_every_value_where_its_tile_is() {
    let shape @ [tiles, channels, height, width] = [7, 3, 4, 5];
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
    let options = GridOptions { columns: 3, padding: 2, pad_value: -1.0, normalization: None };
    let grid = make_grid(&values, shape, &options).unwrap();
    let mut expected = vec![-1.0; grid.values.len()];
    for (t, c, y, x) in (0..tiles).flat_map(|t| {
        (0..channels).flat_map(move |c| (0..height).flat_map(move |y| (0..width).map(move |x| (t, c, y, x))))
    }) {
        let (row, column) = (2 + (t / 3) * 6 + y, 2 + (t % 3) * 7 + x);
        expected[(c * grid.height + row) * grid.width + column] =
            values[((t * channels + c) * height + y) * width + x];
    }
    assert_eq!(grid.values, expected);
}

/// The values of a single tile after normalisation, first channel.
fn normalized(values: &[f32], normalization: Normalization) -> Vec<f32> {
    let options = GridOptions { normalization: Some(normalization), ..GridOptions::default() };
    make_grid(values, [1, 1, 1, values.len()], &options).unwrap().values[..values.len()].to_vec()
}

#[test]
fn normalisations_follow_their_definitions() {
    assert_eq!(normalized(&[-1.0, 0.0, 3.0], Normalization::PerLayer), [0.0, 0.25, 1.0]);
    assert_eq!(normalized(&[2.0, 2.0, 2.0], Normalization::PerLayer), [0.0; 3]);
    assert_eq!(normalized(&[-1.0, 0.0, 4.0], Normalization::Symmetric), [0.375, 0.5, 1.0]);
    assert_eq!(normalized(&[0.0, -0.0], Normalization::Symmetric), [0.5; 2]);
    let fixed = Normalization::Fixed { lo: -2.0, hi: 2.0 };
    assert_eq!(normalized(&[-9.0, 1.0, 2.5], fixed), [0.0, 0.75, 1.0]);
    assert_eq!(
        normalized(&[0.0, 1.0, 2.0], Normalization::Auto)[..2],
        [0.0, 1.0],
        "0 to the 99th percentile"
    );
    assert_eq!(normalized(&[-4.0, 0.0, 2.0], Normalization::Auto)[1], 0.5);
    assert_eq!(normalized(&[0.0; 4], Normalization::Auto), [0.0; 4]);
    assert_eq!(normalized(&[f32::MIN, 0.0, f32::MAX], Normalization::PerLayer), [0.0, 0.5, 1.0]);
    assert_eq!(
        normalized(&[1e-7, 3e-7], Normalization::PerLayer),
        [0.0, 1.0],
        "small values are not blanked"
    );
}

#[test]
fn each_tile_by_itself_agrees_with_scaled_cams() {
    let values = [0.0, 4.0, 28.0, 32.5, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0];
    let expected = [0.0, 0.123_076_92, 0.861_538_46, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    for (tile, expected) in values.chunks_exact(4).zip(expected.chunks_exact(4)) {
        for (found, expected) in normalized(tile, Normalization::PerFilter).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn a_value_that_is_not_finite_blanks_nothing_else() {
    let found = normalized(&[f32::NAN, 1.0, 2.0, f32::INFINITY], Normalization::PerLayer);
    assert!(found[0].is_nan() && found[3].is_infinite());
    assert_eq!(found[1..3], [0.0, 1.0]);
}

#[test]
fn bytes_are_rounded_as_save_image_does() {
    let cases =
        [(0.0, 0), (0.5, 128), (1.0, 255), (-0.1, 0), (1.2, 255), (0.001, 0), (0.002, 1), (f32::NAN, 0)];
    for (value, byte) in cases {
        assert_eq!(to_byte(value), byte, "{value}");
    }
}

#[test]
fn the_sign_of_a_weight_is_its_colour() {
    let mut kernel = vec![0.0; 4 * 2 * 9];
    (kernel[4], kernel[9 * 5 + 4]) = (0.5, -0.5);
    let image = draw_filters(&kernel, [4, 2, 3, 3]).unwrap();
    let (red, blue) = (squares(&image, signed(1.0)), squares(&image, signed(-1.0)));
    assert_eq!((red.len(), blue.len()), (1, 1), "{red:?} {blue:?}");
    assert!(red[0].2 >= 8, "at least 8 pixels a weight: {red:?}");
    // Output 0, input 0, against output 2, input 1.
    assert!(blue[0].0 > red[0].0);

    let negated: Vec<f32> = kernel.iter().map(|w| -w).collect();
    let mirrored = draw_filters(&negated, [4, 2, 3, 3]).unwrap();
    assert_eq!((squares(&mirrored, signed(1.0)), squares(&mirrored, signed(-1.0))), (blue, red));
}

#[test]
fn half_the_largest_weight_is_halfway_to_the_end() {
    let mut kernel = vec![0.0; 16 * 25];
    (kernel[12], kernel[25 + 12]) = (-2.0, 1.0);
    let image = draw_filters(&kernel, [16, 1, 5, 5]).unwrap();
    assert_eq!(squares(&image, signed(0.5)).len(), 1);
    assert_eq!(squares(&image, signed(-1.0)).len(), 1);
}

#[test]
fn colour_kernels_are_drawn_around_mid_grey() {
    let mut kernel = vec![0.0; 2 * 3 * 49];
    kernel[24] = 0.3; // red, centre of the first filter
    kernel[3 * 49 + 2 * 49 + 24] = -0.3; // blue, centre of the second
    let image = draw_filters(&kernel, [2, 3, 7, 7]).unwrap();
    assert_eq!(squares(&image, [255, 128, 128]).len(), 1);
    assert_eq!(squares(&image, [128, 128, 0]).len(), 1);

    let options = FilterOptions { rgb: false, ..FilterOptions::default() };
    let image = filters(&kernel, [2, 3, 7, 7], &caption("conv1"), &options).unwrap();
    assert_eq!(squares(&image, signed(1.0)).len(), 1);
}

#[test]
fn weights_that_are_not_finite_are_loud_and_in_the_legend() {
    let kernel: Vec<f32> = (0..8 * 4 * 9).map(|i| (i as f32).sin()).collect();
    let clean = draw_filters(&kernel, [8, 4, 3, 3]).unwrap();
    assert_eq!(count(&clean, MAGENTA), 0);
    let mut broken = kernel;
    (broken[0], broken[100]) = (f32::NAN, f32::NEG_INFINITY);
    let image = draw_filters(&broken, [8, 4, 3, 3]).unwrap();
    assert_eq!(squares(&image, MAGENTA).len(), 3, "two weights and the legend's mark");
    assert!(image.height() > clean.height(), "the legend has a line more");
}

#[test]
fn constant_maps_are_crossed() {
    let shape = [2, 4, 7, 7];
    let alive: Vec<f32> = (0..2 * 4 * 49).map(|i| (i as f32).sin().abs()).collect();
    let mut dead = alive.clone();
    dead[49..98].fill(0.0);
    let (alive, dead) = (draw_maps(&alive, shape).unwrap(), draw_maps(&dead, shape).unwrap());
    assert!(dead.height() > alive.height(), "the legend has a line more");
    // Nothing of an all-dead layer is drawn blank.
    let blank = draw_maps(&vec![0.0; 2 * 4 * 49], shape).unwrap();
    let darkest = colorous::VIRIDIS.eval_continuous(0.0).as_array();
    let dark = rows(&blank).iter().filter(|row| row.iter().filter(|&&p| p == darkest).count() > 40).count();
    let crossed = rows(&blank)
        .iter()
        .filter(|row| row.windows(3).any(|w| w[0] == darkest && w[1] == [255; 3] && w[2] == darkest))
        .count();
    assert!(dark > 40 && crossed > 40, "{dark} {crossed}");
}

#[test]
fn maps_of_one_value_are_a_matrix_not_dead() {
    let maps: Vec<f32> = (0..4 * 10).map(|i| ((i * i) as f32).sin().abs()).collect();
    let moving = draw_maps(&maps, [4, 10, 1, 1]).unwrap();
    let mut stuck = maps;
    (0..4).for_each(|image| stuck[image * 10 + 3] = 0.25);
    assert!(draw_maps(&stuck, [4, 10, 1, 1]).unwrap().height() > moving.height(), "one channel is constant");
    assert!(draw_maps(&[1.0, 2.0], [1, 2, 1, 1]).unwrap().height() <= moving.height());
}

#[test]
fn maps_share_one_scale_unless_each_is_scaled_by_itself() {
    // Two maps of 7 x 7, the second ten times as strong.
    let values: Vec<f32> =
        (0..98).map(|i| if i < 49 { (i % 2) as f32 } else { 10.0 * (i % 2) as f32 }).collect();
    let yellow = colorous::VIRIDIS.eval_continuous(1.0).as_array();
    let of = |normalization| {
        let options = FeatureMapOptions { normalization, ..FeatureMapOptions::default() };
        squares(&feature_maps(&values, [1, 2, 7, 7], &caption("relu1"), &options).unwrap(), yellow).len()
    };
    let (layer, each) = (of(Normalization::PerLayer), of(Normalization::PerFilter));
    assert!(layer > 20, "{layer}");
    assert_eq!(each, 24 + 25);
    assert!(layer < each);
}

#[test]
fn large_maps_are_averaged_over_blocks() {
    // A checkerboard of 0 and 1 has the mean 1/2 everywhere.
    let side = 224;
    let maps: Vec<f32> = (0..64 * side * side).map(|i| ((i % side + i / side % side) % 2) as f32).collect();
    let options =
        FeatureMapOptions { normalization: Normalization::PerLayer, ..FeatureMapOptions::default() };
    let image = feature_maps(&maps, [1, 64, side, side], &caption("relu1"), &options).unwrap();
    let ends = [0.0, 1.0].map(|unit| count(&image, colorous::VIRIDIS.eval_continuous(unit).as_array()));
    assert!(ends[0] < 200 && ends[1] < 200, "only in the legend: {ends:?}");
}

#[test]
fn probe_images_are_shown_as_they_are() {
    let mut pixels = vec![0.25; 3 * 28 * 28];
    pixels[28 * 28..2 * 28 * 28].fill(1.0);
    let names = ["Bag", "Coat", "T-shirt/top"].map(str::to_owned);
    let image = probe_images(&pixels, [3, 1, 28, 28], &names, &caption("probe images")).unwrap();
    let side = squares(&image, [64; 3])[0].2;
    assert!(side >= 96 && side.is_multiple_of(28), "enlarged by a whole factor: {side}");
    assert_eq!(squares(&image, [255; 3]).len(), 1);

    let color: Vec<f32> = [1.0, 0.5, 0.0].iter().flat_map(|&c| vec![c; 64]).collect();
    let image = probe_images(&color, [1, 3, 8, 8], &[], &caption("probe images")).unwrap();
    assert_eq!(squares(&image, [255, 128, 0]).len(), 1);
}

#[test]
fn options_limit_and_colour() {
    let kernel: Vec<f32> = (0..8 * 4 * 9).map(|i| (i as f32).sin()).collect();
    let all = draw_filters(&kernel, [8, 4, 3, 3]).unwrap();
    let options =
        FilterOptions { max_outputs: 1, color_map: Some(ColorMap::Grey), ..FilterOptions::default() };
    let one = filters(&kernel, [8, 4, 3, 3], &caption("conv1"), &options).unwrap();
    assert_ne!(all.pixels(), one.pixels());
    assert!(one.pixels().chunks_exact(3).all(|p| p[0].abs_diff(p[2]) < 10), "grey");
}

#[test]
fn bad_input_is_refused_with_what_was_found() {
    let filter = |values: usize, shape| draw_filters(&vec![0.0; values], shape).unwrap_err().to_string();
    let message = filter(10, [8, 4, 3, 3]);
    for part in ["conv1", "10 values", "288", "[8, 4, 3, 3]", "out, in, kh, kw"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(filter(0, [0, 4, 3, 3]).contains("empty side"));
    assert!(filter(1, [usize::MAX, 2, 1, 1]).contains("larger than memory"));

    let message = draw_maps(&[0.0; 5], [1, 2, 3, 1]).unwrap_err().to_string();
    assert!(message.contains("relu1") && message.contains("N, C, H, W"), "{message}");

    let options = FeatureMapOptions { max_channels: 0, ..FeatureMapOptions::default() };
    let message = feature_maps(&[0.0], [1; 4], &caption("relu1"), &options).unwrap_err().to_string();
    assert!(message.contains("max_channels"), "{message}");

    for (lo, hi) in [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
        let options =
            FilterOptions { normalization: Normalization::Fixed { lo, hi }, ..FilterOptions::default() };
        let message = filters(&[0.0], [1; 4], &caption("conv1"), &options).unwrap_err().to_string();
        assert!(message.contains("fixed"), "{message}");
    }

    let probes = |channels: usize, labels: &[String]| {
        let pixels = vec![0.0; 2 * channels * 4];
        probe_images(&pixels, [2, channels, 2, 2], labels, &caption("probe images")).unwrap_err().to_string()
    };
    assert!(probes(2, &[]).contains("2 channels"));
    assert!(probes(1, &["one".to_owned()]).contains("1 labels found for 2 images"));

    let grid = |shape: [usize; 4], options| {
        make_grid(&vec![0.0; shape.iter().product()], shape, &options).unwrap_err().to_string()
    };
    assert!(grid([1, 2, 1, 1], GridOptions::default()).contains("2 channels"));
    assert!(grid([2, 1, 1, 1], GridOptions { columns: 0, ..GridOptions::default() }).contains("columns"));
    for padding in [1 << 20, usize::MAX] {
        let message = grid([2, 1, 1, 1], GridOptions { padding, ..GridOptions::default() });
        assert!(message.contains("pixels"), "{message}");
    }
}

#[test]
fn extreme_shapes_stay_pictures() {
    for shape in [
        [1, 1, 1, 1],
        [1, 1, 1, 3000],
        [1, 1, 3000, 1],
        [4096, 1, 1, 1],
        [1, 4096, 1, 1],
        [300, 300, 1, 1],
        [3, 3, 1, 200],
        [2, 2, 400, 400],
        [1000, 3, 2, 2],
        [1, 1, 2000, 2000],
    ] {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32).cos()).collect();
        for image in [draw_filters(&values, shape).unwrap(), draw_maps(&values, shape).unwrap()] {
            assert_size(&image);
        }
        if shape[1] == 1 || shape[1] == 3 {
            assert_size(&probe_images(&values, shape, &[], &caption("probe images")).unwrap());
        }
    }
}

#[test]
fn nothing_finite_is_still_a_picture() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for normalization in
            [Normalization::Auto, Normalization::PerFilter, Normalization::PerLayer, Normalization::Symmetric]
        {
            let options = FeatureMapOptions { normalization, ..FeatureMapOptions::default() };
            let image = feature_maps(&[value; 64], [1, 4, 4, 4], &caption("relu1"), &options).unwrap();
            assert_size(&image);
            assert!(count(&image, MAGENTA) > 64 * 9);
        }
    }
}

fn assert_size(image: &Image) {
    assert!((400..=900).contains(&image.width()), "{} x {}", image.width(), image.height());
    assert!(image.height() <= 1600, "{} x {}", image.width(), image.height());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape_and_any_name_make_a_picture_of_the_promised_size(
        shape in [1usize..40, 1usize..40, 1usize..12, 1usize..12],
        layer in any::<String>(),
        step in any::<i64>(),
        epoch in any::<Option<u64>>(),
        scale in prop_oneof![Just(0.0f32), Just(1e-30), Just(1.0), Just(1e38)],
    ) {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| scale * ((i * i) as f32).sin()).collect();
        let caption = Caption { layer: &layer, step: Step::new(step), epoch };
        assert_size(&filters(&values, shape, &caption, &FilterOptions::default()).unwrap());
        assert_size(&feature_maps(&values, shape, &caption, &FeatureMapOptions::default()).unwrap());
    }
}
