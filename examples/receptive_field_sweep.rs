//! How much of the image must a network see? `cargo run --example receptive_field_sweep`, then `tensorboard --logdir`
//! with the folder that it prints.
//!
//! Trains networks of one budget of parameters whose receptive field grows in three ways (larger kernels, more layers,
//! larger dilation) on the bundled images, and draws accuracy over receptive field, as do
//! [Araujo, Norris and Sim (2019)](https://distill.pub/2019/computing-receptive-fields) for well-known networks.
//!
//! | argument | default | |
//! |---|---|---|
//! | `--epochs N` | 5 | passes over the training images |
//! | `--seeds N` | 2 | trainings of each network, with the seeds 0 to N - 1 |
//! | `--images N` | 6000 | training images, and a sixth as many to measure with; all classes alike |
//! | `--logdir DIR` | `logs` | a new folder is made there |
//!
//! The defaults take about nine minutes on one core of a processor: with `OMP_NUM_THREADS=1` in the environment, networks
//! as small as these train faster than with more threads. `--seeds 1 --images 1000` gives a first look in less than a
//! tenth of that time.
//!
//! The three curves are on the page Scalars, with the field in place of steps: set its smoothing to 0. TensorBoard hides
//! all runs at first where there are more than 40, as with three seeds: choose `^(kernel|depth|dilation)$` there.

#[path = "support/curves.rs"]
mod curves;
#[path = "support/paper.rs"]
mod paper;

use std::{env, fmt, iter};

use convscope::{
    HParams, ModelSpec, Network, SessionStatus, SummaryWriter, Table, Trainer,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, Padding},
    callback::{CONTINUE, CallbackList, on_epoch_end, on_validation_end},
    data::{self, Split},
};
use curves::{Chart, Curve};
use tch::{Device, nn, nn::OptimizerConfig as _};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Trainable values of every network, and how far one may be off it.
const BUDGET: i64 = 12_100;
const TOLERANCE: f64 = 0.01;
/// Chosen on a network that all ways share, so that five epochs bring it near to what it can learn.
const LEARNING_RATE: f64 = 3e-3;
const BATCH: usize = 16;
/// Height and width of the images.
const IMAGE: i64 = 28;
const TAG: &str = "accuracy_over_receptive_field";

/// The ways to grow. All of them begin with the same two networks; what only one of them has is named after it.
const WAYS: [(&str, &[Body]); 3] = [
    ("kernel", &[POINTS, body(2, 2, 1), PLAIN, body(5, 2, 1), body(7, 2, 1), body(11, 2, 1)]),
    ("depth", &[POINTS, body(3, 1, 1), PLAIN, body(3, 4, 1), body(3, 6, 1), body(3, 10, 1)]),
    ("dilation", &[POINTS, PLAIN, body(3, 2, 2), body(3, 2, 3), body(3, 2, 5)]),
];
/// In place of a way, for networks that belong to several.
const SHARED: &str = "shared";
const POINTS: Body = body(1, 2, 1);
const PLAIN: Body = body(3, 2, 1);

/// The convolutions between the stem, which all networks share, and the mean over all places.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Body {
    kernel: i64,
    depth: i64,
    dilation: i64,
}

const fn body(kernel: i64, depth: i64, dilation: i64) -> Body {
    Body { kernel, depth, dilation }
}

fn main() -> Result<()> {
    let options = Options::from_arguments(env::args().skip(1))?;
    let data = options.data()?;
    let mut family = family()?;

    let writer = SummaryWriter::create(&options.logdir)?;
    for seed in 0..options.seeds {
        for member in &mut family {
            let run = SummaryWriter::open(writer.path().join(format!("{}_seed{seed}", member.name())))?;
            let trained = member.train(seed, &data, &options, &run);
            let accuracy = trained.map_err(|error| format!("{}, seed {seed}: {error}", member.name()))?;
            member.accuracies.push(accuracy);
            println!("{member}");
        }
    }
    for (way, _) in WAYS {
        let summary = writer.sub_run(way)?;
        for (field, accuracy) in curve(way, &family) {
            summary.add_scalar(TAG, accuracy, field)?;
        }
    }
    writer.add_figure(TAG, &chart(&family), 0)?;
    writer.add_text("results", &report(&family, &data, &options), 0)?;
    println!("show it: tensorboard --logdir {}", writer.path().display());
    Ok(writer.close()?)
}

// The networks

impl Body {
    /// Every convolution keeps the size of its maps, and behind the last of them comes the mean over all places: the
    /// classifier knows of context only what lies in the field of the last convolution.
    fn model(self, widths: Widths) -> Result<ModelSpec> {
        let Body { kernel, depth, dilation } = self;
        let mut model = ModelSpec::builder(self.to_string(), [1, IMAGE, IMAGE])
            .layer("stem", Conv2d::new(8, 3).padding(Padding::Same).bias(false))
            .layer("stem_bn", BatchNorm2d::new())
            .layer("stem_relu", Layer::Relu)
            .layer("pool", MaxPool2d::new(2));
        for layer in 1..=depth {
            let kernels = if layer <= widths.wider { widths.width + 1 } else { widths.width };
            let conv = Conv2d::new(kernels, kernel).dilation(dilation).padding(Padding::Same).bias(false);
            model = model
                .layer(format!("conv{layer}"), conv)
                .layer(format!("bn{layer}"), BatchNorm2d::new())
                .layer(format!("relu{layer}"), Layer::Relu);
        }
        Ok(model.layer("mean", Layer::GlobalAvgPool).layer("fc", Linear::new(10)).build()?)
    }

    /// The model that comes nearest to the budget, by trying all widths until they are beyond it.
    fn model_of_budget(self) -> Result<(ModelSpec, Widths)> {
        let mut best: Option<(u64, ModelSpec, Widths)> = None;
        for (width, wider) in (1..).flat_map(|width| (0..self.depth).map(move |wider| (width, wider))) {
            let widths = Widths { width, wider };
            let model = self.model(widths)?;
            let params = model.param_count()?;
            let off = params.abs_diff(BUDGET);
            if best.as_ref().is_none_or(|(least, ..)| off < *least) {
                best = Some((off, model, widths));
            }
            if params > BUDGET {
                break;
            }
        }
        match best {
            Some((off, model, widths)) if off as f64 <= TOLERANCE * BUDGET as f64 => Ok((model, widths)),
            _ => Err(format!("{self}: no widths give {BUDGET} parameters").into()),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Body { kernel, depth, dilation } = self;
        write!(f, "{depth} x {kernel}x{kernel}, dilation {dilation}")
    }
}

/// How many kernels the convolutions of a body have: `width`, and one more in the first `wider` of them.
#[derive(Debug, Clone, Copy)]
struct Widths {
    width: i64,
    wider: i64,
}

/// A network of the family, and what came out of its trainings.
struct Member {
    body: Body,
    /// The ways to grow that it belongs to.
    ways: Vec<&'static str>,
    widths: Widths,
    model: ModelSpec,
    params: i64,
    /// Side of the receptive field behind the last convolution, in pixels.
    field: i64,
    /// How many of these pixels are seen, 0 to 1: dilation leaves some out.
    density: f64,
    /// On the validation images after the last epoch, 0 to 1, for each seed.
    accuracies: Vec<f64>,
}

/// All networks, each of them once.
fn family() -> Result<Vec<Member>> {
    let mut family: Vec<Member> = Vec::new();
    for (way, bodies) in WAYS {
        for &body in bodies {
            match family.iter_mut().find(|member| member.body == body) {
                Some(member) => member.ways.push(way),
                None => family.push(Member::new(body, way)?),
            }
        }
    }
    Ok(family)
}

impl Member {
    fn new(body: Body, way: &'static str) -> Result<Member> {
        let (model, widths) = body.model_of_budget()?;
        let params = model.param_count()?;
        let fields = model.receptive_fields()?;
        let last = fields.get(&format!("relu{}", body.depth)).ok_or("no last convolution")?;
        let [field, _] = last.size(); // a square
        let density = last.density().ok_or("the holes of the receptive field are unknown")?;
        let accuracies = Vec::new();
        Ok(Member { body, ways: vec![way], widths, model, params, field, density, accuracies })
    }

    fn way(&self) -> &'static str {
        if let [way] = *self.ways { way } else { SHARED }
    }

    fn name(&self) -> String {
        format!("{}_rf{:02}", self.way(), self.field)
    }

    fn mean(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len() as f64
    }

    fn hparams(&self, seed: u64) -> HParams {
        HParams::new()
            .with("growth", self.way())
            .with("kernel", self.body.kernel)
            .with("depth", self.body.depth)
            .with("dilation", self.body.dilation)
            .with("width", self.widths.width)
            .with("parameters", self.params)
            .with("field (px)", self.field) // among the five columns, by name, that the page shows at first
            .with("rf_density", self.density)
            .with("seed", seed)
            .group(format!("{} #{seed}", self.name()))
    }

    /// Trains the network from scratch. Returns its accuracy.
    fn train(&self, seed: u64, data: &Split, options: &Options, run: &SummaryWriter) -> Result<f64> {
        run.add_hparams(&self.hparams(seed))?;
        run.add_text("model", &format!("```toml\n{}```", self.model.to_toml()), 0)?;
        let trained = fit(&self.model, seed, data, options.epochs, run);
        let status = if trained.is_ok() { SessionStatus::Success } else { SessionStatus::Failure };
        run.finish_hparams(status)?;
        run.clone().close()?;
        trained
    }
}

fn fit(model: &ModelSpec, seed: u64, data: &Split, epochs: u64, run: &SummaryWriter) -> Result<f64> {
    tch::manual_seed(i64::try_from(seed)?);
    let store = nn::VarStore::new(Device::cuda_if_available());
    let network = Network::new(&store.root(), model)?;
    let mut optimizer = nn::Adam::default().build(&store, LEARNING_RATE)?;
    let curves = CallbackList::new()
        .with(on_epoch_end(|cx, metrics, out| {
            let tag = |name| format!("train/{name}");
            metrics.iter().try_for_each(|(name, value)| out.add_scalar(&tag(name), value, cx.step()))?;
            CONTINUE
        }))
        .with(on_validation_end(|cx, metrics, out| {
            metrics.iter().try_for_each(|(name, value)| out.add_scalar(name, value, cx.step()))?;
            CONTINUE
        }));
    let outcome = Trainer::of_network(&network, &store, &mut optimizer)
        .seed(seed)
        .batch_size(BATCH)
        .callbacks(curves)
        .sink(run.clone())
        .fit(&data.train, &data.validation, epochs)?;
    match (outcome.validation.get("loss"), outcome.validation.get("accuracy")) {
        (Some(loss), Some(accuracy)) if loss.is_finite() => Ok(accuracy),
        (loss, _) => Err(format!("the loss is {loss:?} after {epochs} epochs").into()),
    }
}

// What came out

/// What was held equal, the results, what they show and what they do not.
fn report(family: &[Member], data: &Split, options: &Options) -> String {
    let (least, most) = range(family.iter().map(|member| member.params as f64));
    let [train, validation] = [&data.train, &data.validation].map(data::Dataset::len);
    let mut text = format!(
        "Networks of {least} to {most} parameters, trained alike: {train} images, {epochs} epochs, batches of {BATCH}, Adam \
         with learning rate {LEARNING_RATE}, seeds 0 to {last_seed}; accuracy on {validation} other images. A stem of 8 \
         3x3 kernels and a 2x2 pool come first, the mean over all places last. So each weight behind the pool is used \
         at as many places, and the networks cost about as much to run. Their widths differ.\n\n{table}\n",
        epochs = options.epochs,
        last_seed = options.seeds - 1,
        table = table(family, options.seeds).to_markdown(),
    );
    for (way, _) in WAYS {
        text += &format!("- {}\n", found(way, family, validation));
    }
    text += &match spread(family) {
        Some(spread) => format!("- Seeds of one network differ by up to {:.1} points.\n\n", 100.0 * spread),
        None => "- There was one seed: how far others are from it is not known.\n\n".to_owned(),
    };
    text += "One small data set, few seeds, one learning rate and a short training: what the curves show of these networks \
         need not hold for others. Fields that reach beyond the image see zeros there, from which a network can tell \
         where the border is. A dilated kernel leaves pixels out.\n";
    text
}

fn table(family: &[Member], seeds: u64) -> Table {
    let columns = [
        "network",
        "field (px)",
        "density",
        "kernel",
        "depth",
        "dilation",
        "width",
        "parameters",
        "mean (%)",
    ];
    let seeds = (0..seeds).map(|seed| format!("seed {seed} (%)"));
    let mut table = Table::new(columns.map(str::to_owned).into_iter().chain(seeds));
    for member in family {
        let Body { kernel, depth, dilation } = member.body;
        let field = [member.field.to_string(), format!("{:.2}", member.density)];
        let numbers =
            [kernel, depth, dilation, member.widths.width, member.params].map(|number| number.to_string());
        let accuracies = member.accuracies.iter().map(|&accuracy| percent(accuracy));
        let results = iter::once(percent(member.mean())).chain(accuracies);
        table.row(iter::once(member.name()).chain(field).chain(numbers).chain(results));
    }
    table
}

/// How far the seeds of one network are apart at most, 0 to 1. `None` for a single seed.
fn spread(family: &[Member]) -> Option<f64> {
    let several = family.iter().filter(|member| member.accuracies.len() > 1);
    let spreads =
        several.map(|member| range(member.accuracies.iter().copied())).map(|(worst, best)| best - worst);
    spreads.reduce(f64::max)
}

/// Where one curve begins, what it reaches, and from which field on it is as high as can be told.
fn found(way: &str, family: &[Member], images: usize) -> String {
    let curve = curve(way, family);
    let (_, best) = range(curve.iter().map(|&(_, accuracy)| accuracy));
    // Standard deviation of an accuracy that is measured on so many images, or what the seeds say, if that is more.
    let counting = (best * (1.0 - best) / images as f64).sqrt();
    let spread = spread(family).unwrap_or_default();
    let (error, why) = if spread > counting {
        (spread, "between seeds of one network".to_owned())
    } else {
        (counting, format!("for {images} images"))
    };
    let first = curve.first().copied().unwrap_or_default();
    let level = curve.iter().find(|(_, accuracy)| *accuracy >= best - error).copied().unwrap_or_default();
    format!(
        "{way}: {} % at {} pixels, at most {} %; from {} pixels on no gain beyond the error of measurement, which is \
         {:.1} points {why}.",
        percent(first.1),
        first.0,
        percent(best),
        level.0,
        100.0 * error
    )
}

/// Field and mean accuracy of the networks that grow in one way.
fn curve(way: &str, family: &[Member]) -> Vec<(i64, f64)> {
    let of_way = family.iter().filter(|member| member.ways.contains(&way));
    let mut curve: Vec<_> = of_way.map(|member| (member.field, member.mean())).collect();
    curve.sort_by_key(|&(field, _)| field);
    curve
}

fn range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)))
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accuracies: Vec<String> = self.accuracies.iter().map(|&accuracy| percent(accuracy)).collect();
        write!(f, "{:<14} {:<24}", self.name(), self.body.to_string())?;
        write!(
            f,
            " field {:>2} px, {} parameters, accuracy {} %",
            self.field,
            self.params,
            accuracies.join(", ")
        )
    }
}

/// The curves of all ways to grow with a dot for each training.
fn chart(family: &[Member]) -> Chart {
    let dots_of = |way| -> Vec<(i64, f64)> {
        let of_way = family.iter().filter(|member| member.way() == way);
        of_way.flat_map(|member| member.accuracies.iter().map(|&accuracy| (member.field, accuracy))).collect()
    };
    let curve = |(way, _)| Curve { name: way, means: curve(way, family), dots: dots_of(way) };
    Chart { curves: WAYS.map(curve).into(), shared: dots_of(SHARED), image: IMAGE }
}

// The command line

struct Options {
    epochs: u64,
    seeds: u64,
    images: usize,
    logdir: String,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options { epochs: 5, seeds: 2, images: 6000, logdir: "logs".to_owned() };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name}: a value is missing"))?;
            let number = || match value.parse::<u32>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{name}: `{value}` found; a number from 1 on is expected")),
            };
            match name.as_str() {
                "--epochs" => options.epochs = number()?.into(),
                "--seeds" => options.seeds = number()?.into(),
                "--images" => options.images = number()? as usize,
                "--logdir" => options.logdir = value,
                _ => return Err(format!("{name}: use --epochs, --seeds, --images or --logdir").into()),
            }
        }
        Ok(options)
    }

    fn data(&self) -> Result<Split> {
        let Split { train, validation } = data::bundled()?;
        // All classes are there in equal numbers.
        let validation = validation.probe(self.images.div_ceil(6))?;
        Ok(Split::new(train.probe(self.images)?, validation)?)
    }
}
