//! Models made to hurt: neither panic nor hours nor gigabytes.

#![allow(clippy::unwrap_used)]

use convscope::arch::{Conv2d, Layer, ModelBuilder, ModelSpec, Padding, ReceptiveFields, ZeroPad2d};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const MOST: i64 = i32::MAX as i64;

fn chain(size: [i64; 3], layers: impl IntoIterator<Item = Layer>) -> ModelSpec {
    let add = |model: ModelBuilder, (index, layer): (usize, Layer)| model.layer(index.to_string(), layer);
    layers.into_iter().enumerate().fold(ModelSpec::builder("chain", size), add).build().unwrap()
}

#[test]
fn numbers_that_run_over_are_an_error_that_names_the_layer() {
    let strides = chain([1, 1, 1], [Conv2d::new(1, 1).stride(MOST).into(); 4]);
    let message = strides.receptive_fields().unwrap_err().to_string();
    assert!(message.starts_with("model: layer `2`: its receptive field reaches further than"), "{message}");
    assert!(ReceptiveFields::of_any_size(&strides).is_err());
    let (fields, _) = ReceptiveFields::partial(&strides.resolve().unwrap());
    assert_eq!(
        fields.iter().map(|(name, field)| (name, field.stride())).collect::<Vec<_>>(),
        [("0", Some([MOST; 2])), ("1", Some([MOST * MOST; 2])),]
    );
    let paddings = [
        Conv2d::new(1, 1).stride(MOST).into(),
        Conv2d::new(1, 1).stride(MOST).into(),
        ZeroPad2d::new(5).into(),
    ];
    let message = chain([1, 1, 1], paddings).receptive_fields().unwrap_err().to_string();
    assert!(message.contains("layer `2`"), "{message}");
}

#[test]
fn the_largest_kernels_and_dilations() {
    let kernel = Conv2d::new(1, [MOST, 1]);
    let spec = chain([1, MOST, 1], [kernel.into()]);
    let field = spec.receptive_fields().unwrap().get("0").unwrap().clone();
    assert_eq!((field.size(), field.density()), ([MOST, 1], Some(1.0)));
    // Three taps as far apart as can be.
    let dilated = Conv2d::new(1, [3, 1]).dilation([MOST, 1]).padding([MOST, 0]);
    let spec = chain([1, MOST, 1], [dilated.into(), Layer::GlobalAvgPool]);
    let fields = spec.receptive_fields().unwrap();
    let field = fields.get("0").unwrap();
    assert_eq!((field.rows.size, field.rows.padding), (2 * MOST + 1, Some(MOST)));
    assert_eq!(field.rows.support().unwrap().collect::<Vec<_>>(), [0, MOST, 2 * MOST]);
    assert_eq!((fields.get("1").unwrap().size(), fields.get("1").unwrap().density()), ([MOST, 1], Some(1.0)));
    // As many holes as can be: the reach is exact, the pixels in it are not counted.
    let spec = chain([1, MOST, 1], [Conv2d::new(1, [MOST / 2, 1]).dilation([2, 1]).into()]);
    let field = spec.receptive_fields().unwrap().get("0").unwrap().clone();
    assert_eq!((field.rows.size, field.rows.density), (2 * (MOST / 2 - 1) + 1, None));
    assert!(field.rows.support().is_none());
}

#[test]
fn ten_thousand_layers_of_holes_take_little_memory() {
    // Just as many pieces as are held, far apart, that every layer moves and widens.
    let comb = Conv2d::new(1, [2048, 2048]).dilation(1_000_000);
    let widen = Conv2d::new(1, 2).padding(Padding::Same);
    let layers = std::iter::once(comb.into()).chain(std::iter::repeat_n(widen.into(), 10_000));
    let spec = chain([1, 2_100_000_000, 2_100_000_000], layers);
    PEAK.reset_peak_usage();
    let fields = spec.receptive_fields().unwrap();
    let peak = PEAK.peak_usage_as_mb();
    assert!(peak < 1000.0, "{peak} MB");
    let field = fields.get("10000").unwrap();
    assert_eq!(field.rows.size, 2047 * 1_000_000 + 1 + 10_000);
    assert_eq!(field.rows.density, Some(2048.0 * 10_001.0 / field.rows.size as f64));
}

#[test]
fn ten_thousand_layers_of_growing_holes() {
    let conv = Conv2d::new(1, [2, 1]).dilation([2, 1]).padding(Padding::Same);
    let spec = chain([1, 1000, 1], std::iter::repeat_n(conv.into(), 10_000));
    let fields = spec.receptive_fields().unwrap();
    assert_eq!(fields.get("9999").unwrap().size(), [20_001, 1]);
    let densities: Vec<_> = fields.iter().map(|(_, field)| field.rows.density).collect();
    assert!(densities[..2047].iter().all(Option::is_some) && densities[2047..].iter().all(Option::is_none));
}
