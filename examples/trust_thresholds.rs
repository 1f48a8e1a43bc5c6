//! Where the limits of the trust badge come from: `cargo run --example trust_thresholds`.
//!
//! Trains the default network on the bundled images, makes every map of validation images with the trained last layer and
//! with random ones, and prints how alike they are: percentiles of Spearman's rank correlation, over images and seeds, of
//! the magnitudes and of the values. Then, how much better than random orders the map's order is for deletion and
//! insertion: percentiles of both gains over images. The last two methods know nothing about the network.
//!
//! | argument | default | |
//! |---|---|---|
//! | `--model NAME` | `default` | a network of the zoo |
//! | `--epochs N` | 3 | passes over the training images |
//! | `--images N` | 50 | validation images; all classes alike |

use std::env;

use convscope::{
    Network, Trainer,
    arch::zoo,
    data::{self, Normalization},
    explain::{
        Attribution, Attributor, Classifier, Deconvolution, DeletionInsertion, GradCam, GradCamPlusPlus,
        GradientXInput, GuidedBackprop, Head, IntegratedGradients, Saliency, Sample, Sign, SmoothGrad,
        rank_correlation,
    },
};
use tch::{Device, Tensor, nn, nn::OptimizerConfig as _};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const SEEDS: u64 = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |name: &str, default: &str| {
        let given = arguments.iter().position(|argument| argument == name).map(|at| arguments.get(at + 1));
        given.flatten().map_or_else(|| default.to_owned(), Clone::clone)
    };
    let epochs = argument("--epochs", "3").parse()?;
    let images: usize = argument("--images", "50").parse()?;

    tch::manual_seed(0);
    let data = data::bundled()?;
    let store = nn::VarStore::new(Device::Cpu);
    let spec = zoo::model(&argument("--model", "default"), Some([1, 28, 28]), Some(10))?;
    let network = Network::new(&store.root(), &spec)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    let outcome =
        Trainer::of_network(&network, &store, &mut optimizer).fit(&data.train, &data.validation, epochs)?;
    println!("{}: {}", spec.name, outcome.validation);

    let classifier = Classifier::of_network(&network);
    let normalization = Normalization::of(&data.train)?;
    let places: Vec<usize> = (0..images).collect();
    let samples = Sample::of(&data.validation, &places, &normalization, Device::Cpu)?;
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));

    let columns = ["magnitudes 5 50 95 100 %", "values", "deletion gain", "insertion gain"];
    println!("{:22} {}", "", columns.map(|column| format!("{column:>24}")).join(" "));
    let deletion = DeletionInsertion::new().steps(16);
    let random = (samples.iter())
        .map(|sample| {
            let class = classifier.predict(&sample.input)?[0].class;
            deletion.of_random(&classifier, &sample.input, class)
        })
        .collect::<convscope::Result<Vec<_>>>()?;
    for method in methods() {
        let first = samples.first().ok_or("no images")?;
        if let Err(error) = method.attribute(&classifier, &first.input, 0) {
            println!("{:22} {error}", method.name()); // it fits other networks
            continue;
        }
        let mut magnitudes = Vec::new();
        let mut signed = Vec::new();
        let (mut deleted, mut inserted) = (Vec::new(), Vec::new());
        for (sample, random) in samples.iter().zip(&random) {
            let class = classifier.predict(&sample.input)?[0].class;
            let trace = classifier.trace(&sample.input)?;
            let head = Head::find(&variables, &trace.activations, &trace.logits)?.ok_or("no linear layer")?;
            let map = method.attribute(&classifier, &sample.input, class)?;
            let curves = deletion.of_map(&classifier, &sample.input, &map)?;
            deleted.push(random.deletion_area() - curves.deletion_area());
            inserted.push(curves.insertion_area() - random.insertion_area());
            let map = map.map();
            for seed in 0..SEEDS {
                let random = classifier.with_head(head.randomized(seed)?);
                let other = method.attribute(&random, &sample.input, class)?.map();
                let abs = |map: &[f32]| map.iter().map(|value| value.abs()).collect::<Vec<_>>();
                magnitudes.push(rank_correlation(&abs(&map), &abs(&other)).unwrap_or(0.0));
                signed.push(rank_correlation(&map, &other).unwrap_or(0.0));
            }
        }
        println!(
            "{:22} {}",
            method.name(),
            [magnitudes, signed, deleted, inserted].map(percentiles).join(" ")
        );
    }
    Ok(())
}

fn percentiles(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [0.05, 0.5, 0.95, 1.0].map(|share| format!("{:5.2}", at(share))).join(" ")
}

fn methods() -> Vec<Box<dyn Attributor>> {
    vec![
        Box::new(Saliency::new()),
        Box::new(GradientXInput::new()),
        Box::new(SmoothGrad::new()),
        Box::new(SmoothGrad::squared()),
        Box::new(SmoothGrad::variance()),
        Box::new(IntegratedGradients::new()),
        Box::new(GradCam::new()),
        Box::new(GradCam::new().signed()),
        Box::new(GradCamPlusPlus::new()),
        Box::new(GuidedBackprop::new()),
        Box::new(Deconvolution::new()),
        Box::new(Edges),
        Box::new(Noise),
    ]
}

/// The magnitude of the image's gradient from pixel to pixel.
struct Edges;

impl Attributor for Edges {
    fn name(&self) -> &'static str {
        "edge detector"
    }

    fn description(&self) -> &'static str {
        "Edges of the image: nothing about the model."
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> convscope::Result<Attribution> {
        let across = image.roll([1], [3]) - image;
        let down = image.roll([1], [2]) - image;
        let edges = (across.square() + down.square()).sqrt().flatten(0, -1);
        let values: Vec<f32> = Vec::try_from(&edges).unwrap_or_default();
        let shape = [1, 2, 3].map(|dim| image.size()[dim] as usize);
        Attribution::new("edges", class, values, shape, Sign::Magnitude)
    }
}

/// Nothing but chance.
struct Noise;

impl Attributor for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn description(&self) -> &'static str {
        "Random numbers."
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> convscope::Result<Attribution> {
        let seed = f64::try_from(image.sum(None)).unwrap_or_default();
        let values =
            (0..image.numel()).map(|i| ((i as f64 * 12.9898 + seed).sin() * 43758.5453).fract().abs() as f32);
        let shape = [1, 2, 3].map(|dim| image.size()[dim] as usize);
        Attribution::new("noise", class, values.collect(), shape, Sign::Magnitude)
    }
}
