//! Floor 6: data sets, normalisation, batches. Reading of files is in `data_idx.rs`.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::data::{self, Batch, Batches, Dataset, Normalization, Split, epoch_seed};
use tch::{Device, Kind, Tensor};

/// `labels.len()` images of 2 channels, 1 x 2. All four bytes of image `i` are different from those of others.
fn dataset(labels: &[i64], classes: usize) -> Dataset {
    let bytes: Vec<u8> = (0..labels.len() * 4).map(|value| u8::try_from(value).unwrap()).collect();
    let images = Tensor::from_slice(&bytes).view([-1, 2, 1, 2]);
    Dataset::new(&images, &Tensor::from_slice(labels), names(classes)).unwrap()
}

fn names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class {class}")).collect()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.flatten(0, -1)).unwrap()
}

#[test]
fn the_bundled_data_is_balanced_and_complete() {
    let Split { train, validation } = data::bundled().unwrap();
    assert_eq!((train.len(), validation.len()), (6000, 1000));
    assert_eq!(train.class_counts(), [600; 10]);
    assert_eq!(validation.class_counts(), [100; 10]);
    assert_eq!(validation.image_shape(), [1, 28, 28]);
    assert_eq!(train.images().size(), [6000, 1, 28, 28]);
    assert_eq!(train.classes(), validation.classes());
    assert_eq!(train.classes()[..3], ["T-shirt/top", "Trouser", "Pullover"]);
}

#[test]
fn the_names_of_the_bundled_classes_fit_the_images() {
    // Trousers are narrow and high, sneakers are low: their mean images must say so.
    let train = data::bundled().unwrap().train;
    let pixels = train.pixels().unwrap();
    let mean_of = |name: &str| {
        let class = train.classes().iter().position(|class| class == name).unwrap();
        let of_class: Vec<i64> =
            (0..).zip(train.labels()).filter(|&(_, &label)| label == class as i64).map(|(i, _)| i).collect();
        pixels.index_select(0, &Tensor::from_slice(&of_class)).mean_dim(0, false, Kind::Float).squeeze()
    };
    let inside = |image: &Tensor, dim| {
        let profile = values(&image.mean_dim(dim, false, Kind::Float));
        profile.into_iter().filter(|&mean| mean > 0.1).count()
    };
    let (trouser, sneaker) = (mean_of("Trouser"), mean_of("Sneaker"));
    let (trouser_width, trouser_height) = (inside(&trouser, 0), inside(&trouser, 1));
    let (sneaker_width, sneaker_height) = (inside(&sneaker, 0), inside(&sneaker, 1));
    assert!(trouser_height > trouser_width + 8, "{trouser_width} x {trouser_height}");
    assert!(sneaker_width > sneaker_height + 8, "{sneaker_width} x {sneaker_height}");
}

#[test]
fn bad_data_is_refused() {
    let bytes = |size: &[i64]| Tensor::zeros(size, (Kind::Uint8, Device::Cpu));
    let good = || bytes(&[2, 1, 3, 3]);
    let labels = |labels: &[i64]| Tensor::from_slice(labels);
    let nan = Tensor::full([2, 1, 1, 1], f64::NAN, (Kind::Float, Device::Cpu));
    let cases: Vec<(Tensor, Tensor, &str)> = vec![
        (bytes(&[2, 3, 3]), labels(&[0, 1]), "shape [2, 3, 3] found"),
        (bytes(&[0, 1, 3, 3]), labels(&[]), "shape [0, 1, 3, 3] found"),
        (bytes(&[2, 1, 0, 3]), labels(&[0, 1]), "shape [2, 1, 0, 3] found"),
        (good().to_kind(Kind::Int64), labels(&[0, 1]), "Int64 found"),
        (nan, labels(&[0, 1]), "NaN"),
        (Tensor::new(), labels(&[0, 1]), "undefined"),
        (good(), labels(&[0]), "1 labels found for 2 images"),
        (good(), labels(&[0, 1]).view([2, 1]), "[2, 1] found"),
        (good(), labels(&[0, 1]).to_kind(Kind::Float), "Float"),
        (good(), labels(&[0, 2]), "label 2 of image 1 found; 2 classes allow 0 to 1"),
        (good(), labels(&[-1, 1]), "label -1 of image 0 found"),
        (good(), Tensor::new(), "undefined"),
    ];
    for (images, labels, expected) in cases {
        let error = Dataset::new(&images, &labels, names(2)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should contain {expected:?}");
    }
    assert!(Dataset::new(&good(), &labels(&[0, 0]), vec![]).is_err());
}

#[test]
fn both_halves_of_a_split_belong_together() {
    let train = || dataset(&[0, 1], 2);
    let error = Split::new(train(), dataset(&[0, 1], 3)).unwrap_err().to_string();
    assert!(error.contains("class 0, class 1, class 2 found"), "{error}");
    let images = Tensor::zeros([1, 2, 1, 3], (Kind::Uint8, Device::Cpu));
    let other = Dataset::new(&images, &Tensor::from_slice(&[0i64]), names(2)).unwrap();
    let error = Split::new(train(), other).unwrap_err().to_string();
    assert!(error.contains("[2, 1, 3] found") && error.contains("[2, 1, 2]"), "{error}");
    assert!(Split::new(train(), train()).is_ok());
}

#[test]
fn pixels_are_scaled() {
    let data = dataset(&[0, 1], 2);
    let expected: Vec<f64> = (0..8).map(|byte| f64::from(byte as f32 / 255.0)).collect();
    assert_eq!(values(&data.pixels().unwrap()), expected);
    let floats = data.pixels().unwrap().to_kind(Kind::Double);
    let data = Dataset::new(&floats, &Tensor::from_slice(&[0i64, 1]), names(2)).unwrap();
    assert_eq!(data.pixels().unwrap().kind(), Kind::Float);
    assert_eq!(values(&data.pixels().unwrap()), expected);
}

#[test]
fn the_probe_batch_shows_every_class_first() {
    let data = dataset(&[2, 2, 0, 2, 0, 1], 4);
    let first_bytes = |data: &Dataset| -> Vec<f64> {
        values(data.images()).chunks(4).map(|image| image[0] / 4.0).collect()
    };
    for (count, expected) in
        [(2, vec![2.0, 5.0]), (3, vec![2.0, 5.0, 0.0]), (5, vec![2.0, 5.0, 0.0, 4.0, 1.0])]
    {
        assert_eq!(first_bytes(&data.probe(count).unwrap()), expected);
    }
    let all = data.probe(100).unwrap();
    assert_eq!(first_bytes(&all), [2.0, 5.0, 0.0, 4.0, 1.0, 3.0]);
    assert_eq!(all.labels(), [0, 1, 2, 0, 2, 2]);
    assert_eq!(all.label_names()[..3], ["class 0", "class 1", "class 2"]);
    assert_eq!(all.classes(), data.classes());
    assert!(data.probe(0).is_err());
    assert!(data.subset(&[6]).unwrap_err().to_string().contains("image 6 asked for; there are 6 images"));
}

#[test]
fn normalization_agrees_with_a_loop() {
    let train = data::bundled().unwrap().train;
    let bytes: Vec<u8> = Vec::try_from(&train.images().flatten(0, -1)).unwrap();
    // In integers, so that the loop makes no rounding error of its own.
    let count = bytes.len() as f64;
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    let squares: u64 = bytes.iter().map(|&byte| u64::from(byte).pow(2)).sum();
    let mean = sum as f64 / count / 255.0;
    let variance = squares as f64 / count / 255.0f64.powi(2) - mean * mean;
    let found = Normalization::of(&train).unwrap();
    assert!((found.mean[0] - mean).abs() < 1e-12, "{found:?} {mean}");
    assert!((found.std[0] - variance.sqrt()).abs() < 1e-12, "{found:?} {variance}");

    let normalised = found.apply(train.images(), Device::Cpu).unwrap().to_kind(Kind::Double);
    assert!(normalised.mean(Kind::Double).double_value(&[]).abs() < 1e-5);
    assert!((normalised.std(false).double_value(&[]) - 1.0).abs() < 1e-5);
}

#[test]
fn normalization_is_per_channel() {
    // Channel 0 holds 0, 1 and 4, 5; channel 1 holds 2, 3 and 6, 7.
    let data = dataset(&[0, 0], 1);
    let found = Normalization::of(&data).unwrap();
    let std = (17.0f64 / 4.0).sqrt() / 255.0;
    for (found, expected) in [(found.mean[0], 2.5 / 255.0), (found.mean[1], 4.5 / 255.0), (found.std[0], std)]
    {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
    assert!((found.std[0] - found.std[1]).abs() < 1e-12);

    let error =
        found.apply(&Tensor::zeros([1, 3, 1, 2], (Kind::Uint8, Device::Cpu)), Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("[N, 2, H, W]"), "{error}");
    let bad = Normalization { mean: vec![0.0], std: vec![0.0] };
    assert!(bad.apply(data.images(), Device::Cpu).unwrap_err().to_string().contains("std above 0"));
}

#[test]
fn a_normalization_that_would_spoil_pixels_is_refused() {
    let images = Tensor::zeros([1, 1, 1, 2], (Kind::Uint8, Device::Cpu));
    // In f32, 1e-50 is 0 and 1e50 infinite.
    for (mean, std) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (1e50, 1.0),
        (0.0, f64::NAN),
        (0.0, f64::INFINITY),
        (0.0, 1e50),
        (0.0, 1e-50),
        (0.0, -1.0),
    ] {
        let bad = Normalization { mean: vec![mean], std: vec![std] };
        let error = bad.apply(&images, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("one finite f32 for each channel"), "{mean} {std}: {error}");
    }
}

#[test]
fn a_channel_of_equal_pixels_becomes_zero() {
    // The mean of most greys is not exact in binary, whatever the number of pixels.
    for (grey, side) in [(7, 2), (77, 28), (251, 28), (77, 5), (1, 13)] {
        let images = Tensor::full([30, 1, side, side], grey, (Kind::Uint8, Device::Cpu));
        let data = Dataset::new(&images, &Tensor::from_slice(&[0i64; 30]), names(1)).unwrap();
        let found = Normalization::of(&data).unwrap();
        assert_eq!(found.std, [1.0], "{grey}");
        let largest = found.apply(&images, Device::Cpu).unwrap().abs().max().double_value(&[]);
        assert!(largest < 1e-6, "{grey}: {largest}");
    }
}

#[test]
fn one_pixel_that_differs_is_no_constant_channel() {
    let images = Tensor::full([300, 1, 28, 28], 251, (Kind::Uint8, Device::Cpu));
    let _ = images.get(0).flatten(0, -1).get(0).fill_(252);
    let data = Dataset::new(&images, &Tensor::from_slice(&[0i64; 300]), names(1)).unwrap();
    let pixels: f64 = 300.0 * 28.0 * 28.0;
    let expected = (1.0 / pixels * (1.0 - 1.0 / pixels)).sqrt() / 255.0;
    let found = Normalization::of(&data).unwrap().std[0];
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
}

#[test]
fn batches_bring_every_image_once() {
    let labels: Vec<i64> = (0..10).map(|i| i % 3).collect();
    let data = dataset(&labels, 3);
    let identity = Normalization::identity(2);
    let batches = |size| Batches::new(&data, size, Device::Cpu, &identity).unwrap();
    for (size, expected) in [(4, vec![4, 4, 2]), (5, vec![5, 5]), (1, vec![1; 10]), (64, vec![10])] {
        for batches in [batches(size), batches(size).shuffled(3)] {
            assert_eq!(batches.len(), expected.len());
            let order = batches.order().to_vec();
            let all: Vec<Batch> = batches.collect::<Result<_, _>>().unwrap();
            assert_eq!(all.iter().map(|batch| batch.images.size()[0]).collect::<Vec<_>>(), expected);
            // Image and label stay together.
            let images = Tensor::cat(&all.iter().map(|batch| &batch.images).collect::<Vec<_>>(), 0);
            let labels: Vec<i64> =
                all.iter().flat_map(|batch| Vec::<i64>::try_from(&batch.labels).unwrap()).collect();
            let came: Vec<usize> =
                values(&images).chunks(4).map(|image| (image[0] * 255.0 / 4.0).round() as usize).collect();
            assert_eq!(came, order);
            assert_eq!(labels, came.iter().map(|&i| (i % 3) as i64).collect::<Vec<_>>());
            let mut sorted = came;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
    }
    let first = batches(4).next().unwrap().unwrap();
    assert_eq!((first.images.kind(), first.labels.kind()), (Kind::Float, Kind::Int64));
    assert!(!first.images.requires_grad());
}

#[test]
fn batches_are_normalised() {
    let data = dataset(&[0, 0], 1);
    let normalization = Normalization { mean: vec![0.5, 0.25], std: vec![2.0, 0.5] };
    let batch = Batches::new(&data, 2, Device::Cpu, &normalization).unwrap().next().unwrap().unwrap();
    for (index, found) in values(&batch.images).into_iter().enumerate() {
        let (mean, std) = if index / 2 % 2 == 0 { (0.5, 2.0) } else { (0.25, 0.5) };
        let expected = (index as f64 / 255.0 - mean) / std;
        assert!((found - expected).abs() < 1e-6, "{index}: {found} {expected}");
    }
}

#[test]
fn the_order_depends_on_the_seed_alone() {
    let data = dataset(&[0; 60], 1);
    let identity = Normalization::identity(2);
    let order = |seed| {
        tch::manual_seed(seed as i64 + 1); // libtorch's generator has no part in it
        Batches::new(&data, 4, Device::Cpu, &identity).unwrap().shuffled(seed).order().to_vec()
    };
    assert_eq!(order(5), order(5));
    assert_ne!(order(5), order(6));
    let seeds: std::collections::BTreeSet<u64> =
        (0..20).flat_map(|seed| (0..20).map(move |epoch| epoch_seed(seed, epoch))).collect();
    assert_eq!(seeds.len(), 400, "no two epochs of close seeds share an order");
}

#[test]
fn batches_refuse_what_cannot_work() {
    let data = dataset(&[0], 1);
    let new = |size, channels| {
        Batches::new(&data, size, Device::Cpu, &Normalization::identity(channels))
            .map(|batches| batches.len())
    };
    assert!(new(0, 2).unwrap_err().to_string().contains("batch size"));
    assert!(new(1, 3).unwrap_err().to_string().contains("[N, 3, H, W]"));
    assert_eq!(new(1, 2).unwrap(), 1);
}
