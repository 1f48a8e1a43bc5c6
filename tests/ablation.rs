//! Channel ablation against a slow twin, and what it says of channels that nothing needs.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Network,
    arch::{Conv2d, Layer, Linear, ModelSpec},
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{ChannelAblation, Classifier, Evidence},
};
use tch::{Device, Tensor};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f32() - 0.5).collect()
}

/// 1x1 convolutions of four channels and a linear layer on their means; channel 3 goes nowhere.
fn model() -> (ModelSpec, Vec<(String, Tensor)>) {
    let spec = ModelSpec::builder("means", [2, 3, 3])
        .layer("conv", Conv2d::new(4, 1).bias(false))
        .layer("relu", Layer::Relu)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(3).bias(false))
        .build()
        .unwrap();
    let mut head = numbers(12, 2);
    for class in 0..3 {
        head[4 * class + 3] = 0.0;
    }
    let variables = vec![
        ("conv.weight".to_owned(), Tensor::from_slice(&numbers(8, 1)).reshape([4, 2, 1, 1])),
        ("fc.weight".to_owned(), Tensor::from_slice(&head).reshape([3, 4]) * 20.0),
    ];
    (spec, variables)
}

fn data(count: usize) -> (Dataset, Vec<f32>, Vec<i64>) {
    let pixels = numbers(count * 18, 5);
    let labels: Vec<i64> = (0..count as i64).map(|image| image % 3).collect();
    let images = Tensor::from_slice(&pixels).reshape([-1, 2, 3, 3]);
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    (Dataset::new(&images, &Tensor::from_slice(&labels), classes).unwrap(), pixels, labels)
}

/// The loss of one image without a channel, in loops.
fn slow_loss(conv: &[f32], head: &[f32], image: &[f32], label: usize, without: Option<usize>) -> f64 {
    let mean = |channel: usize| -> f64 {
        let value = |pixel: usize| {
            let of =
                |input: usize| f64::from(conv[2 * channel + input]) * f64::from(image[9 * input + pixel]);
            (of(0) + of(1)).max(0.0)
        };
        if without == Some(channel) { 0.0 } else { (0..9).map(value).sum::<f64>() / 9.0 }
    };
    let logit = |class: usize| {
        (0..4).map(|channel| f64::from(head[4 * class + channel]) * mean(channel)).sum::<f64>()
    };
    let logits = [logit(0), logit(1), logit(2)];
    logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[label]
}

#[test]
fn changes_and_intervals_are_those_of_a_slow_twin() {
    let (spec, variables) = model();
    let network = Network::with_variables(&spec, &variables).unwrap();
    let (data, pixels, labels) = data(30);
    let normalization = Normalization::identity(2);
    let evidence = Evidence { images: &data, normalization: &normalization };
    let values = |name: &str| -> Vec<f32> {
        Vec::try_from(&variables.iter().find(|(known, _)| known == name).unwrap().1.reshape([-1])).unwrap()
    };
    let (conv, head) = (values("conv.weight"), values("fc.weight"));
    let change = |image: usize, channel: usize| {
        let loss =
            |without| slow_loss(&conv, &head, &pixels[18 * image..][..18], labels[image] as usize, without);
        loss(Some(channel)) - loss(None)
    };
    // In pieces of few images, and in one.
    for memory in [1 << 10, 1 << 28] {
        let classifier = Classifier::of_network(&network).memory(memory);
        for layer in ["conv", "relu", "pool"] {
            let found = ChannelAblation::new().ablate(&classifier, &evidence, layer, Device::Cpu).unwrap();
            assert_eq!((found.channels, found.effects.len()), (4, 4));
            assert!(found.effects.is_sorted_by(|a, b| a.loss_change >= b.loss_change), "ranked");
            for effect in &found.effects {
                let changes: Vec<f64> = (0..30).map(|image| change(image, effect.channel)).collect();
                let mean = changes.iter().sum::<f64>() / 30.0;
                let variance = changes.iter().map(|change| (change - mean).powi(2)).sum::<f64>() / 29.0;
                let half = 1.96 * (variance / 30.0).sqrt();
                assert!((effect.loss_change - mean).abs() < 1e-5, "{layer} {effect:?}: {mean}");
                assert!((effect.interval - half).abs() < 1e-5, "{layer} {effect:?}: {half}");
            }
            let unused = found.effects.iter().find(|effect| effect.channel == 3).unwrap();
            assert_eq!((unused.loss_change, unused.interval, unused.changed_answers), (0.0, 0.0, 0.0));
            assert!(unused.is_without_effect(0.01));
            assert!(found.without_effect(0.01) >= 0.25 && found.without_effect(0.01) < 1.0);
        }
    }
    assert!(!network.tap().is_armed(), "no edit is left behind");
}

#[test]
fn caps_are_kept_and_said() {
    let (spec, variables) = model();
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let (data, ..) = data(30);
    let normalization = Normalization::identity(2);
    let evidence = Evidence { images: &data, normalization: &normalization };
    let ablation = ChannelAblation::new().images(6).channels(2);
    let before = classifier.passed();
    let found = ablation.ablate(&classifier, &evidence, "relu", Device::Cpu).unwrap();
    let mut channels: Vec<usize> = found.effects.iter().map(|effect| effect.channel).collect();
    channels.sort_unstable();
    assert_eq!(
        (found.channels, channels),
        (4, vec![0, 3]),
        "evenly spread, the first and the last among them"
    );
    assert!(
        classifier.passed() - before <= 1 + 6 * (1 + 2),
        "images times one and two channels, and one to look"
    );
    let single =
        ChannelAblation::new().images(1).ablate(&classifier, &evidence, "relu", Device::Cpu).unwrap();
    assert!(
        single.effects.iter().all(|effect| effect.interval.is_infinite()),
        "one image tells nothing of others"
    );
    assert_eq!(single.without_effect(0.01), 0.0);
}

#[test]
fn layers_that_cannot_be_changed_are_refused() {
    let tap = Tap::new();
    let forward = |images: &Tensor| {
        let features = images.flatten(1, -1);
        tap.observe("seen", Role::Relu, &features);
        Ok(features)
    };
    let classifier = Classifier::new(forward).tap(&tap);
    let (data, ..) = data(3);
    let normalization = Normalization::identity(2);
    let evidence = Evidence { images: &data, normalization: &normalization };
    let refused = |layer: &str| {
        ChannelAblation::new().ablate(&classifier, &evidence, layer, Device::Cpu).unwrap_err().to_string()
    };
    assert!(refused("seen").contains("layer `seen`: the tap only observes it"), "{}", refused("seen"));
    assert!(refused("other").contains("layer `other`: its output is not observed"), "{}", refused("other"));
}

#[test]
fn images_are_normalised_once_where_they_fit() {
    let tap = Tap::new();
    // Kept alive, so that no two of them have the same address by chance.
    let seen = std::cell::RefCell::new(Vec::new());
    let classifier = || {
        seen.borrow_mut().clear();
        Classifier::new(|images: &Tensor| {
            seen.borrow_mut().push(images.shallow_clone());
            let maps = tap.pass("relu", Role::Relu, images.relu());
            let head = Tensor::from_slice(&[1.0f32, 0.0, 2.0, 0.0, 1.0, -1.0]).reshape([2, 3]);
            Ok(maps.mean_dim([2i64, 3].as_slice(), false, None).matmul(&head))
        })
        .tap(&tap)
    };
    let distinct = || {
        let mut places: Vec<usize> = seen.borrow().iter().map(|images| images.data_ptr() as usize).collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    };
    let (data, ..) = data(30);
    let normalization = Normalization::of(&data).unwrap();
    let evidence = Evidence { images: &data, normalization: &normalization };
    let ablate = |classifier: &Classifier<'_>| {
        ChannelAblation::new().ablate(classifier, &evidence, "relu", Device::Cpu).unwrap()
    };
    let plenty = ablate(&classifier());
    assert_eq!(distinct(), 2, "the image that is looked at first, and all images for three runs");
    // 30 images of 72 bytes are more than a quarter of this memory; one image at a time.
    let small = ablate(&classifier().memory(144));
    assert_eq!(distinct(), 1 + 30 * 3, "made anew for every run");
    for (plenty, small) in plenty.effects.iter().zip(&small.effects) {
        assert!((plenty.loss_change - small.loss_change).abs() < 1e-6, "{plenty:?} {small:?}");
    }
}
