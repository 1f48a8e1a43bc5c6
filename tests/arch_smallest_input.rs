//! The smallest image that works, which the error of a window larger than its input names.

#![allow(clippy::unwrap_used, clippy::panic)]

use convscope::arch::{
    AdaptiveAvgPool2d, AvgPool2d, Conv2d, Layer, LayerSpec, Linear, MaxPool2d, ModelBuilder, ModelSpec,
    Padding, ZeroPad2d,
};
use proptest::prelude::*;

const SMALLEST: &str = ": the smallest input that works is ";
const NEXT: &str = ", the next one above ";

/// The sizes that the error names, if the model fails for want of another one: the smallest, and the smallest that is
/// not below the model's own, if there is one.
fn named(spec: &ModelSpec) -> Option<([i64; 3], Option<[i64; 3]>)> {
    let error = spec.validate().err()?.to_string();
    let (_, sizes) = error.split_once(SMALLEST)?;
    let size = |text: &str| -> [i64; 3] {
        let dims: Vec<i64> = text.split('x').map(|dim| dim.parse().unwrap()).collect();
        dims.try_into().unwrap()
    };
    match sizes.split_once(NEXT) {
        None => {
            let smallest = size(sizes);
            Some((smallest, (0..3).all(|axis| smallest[axis] >= spec.input[axis]).then_some(smallest)))
        }
        Some((smallest, above)) => {
            let (own, next) = above.split_once(" is ").unwrap();
            assert_eq!(size(own), spec.input);
            Some((size(smallest), Some(size(next))))
        }
    }
}

fn works(spec: &ModelSpec, input: [i64; 3]) -> bool {
    ModelSpec { input, ..spec.clone() }.validate().is_ok()
}

fn broken(builder: ModelBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn the_error_ends_with_the_smallest_input() {
    let chain = |input| {
        ModelSpec::builder("m", input)
            .layer("conv1", Conv2d::new(4, 3).stride(2))
            .layer("pool1", MaxPool2d::new(3).stride(2))
            .layer("conv2", Conv2d::new(4, 3))
            .layer("pool", Layer::GlobalAvgPool)
    };
    assert_eq!(
        broken(chain([3, 8, 224])),
        "model: layer `conv2`: field `kernel_size`: found 3x3, larger than the input 1x55. Shrink the maps less above, \
         add padding, or enlarge the image: the smallest input that works is 3x15x15, the next one above 3x8x224 is \
         3x15x224"
    );
    chain([3, 15, 15]).build().unwrap();
    // A 3-wide window over 2 columns, and then 3 rows over 1.
    let error = broken(
        ModelSpec::builder("m", [1, 4, 2])
            .layer("a", Conv2d::new(1, [1, 3]))
            .layer("b", Conv2d::new(1, [9, 1])),
    );
    assert!(error.contains("layer `a`") && error.ends_with("works is 1x9x3"), "{error}");
}

#[test]
fn where_no_image_is_large_enough_none_is_named() {
    let after_pooling = ModelSpec::builder("m", [1, 8, 8])
        .layer("pool", AdaptiveAvgPool2d::new(2))
        .layer("conv", Conv2d::new(1, 3));
    assert!(
        broken(after_pooling)
            .ends_with("larger than the input 2x2. Shrink the maps less above, or add padding")
    );
    // Two paths that never have one length: 7 rows fewer on one of them.
    let never_equal = ModelSpec::builder("m", [1, 4, 4])
        .layer("a", Conv2d::new(1, 5))
        .layer_from("b", ["input"], Conv2d::new(1, 12))
        .layer_from("add", ["a", "b"], Layer::Add);
    assert!(broken(never_equal).ends_with("or add padding"));
    // Another layer is wrong for every image.
    let not_flat =
        ModelSpec::builder("m", [1, 4, 4]).layer("a", Conv2d::new(1, 5)).layer("fc", Linear::new(1));
    assert!(broken(not_flat).ends_with("or add padding"));
}

#[test]
fn joins_can_ask_for_more_than_windows() {
    // Halved by one path with rounding down, by the other with rounding up: only even lengths agree.
    let spec = ModelSpec {
        input: [1, 4, 4],
        ..ModelSpec::builder("m", [1, 10, 10])
            .layer("down", MaxPool2d::new(2))
            .layer_from("up", ["input"], MaxPool2d::new(2).padding(Padding::Same))
            .layer_from("add", ["down", "up"], Layer::Add)
            .layer("conv", Conv2d::new(1, 3))
            .build()
            .unwrap()
    };
    assert_eq!(named(&spec), Some(([1, 6, 6], Some([1, 6, 6]))));
    let spec = ModelSpec { input: [1, 9, 10], ..spec };
    assert_eq!(named(&spec), Some(([1, 6, 6], Some([1, 10, 10]))));
}

#[test]
fn joined_maps_of_different_sizes_lead_to_sizes_that_work() {
    let net = |input, join| {
        ModelSpec::builder("u", input)
            .layer("down", MaxPool2d::new(2))
            .layer_from("same", ["input"], Conv2d::new(1, 3).stride(2).padding(Padding::Same))
            .layer_from("join", ["down", "same"], join)
    };
    let sizes = "Choose windows, strides and paddings with which their sizes agree, or another image size: the \
                 smallest input that works is 1x2x2, the next one above 1x9x9 is 1x10x10";
    assert_eq!(
        broken(net([1, 9, 9], Layer::Add)),
        format!(
            "model: layer `join`: field `inputs`: add needs equal shapes, found 1x4x4 from `down` and 1x5x5 from \
             `same`. {sizes}"
        )
    );
    assert_eq!(
        broken(net([1, 9, 9], Layer::Concat)),
        format!(
            "model: layer `join`: field `inputs`: concat needs maps of equal height and width, found 1x4x4 from \
             `down` and 1x5x5 from `same`. {sizes}"
        )
    );
    assert!(broken(net([1, 8, 9], Layer::Add)).ends_with("the next one above 1x8x9 is 1x8x10"));
    net([1, 8, 8], Layer::Add).build().unwrap();
    net([1, 2, 2], Layer::Concat).build().unwrap();
}

#[test]
fn joins_that_no_size_helps_name_none() {
    let join = |channels| {
        ModelSpec::builder("m", [1, 9, 9])
            .layer("wide", Conv2d::new(1, 3))
            .layer_from("narrow", ["input"], Conv2d::new(channels, 5))
            .layer_from("join", ["wide", "narrow"], Layer::Add)
    };
    assert!(broken(join(1)).ends_with(
        "found 1x7x7 from `wide` and 1x5x5 from `narrow`. Choose windows, strides and paddings with which \
             their sizes agree"
    ));
    assert!(
        broken(join(2)).ends_with("found 1x7x7 from `wide` and 2x5x5 from `narrow`"),
        "channels differ, too"
    );
}

#[test]
fn hostile_sizes_are_found_without_a_look_at_each() {
    let most = i64::from(i32::MAX);
    let mut builder = ModelSpec::builder("m", [1, 1, 1]);
    for layer in 0..5_000 {
        builder = builder.layer(format!("conv{layer}"), Conv2d::new(1, 3).dilation(100_000));
    }
    assert!(broken(builder).ends_with("works is 1x1000000001x1000000001"));
    let huge = ModelSpec::builder("m", [1, 1, 1]).layer("a", Conv2d::new(1, most));
    assert!(broken(huge).ends_with("works is 1x2147483647x2147483647"));
    let too_huge = ModelSpec::builder("m", [1, 1, 1]).layer("a", Conv2d::new(1, most).dilation(most));
    assert!(broken(too_huge).ends_with("or add padding"));
}

/// One layer of a random model: what it is, and how far above its inputs lie.
fn any_layer() -> impl Strategy<Value = (Layer, usize, usize)> {
    let pair = |most: i64| prop::array::uniform2(1..=most);
    let padding =
        || prop_oneof![Just(Padding::Same), prop::array::uniform4(0..2_i64).prop_map(Padding::from)];
    let layer = prop_oneof![
        4 => (pair(4), pair(3), pair(2), padding()).prop_map(|(kernel, stride, dilation, padding)| {
            Conv2d::new(2, kernel).stride(stride).dilation(dilation).padding(padding).into()
        }),
        2 => (pair(3), pair(3)).prop_map(|(kernel, stride)| MaxPool2d::new(kernel).stride(stride).into()),
        1 => pair(3).prop_map(|kernel| AvgPool2d::new(kernel).padding(Padding::Same).into()),
        1 => prop::array::uniform4(0..3_i64).prop_map(|sides| ZeroPad2d::new(sides).into()),
        1 => Just(Layer::Relu),
        2 => Just(Layer::Add),
        1 => Just(Layer::Concat),
    ];
    (layer, 0..4_usize, 0..4_usize)
}

/// A model in which every layer is read: what nothing reads is joined at the end.
fn any_model() -> impl Strategy<Value = ModelSpec> {
    prop::collection::vec(any_layer(), 1..7).prop_map(|layers| {
        let mut spec = ModelSpec::builder("m", [2, 1, 1]).layer("l0", Layer::Identity).build().unwrap();
        let mut push = |name: String, inputs: Vec<String>, layer: Layer| {
            spec.layers.push(LayerSpec { name, inputs, layer });
        };
        let mut unread = vec![true];
        for (index, (layer, one, other)) in layers.into_iter().enumerate() {
            let places = [one, other].map(|above| index.saturating_sub(above));
            let places = &places[..if layer.joins() { 2 } else { 1 }];
            places.iter().for_each(|place| unread[*place] = false);
            let inputs = places.iter().map(|place| format!("l{place}")).collect();
            push(format!("l{}", index + 1), inputs, layer);
            unread.push(true);
        }
        let heads: Vec<usize> = (0..unread.len()).filter(|layer| unread[*layer]).collect();
        if heads.len() > 1 {
            // Each as a vector, so that their sizes need not agree.
            for head in &heads {
                push(format!("l{head}.pool"), vec![format!("l{head}")], Layer::GlobalAvgPool);
            }
            push("out".to_owned(), heads.iter().map(|head| format!("l{head}.pool")).collect(), Layer::Concat);
        }
        spec
    })
}

/// Sizes that random models are tried at, which need less.
const SIDES: std::ops::RangeInclusive<i64> = 1..=40;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_smaller_size_works(spec in any_model(), height in 1..6_i64, width in 1..6_i64) {
        let spec = ModelSpec { input: [2, height, width], ..spec };
        let Some(error) = spec.validate().err().map(|error| error.to_string()) else { return Ok(()) };
        let sizes = SIDES.flat_map(|height| SIDES.map(move |width| [2, height, width]));
        let working: Vec<[i64; 3]> = sizes.filter(|input| works(&spec, *input)).collect();
        match named(&spec) {
            Some((smallest, next)) => {
                let not_below: Vec<[i64; 3]> = working
                    .iter()
                    .copied()
                    .filter(|input| input[1] >= height && input[2] >= width)
                    .collect();
                let least = |inputs: &[[i64; 3]], axis: usize| inputs.iter().map(|input| input[axis]).min();
                prop_assert!(works(&spec, smallest));
                for axis in [1, 2] {
                    prop_assert_eq!(least(&working, axis), Some(smallest[axis]), "{:?}", &spec);
                    prop_assert_eq!(least(&not_below, axis), next.map(|next| next[axis]), "{:?}", &spec);
                }
            }
            None => prop_assert!(working.is_empty(), "{}: {:?} works at {:?}", error, spec, working[0]),
        }
    }
}
