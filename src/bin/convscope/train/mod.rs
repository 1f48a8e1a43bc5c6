//! `convscope train`.

pub mod describe;
mod explanations;
mod interrupt;
mod model;
pub mod run_folder;
pub mod shell;
pub mod values;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use convscope::{
    CallbackList, Checkpoint, EarlyStopping, Network, Outcome, Progress, Schedule, StopReason, SummaryWriter,
    TensorBoard, Trainer,
    arch::{ModelSpec, ModelSummary, ReceptiveFields},
    callback::{Preset, ProbeImages},
    data::{Normalization, Split},
    diagnostics::{Architecture, ClassificationReport, Diagnosis, EffectiveReceptiveField, VerdictHandle},
    params::Filter,
    rules::{RuleSet, Verdict},
    summary::{Table, thousands},
};
use tch::{Device, nn};

use self::{
    shell::quoted,
    values::{DataSource, DeviceName, OnCriticalName, OnWriteError, OptimizerName, UpdateFreq, shape},
};
use crate::{
    model::ModelSource,
    terminal::{self, complain, say},
};

/// How many validation images are drawn with their feature maps.
const PROBE_IMAGES: usize = 4;
/// More epochs or images than anybody has; a number above is a slip of the finger.
const MOST: u64 = 1_000_000_000;

/// Train a CNN and write everything about it for TensorBoard
#[derive(clap::Args)]
pub struct Args {
    /// `bundled` (7,000 images of Fashion-MNIST), or a folder of IDX files
    ///
    /// The files have the names of MNIST's, plain or compressed by gzip.
    #[arg(long, value_name = "bundled|idx:DIR", default_value = "bundled")]
    data: DataSource,

    /// Architecture: a model of the zoo, adapted to the data, or a TOML file
    ///
    /// `default` is a small CNN; `convscope model --list` shows the others, such as lenet5, vgg11_bn, resnet18 and
    /// mobilenet_v2. Auxiliary outputs are left out.
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "default")]
    model: ModelSource,

    /// Passes over the training images
    #[arg(long, default_value = "10", value_parser = RangedU64ValueParser::<u64>::new().range(1..=MOST))]
    epochs: u64,

    /// Images in a step
    #[arg(long, default_value = "64", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    batch_size: usize,

    /// Learning rate
    #[arg(long, value_name = "RATE", default_value = "1e-3", value_parser = values::learning_rate, allow_negative_numbers = true)]
    lr: f64,

    /// How the weights are moved
    #[arg(long, value_enum, value_name = "NAME", default_value = "adam")]
    optimizer: OptimizerName,

    /// When scalars are written: every epoch, batch, or N batches
    #[arg(long, value_name = "epoch|batch|N", default_value = "10")]
    update_freq: UpdateFreq,

    /// Epochs from histograms and images to the next; 0: none of the training
    ///
    /// The model's graph, table, advice and receptive fields are written once in any case, before the training.
    #[arg(long, value_name = "EPOCHS", default_value = "1")]
    histogram_freq: u64,

    /// What of the answers for a few validation images is explained; several names with `,` between them
    ///
    /// Maps of single images every --histogram-freq epochs, all else when training has ended. `convscope explain --list`
    /// says what each shows, and `convscope explain` makes all of them from a checkpoint.
    #[arg(long, value_name = "default|all|none|LIST", value_delimiter = ',', default_value = explanations::DEFAULT,
        value_parser = explanations::names(), hide_possible_values = true)]
    explain: Vec<String>,

    /// How many tags are written
    ///
    /// `economy`: of the network as a whole, so that their number does not grow with its depth; `standard`: also of up to
    /// 16 layers; `full`: everything.
    #[arg(long, value_name = "economy|standard|full", default_value = "standard")]
    preset: Preset,

    /// Thresholds of the diagnosis, as `convscope rules --toml` writes them
    #[arg(long, value_name = "FILE.toml")]
    rules: Option<PathBuf>,

    /// What to do when the diagnosis finds that training does not work
    #[arg(long, value_enum, value_name = "WHAT", default_value = "warn")]
    on_critical: OnCriticalName,

    /// Share of the time that diagnostics may take; `inf`: no limit
    ///
    /// Beyond it, and 10 seconds, histograms, pictures and statistics of layers are written less often.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = values::share, allow_negative_numbers = true)]
    max_overhead: f64,

    /// Folder of all runs, for `tensorboard --logdir`
    #[arg(long, value_name = "DIR", default_value = "logs")]
    logdir: PathBuf,

    /// The run's folder in the log folder [default: date, time and host]
    #[arg(long, value_name = "NAME", value_parser = run_folder::run_name)]
    run: Option<String>,

    /// Seed of initial weights, dropout and the order of the images
    ///
    /// The same seed gives the same losses on the CPU of the same machine.
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Begin with the weights of a file, as exported from PyTorch, and not with random ones
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,

    /// Stop after so many epochs without a better validation loss
    #[arg(long, value_name = "PATIENCE", value_parser = RangedU64ValueParser::<u64>::new().range(1..=MOST))]
    early_stopping: Option<u64>,

    /// Where to compute
    #[arg(long, value_name = "cpu|cuda[:N]", default_value = "cpu")]
    device: DeviceName,

    /// What to do when the run cannot be written, as on a full disk
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_write_error: OnWriteError,

    /// Show the result only
    #[arg(long)]
    quiet: bool,
}

/// Trains. Everything that can be wrong is looked at before the first file is made.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let progress = (!args.quiet).then(|| Progress::new().epochs(args.epochs));
    let console = progress.as_ref().map(Progress::console).unwrap_or_default();
    let warnings = console.clone();
    terminal::show_warnings(move || warnings.clone());
    run_folder::check_free(&args.logdir, args.run.as_deref())?;
    let device = args.device.find()?;
    let data = args.data.load()?;
    let model::TrainedModel { spec, left_out } = model::load(&args.model, &data)?;
    let normalization = Normalization::of(&data.train)?;

    tch::manual_seed(args.seed.cast_signed());
    let store = nn::VarStore::new(device);
    let network = Network::new(&store.root(), &spec)?;
    if let Some(path) = &args.weights {
        let left_out = Filter::prefixes(left_out.clone()); // the file may have what trains a head that was left out
        network.load_safetensors_matching(path, &Filter::by(move |name| !left_out.matches(name)))?;
    }
    let mut optimizer = args.optimizer.build(&store, args.lr)?;
    let (mut callbacks, verdict) = diagnostics(args, &data, &spec, &normalization, device)?;

    let interrupter = interrupt::interrupter(console)?;
    let writer = open_run(args)?;
    let checkpoints = run_folder::checkpoints(&writer);
    let summary = spec.summary()?;
    writer.add_text("configuration", &configuration(args, &data, &spec, &normalization)?.to_markdown(), 0)?;
    describe::write_beside_checkpoints(&checkpoints, &spec, &data.train, &normalization)?;
    if !args.quiet {
        introduce(args, &data, &summary, left_out.len(), &writer);
    }

    let card = describe::card(&args.data, &spec, &data.train, &normalization)?;
    callbacks.push(Checkpoint::new(&checkpoints).card(card));
    if let Some(patience) = args.early_stopping {
        callbacks.push(EarlyStopping::new("validation/loss").patience(patience));
    }
    if let Some(progress) = progress {
        callbacks.push(progress);
    }
    callbacks.push(interrupter);

    let start = Instant::now();
    let trained = Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(callbacks)
        .sink(writer.clone())
        .learning_rate(args.lr)
        .batch_size(args.batch_size)
        .seed(args.seed)
        .normalization(normalization)
        .max_overhead(args.max_overhead)
        .fit(&data.train, &data.validation, args.epochs)
        .with_context(|| format!("training ended; what is known is in {}", writer.path().display()));
    if trained.is_err() {
        tell_verdict(&verdict.get(), args.quiet); // it may say why
    }
    let outcome = trained?;
    let run = writer.path().to_owned();
    let written = writer.close(); // what was lost is told last: the training is done all the same

    conclude(&outcome, start.elapsed());
    tell_verdict(&verdict.get(), args.quiet);
    say(&format!("run           {}", run.display()));
    let is_there = |name: &&str| checkpoints.join(name).is_file(); // there is no best before the first validation
    let files: Vec<&str> = [Checkpoint::BEST, Checkpoint::LAST].into_iter().filter(is_there).collect();
    say(&format!("checkpoints   {} ({})", checkpoints.display(), files.join(", ")));
    say_commands(args);
    written?;
    Ok(exit_code(&outcome))
}

fn open_run(args: &Args) -> anyhow::Result<SummaryWriter> {
    let builder = SummaryWriter::builder().on_error(args.on_write_error.into());
    let builder = match &args.run {
        Some(name) => builder.run_name(name),
        None => builder,
    };
    Ok(builder.create(&args.logdir)?)
}

/// What is known of the model, what goes wrong with it, how well it answers, the TensorBoard callback, with a few
/// validation images whose feature maps it draws, and what of them moves the layers. And what will hold the verdict.
fn diagnostics<'a>(
    args: &Args,
    data: &Split,
    spec: &ModelSpec,
    normalization: &Normalization,
    device: Device,
) -> anyhow::Result<(CallbackList<'a>, VerdictHandle)> {
    let rules = args.rules.as_ref().map_or_else(|| Ok(RuleSet::standard()), RuleSet::load)?;
    let preset = args.preset;
    let diagnosis =
        Diagnosis::new().spec(spec).rules(rules).preset(preset).on_critical(args.on_critical.into());
    let verdict = diagnosis.verdict();
    let report = ClassificationReport::new(data.validation.classes())
        .preset(preset)
        .normalization(normalization.clone());
    let images = ProbeImages::of(&data.validation, PROBE_IMAGES, normalization, device)?;
    let (theoretical, _) = ReceptiveFields::partial(&spec.resolve()?);
    let fields = EffectiveReceptiveField::new(&images)
        .schedule(Schedule::epochs(args.histogram_freq))
        .theoretical(theoretical);
    let tensorboard = TensorBoard::new()
        .preset(preset)
        .update_freq(args.update_freq.schedule)
        .histogram_freq(args.histogram_freq)
        .probe_images(images);
    let architecture = Architecture::new(spec).probe(&data.validation.probe(1)?.pixels()?)?;
    let mut callbacks =
        CallbackList::new().with(architecture).with(diagnosis).with(tensorboard).with(report).with(fields);
    let (chosen, normalization) = (&args.explain, (normalization, device));
    let often = args.histogram_freq;
    for explain in
        explanations::explanations(chosen, &data.validation, spec, normalization, often, args.seed)?
    {
        callbacks.push(explain);
    }
    Ok((callbacks, verdict))
}

fn describe_data(args: &Args, data: &Split) -> String {
    format!("{}: {}", args.data, describe_images(data))
}

fn describe_images(data: &Split) -> String {
    format!(
        "{} training and {} validation images, {}, {} classes",
        thousands(&data.train.len()),
        thousands(&data.validation.len()),
        shape(&data.train.image_shape()),
        data.train.classes().len(),
    )
}

/// Every setting of the run, also those that were not given.
fn configuration(
    args: &Args,
    data: &Split,
    spec: &ModelSpec,
    normalization: &Normalization,
) -> anyhow::Result<Table> {
    let early_stopping = args
        .early_stopping
        .map_or("off".to_owned(), |patience| format!("validation/loss, patience {patience}"));
    let weights = args.weights.as_ref().map_or("random".to_owned(), |path| path.display().to_string());
    let rules = args.rules.as_ref().map_or("standard".to_owned(), |path| path.display().to_string());
    let mut table = Table::new(["setting", "value"]);
    for (name, value) in [
        ("convscope", env!("CARGO_PKG_VERSION").to_owned()),
        ("data", describe_data(args, data)),
        ("pixel mean", format!("{:.6?}", normalization.mean)),
        ("pixel standard deviation", format!("{:.6?}", normalization.std)),
        ("model", format!("{}: {} parameters", args.model, thousands(&spec.param_count()?))),
        ("epochs", args.epochs.to_string()),
        ("batch size", args.batch_size.to_string()),
        ("optimizer", args.optimizer.to_string()),
        ("learning rate", args.lr.to_string()),
        ("seed", args.seed.to_string()),
        ("weights", weights),
        ("device", args.device.to_string()),
        ("threads", tch::get_num_threads().to_string()),
        ("update_freq", args.update_freq.to_string()),
        ("histogram_freq", args.histogram_freq.to_string()),
        ("early stopping", early_stopping),
        ("explanations", args.explain.join(", ")),
        ("preset", args.preset.to_string()),
        ("rules", rules),
        ("on critical findings", values::word(&args.on_critical)),
        ("max_overhead", args.max_overhead.to_string()),
    ] {
        table.row([name.to_owned(), value]);
    }
    Ok(table)
}

fn introduce(args: &Args, data: &Split, model: &ModelSummary, left_out: usize, writer: &SummaryWriter) {
    say(&format!("data          {}", args.data));
    say(&format!("              {}", describe_images(data)));
    say(&format!("model         {}", model.name));
    if left_out > 0 {
        say(&format!("              without the {left_out} layers of its auxiliary outputs"));
    }
    say(&format!("\n{}", model.to_table().to_text()));
    say(&format!(
        "training      {} epochs, batches of {}, {}, learning rate {}",
        args.epochs, args.batch_size, args.optimizer, args.lr
    ));
    say(&format!("seed          {}", args.seed));
    if let Some(path) = &args.weights {
        say(&format!("weights       {}", path.display()));
    }
    say(&format!("device        {}", args.device));
    say(&format!("run           {}", writer.path().display()));
    say_commands(args);
    say("");
}

fn say_commands(args: &Args) {
    let logdir = quoted(&args.logdir);
    say(&format!("TensorBoard   tensorboard --logdir {logdir}"));
    say(&format!("              cargo xtask tensorboard {logdir}   (in the repository)"));
}

fn conclude(outcome: &Outcome, time: Duration) {
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let steps = count(outcome.steps.get().cast_unsigned(), "step");
    say(&format!("{}, {steps}, {:.1} s", count(outcome.epochs, "epoch"), time.as_secs_f64()));
    if let Some(reason) = &outcome.stop {
        complain(&format!("stopped early: {reason}"));
    }
    match (outcome.validation.get("accuracy"), outcome.validation.get("loss")) {
        (Some(accuracy), Some(loss)) => {
            say(&format!("validation    accuracy {accuracy:.4}, loss {loss:.4}"));
        }
        _ => say("validation    none: training stopped in the first epoch"),
    }
}

/// The diagnosis in the words that the page Text has; only its first sentence where the user wants quiet.
fn tell_verdict(verdict: &Verdict, quiet: bool) {
    if quiet {
        say(&format!("diagnosis     {}", verdict.headline()));
    } else {
        say(&format!("\n{}", verdict.to_text(terminal::width())));
    }
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match &outcome.stop {
        Some(StopReason::Interrupted) => ExitCode::from(terminal::INTERRUPTED),
        Some(StopReason::NonFinite { .. } | StopReason::Critical { .. }) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
