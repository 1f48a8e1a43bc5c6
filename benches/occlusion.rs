//! What coarse-to-fine occlusion costs, and how near its maps are to the dense ones: patch 8, stride 1 on images of 224 px.
//!
//! `cargo bench --bench occlusion`, and `-- --images N` for other than 4 images
//!
//! A small CNN learns the bundled images in two forms: enlarged eight times, where the map is smooth; and as scenes, the
//! thing at twice its size somewhere among pieces of others, where little of the picture matters. Of each form the maps of
//! validation images are made densely and with 5, 10 and 15 % of the forward passes, and compared pixel by pixel:
//! correlation (Pearson) and rank correlation (Spearman), the mean and the worst image's.

use std::{env, time::Instant};

use convscope::{
    ModelSpec, Network,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, Padding},
    data::{self, Dataset},
    explain::{Classifier, Occlusion, OcclusionMap},
};
use tch::{Device, Kind, Tensor, nn, nn::OptimizerConfig as _};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const SIDE: i64 = 224;
const TRAINING_IMAGES: usize = 3000;
const EPOCHS: usize = 4;
const BATCH: usize = 25;

/// How a bundled image becomes one of 224 px.
#[derive(Debug, Clone, Copy)]
enum Form {
    Enlarged,
    Scene,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let images = arguments.iter().skip_while(|argument| *argument != "--images").nth(1);
    let images: usize = images.map_or(Ok(4), |count| count.parse())?;
    println!("patch 8x8, stride 1x1, {SIDE} px, {images} images each");
    for form in [Form::Enlarged, Form::Scene] {
        compare(form, images)?;
    }
    Ok(())
}

fn compare(form: Form, images: usize) -> Result<()> {
    let split = data::bundled()?;
    let store = nn::VarStore::new(Device::cuda_if_available());
    tch::manual_seed(0);
    let network = Network::new(&store.root(), &spec()?)?;
    train(&store, &network, &split.train, form)?;
    let pixels = split.validation.pixels()?;
    let drawn = Tensor::stack(
        &(0..200).map(|place| picture(&pixels, place, form, place as u64)).collect::<Vec<_>>(),
        0,
    )
    .to_device(store.device());
    let classifier = Classifier::of_network(&network);
    let right = classifier.predict(&drawn)?;
    let right: Vec<i64> =
        (0..200).filter(|i| right[*i as usize].class == split.validation.labels()[*i as usize]).collect();
    println!("\n{form:?}: {} of 200 validation images are answered rightly", right.len());

    let method = Occlusion::new().patch([8, 8]).stride([1, 1]);
    let image = |place: i64| drawn.narrow(0, place, 1);
    let places = &right[..images.min(right.len())];
    let start = Instant::now();
    let dense = places
        .iter()
        .map(|place| method.map_of_prediction(&classifier, &image(*place)))
        .collect::<Result<Vec<_>, _>>()?;
    println!(
        "dense: {} forwards, {:.1} s an image",
        dense[0].forwards(),
        start.elapsed().as_secs_f64() / images as f64
    );
    for share in [0.05, 0.10, 0.15] {
        let start = Instant::now();
        let fine = method.clone().coarse_to_fine_within(share);
        let maps = places
            .iter()
            .map(|place| fine.map_of_prediction(&classifier, &image(*place)))
            .collect::<Result<Vec<_>, _>>()?;
        let seconds = start.elapsed().as_secs_f64() / images as f64;
        report(share, &maps, &dense, seconds);
    }
    Ok(())
}

fn report(share: f64, maps: &[OcclusionMap], dense: &[OcclusionMap], seconds: f64) {
    let both = |how: fn(&[f32], &[f32]) -> f64| -> (f64, f64) {
        let all: Vec<f64> =
            maps.iter().zip(dense).map(|(map, dense)| how(&map.delta_map(), &dense.delta_map())).collect();
        (all.iter().sum::<f64>() / all.len() as f64, all.iter().copied().fold(1.0, f64::min))
    };
    let (pearson, spearman) = (both(correlation), both(rank_correlation));
    let found =
        maps.iter().zip(dense).filter(|(map, dense)| map.most_important() == dense.most_important()).count();
    println!(
        "{:>3.0} %: {} forwards ({:.1} %), {seconds:.1} s; correlation {:.4} (worst {:.4}), of ranks {:.4} (worst {:.4}); \
         the most important patch found in {found} of {}",
        100.0 * share,
        maps[0].forwards(),
        100.0 * maps[0].forwards() as f64 / dense[0].forwards() as f64,
        pearson.0,
        pearson.1,
        spearman.0,
        spearman.1,
        maps.len(),
    );
}

fn spec() -> Result<ModelSpec> {
    let conv = |channels, kernel, stride| {
        Conv2d::new(channels, kernel).stride(stride).padding(Padding::Same).bias(false)
    };
    let mut model = ModelSpec::builder("occluded", [1, SIDE, SIDE]);
    for (number, (channels, kernel, stride)) in [(16, 7, 4), (32, 3, 1), (32, 3, 1)].into_iter().enumerate() {
        model = model
            .layer(format!("conv{number}"), conv(channels, kernel, stride))
            .layer(format!("bn{number}"), BatchNorm2d::new())
            .layer(format!("relu{number}"), Layer::Relu)
            .layer(format!("pool{number}"), MaxPool2d::new(2));
    }
    Ok(model.layer("mean", Layer::GlobalAvgPool).layer("fc", Linear::new(10)).build()?)
}

fn train(store: &nn::VarStore, network: &Network, data: &Dataset, form: Form) -> Result<()> {
    let mut optimizer = nn::Adam::default().build(store, 3e-3)?;
    let pixels = data.pixels()?;
    let mut random = fastrand::Rng::with_seed(0);
    for epoch in 0..EPOCHS {
        let mut order: Vec<i64> = (0..TRAINING_IMAGES as i64).collect();
        random.shuffle(&mut order);
        for places in order.chunks(BATCH) {
            let seed = |place: i64| (1 + epoch as u64) * 1_000_000 + place as u64;
            let images: Vec<Tensor> =
                places.iter().map(|place| picture(&pixels, *place, form, seed(*place))).collect();
            let labels: Vec<i64> = places.iter().map(|place| data.labels()[*place as usize]).collect();
            let logits = network.f_forward_t(&Tensor::stack(&images, 0).to_device(store.device()), true)?;
            let labels = Tensor::from_slice(&labels).to_device(store.device());
            optimizer.backward_step(&logits.cross_entropy_for_logits(&labels));
        }
    }
    Ok(())
}

/// `[1, 224, 224]` of the image at a place, brightness around 0.
fn picture(pixels: &Tensor, place: i64, form: Form, seed: u64) -> Tensor {
    let large = |place: i64, side: i64| {
        pixels.narrow(0, place, 1).upsample_bilinear2d([side, side], false, None, None).squeeze_dim(0)
    };
    let shown = match form {
        Form::Enlarged => large(place, SIDE),
        Form::Scene => {
            // Pieces of 14 px of other images, enlarged twice, at half their brightness; the thing lies over them.
            let mut random = fastrand::Rng::with_seed(seed);
            let scene = Tensor::zeros([1, SIDE, SIDE], (Kind::Float, Device::Cpu));
            for row in (0..SIDE).step_by(28) {
                for column in (0..SIDE).step_by(28) {
                    let other = large(random.i64(0..pixels.size()[0]), 56);
                    let piece = other.narrow(1, random.i64(0..28), 28).narrow(2, random.i64(0..28), 28);
                    scene.narrow(1, row, 28).narrow(2, column, 28).copy_(&(piece * 0.5));
                }
            }
            let thing = large(place, 112);
            let mut under =
                scene.narrow(1, random.i64(0..SIDE - 112), 112).narrow(2, random.i64(0..SIDE - 112), 112);
            let over = under.maximum(&thing);
            under.copy_(&over);
            scene
        }
    };
    (shown - 0.3) / 0.3
}

/// Pearson's correlation.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean =
        |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| of(f64::from(*a) - mean_a, f64::from(*b) - mean_b)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// Spearman's correlation: Pearson's of the ranks. No two values of these maps are alike by more than chance.
fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let ranks = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        let mut ranks = vec![0.0; values.len()];
        for (rank, place) in order.into_iter().enumerate() {
            ranks[place] = rank as f32;
        }
        ranks
    };
    correlation(&ranks(a), &ranks(b))
}
