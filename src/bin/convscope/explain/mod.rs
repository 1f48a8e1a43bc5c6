//! `convscope explain`.

mod flags;
mod folder;
mod methods;
mod model;
mod preprocess;
mod progress;
mod samples;
mod sink;
mod values;
mod write;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, bail};
use clap::{ValueEnum, builder::RangedU64ValueParser};
use convscope::{
    Step, SummaryWriter,
    data::{Dataset, Normalization, Split},
    explain::{Case, Classifier, Evidence, Report, Study, Subject},
    summary::thousands,
};

use self::{
    flags::{Classes, Target},
    model::Model,
    progress::Progress,
    samples::Samples,
    sink::Tee,
    values::Values,
    write::Outcome,
};
use crate::{
    logs::interrupt,
    model::{ModelSource, input},
    terminal::{self, complain, say, with_causes},
    train::{
        run_folder,
        shell::quoted,
        values::{DataSource, DeviceName},
    },
};

/// Explain the answers of a trained model: what it looks at, and how far to believe that
///
/// Writes pictures as PNG files, raw values as JSON, and a run of TensorBoard. A checkpoint of `convscope train` says
/// itself how it is used; for weights exported from PyTorch say --model, and the preprocessing.
///
/// Exit codes: 0 success, 1 failure, also of one method alone, 2 wrong usage, 130 after Ctrl-C: then what was
/// written so far is complete.
#[derive(clap::Args)]
#[command(
    override_usage = "convscope explain [OPTIONS] --checkpoint <FILE.safetensors> --out <DIR>\n       convscope explain --list"
)]
pub struct Args {
    /// The model's values
    #[arg(long, value_name = "FILE.safetensors", required_unless_present = "list")]
    checkpoint: Option<PathBuf>,

    /// Architecture: a model of the zoo or a TOML file [default: what the checkpoint says]
    #[arg(long, value_name = "NAME|FILE.toml")]
    model: Option<ModelSource>,

    /// Channels, height and width of the model's input [default: what the checkpoint says, or the model's own]
    #[arg(long, value_name = "C,H,W", value_parser = input)]
    input: Option<[i64; 3]>,

    /// How many classes, their names, or a file with a name a line [default: what the checkpoint says, or the model's own]
    #[arg(long, value_name = "N|NAME,NAME|FILE")]
    classes: Option<Classes>,

    /// A picture to explain: PNG, JPEG, GIF, WebP, BMP or PNM, of any size; may be given several times
    #[arg(long, value_name = "FILE", num_args = 1..)]
    image: Vec<PathBuf>,

    /// An image of the data to explain, counted from 0; may be given several times
    ///
    /// Without --image and --index: two that the model answers rightly, and two wrongly.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    index: Vec<usize>,

    /// The true class of --image, by name or number
    #[arg(long, value_name = "CLASS", requires = "image")]
    label: Option<String>,

    /// Labelled images, as for `convscope train` [default: what the checkpoint says]
    ///
    /// Methods that look at many images take them from the validation images.
    #[arg(long, value_name = "bundled|idx:DIR")]
    data: Option<DataSource>,

    /// Which of them --index counts
    #[arg(long, value_enum, value_name = "PART", default_value = "validation")]
    split: Part,

    /// The class that is explained: the model's answer, the true class, or any one by name or number
    #[arg(long, value_name = "predicted|label|CLASS", default_value = "predicted", value_parser = clap::value_parser!(Target))]
    target: Target,

    /// Folder for pictures and explain.json; it must be new or empty
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,

    /// Replace the pictures and values of an earlier explanation in --out
    #[arg(long)]
    overwrite: bool,

    /// Folder of runs for TensorBoard [default: `tensorboard` in --out]
    #[arg(long, value_name = "DIR")]
    logdir: Option<PathBuf>,

    /// The run's folder in the log folder [default: date, time and host]
    #[arg(long, value_name = "NAME", value_parser = run_folder::run_name)]
    run: Option<String>,

    /// Memory for layers' outputs, in MiB: as many images run at a time as fit
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = RangedU64ValueParser::<u64>::new().range(1..=1 << 20))]
    memory: u64,

    /// Where to compute
    #[arg(long, value_name = "cpu|cuda[:N]", default_value = "cpu")]
    device: DeviceName,

    /// Seed of what is random in some methods
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Show the result only
    #[arg(long)]
    quiet: bool,

    /// Show the methods
    #[arg(long, exclusive = true)]
    list: bool,

    #[command(flatten)]
    methods: methods::Args,

    #[command(flatten)]
    preprocess: preprocess::Args,
}

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Images that the model was not trained on
    Validation,
    /// Images that it was trained on
    Train,
}

impl Part {
    fn of(self, split: &Split) -> (&Dataset, &'static str) {
        match self {
            Part::Validation => (&split.validation, "validation"),
            Part::Train => (&split.train, "training"),
        }
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (false, Some(checkpoint), Some(out)) = (args.list, &args.checkpoint, &args.out) else {
        return methods::list();
    };
    // Wrong usage is said before anything is read.
    let wanted = args.methods.studies(&Normalization::identity(1)).len();
    let progress = Progress::new(wanted, args.quiet);
    let console = progress.clone();
    terminal::show_warnings(move || console.clone());
    let logdir = args.logdir.clone().unwrap_or_else(|| out.join("tensorboard"));
    run_folder::check_free(&logdir, args.run.as_deref())?;
    let device = args.device.find()?;
    progress.say("loading");
    let model = model::load(checkpoint, args.model.as_ref(), args.input, args.classes.as_ref(), device)?;
    let preprocessing = args.preprocess.resolve(model.card.preprocessing.as_ref(), model.spec.input)?;
    let split = data(args, &model)?;

    let mut samples = Samples::default();
    let classes = classes(&model, split.as_ref());
    let label =
        args.label.as_ref().map(|label| flags::class(label, &classes, model.outputs).context("--label"));
    samples.add_files(&args.image, &preprocessing, label.transpose()?, device)?;
    interrupt::listen()?;
    let classifier = classifier(&model, args.memory, &progress);
    let normalization = &preprocessing.normalization;
    if let Some(split) = &split {
        let (images, part) = args.split.of(split);
        let places = if args.image.is_empty() && args.index.is_empty() {
            samples::right_and_wrong(images, normalization, &classifier, device)?
        } else {
            args.index.clone()
        };
        samples.add_places(images, part, &places, normalization, device)?;
    } else if args.image.is_empty() {
        bail!("there is nothing to explain: give --image FILE, or --data and --index N");
    }
    samples.tell_apart();
    let cases = samples.cases(&classifier, &args.target, &classes, model.outputs)?;

    folder::prepare(out, args.overwrite)?;
    let builder = SummaryWriter::builder();
    let builder = if let Some(name) = &args.run { builder.run_name(name) } else { builder };
    let run = builder.create(&logdir)?;
    let mut variables: Vec<_> = model.store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: &classes,
        data: split.as_ref().map(|split| Evidence { images: &split.validation, normalization }),
        variables: &variables,
        spec: Some(&model.spec),
        seed: args.seed,
    };
    if !args.quiet {
        progress.beside(|| introduce(args, &model, &cases, &classes));
    }
    let mut sink = Tee::new(out, run.clone());
    let record = sink.record();
    let mut values = Values::create(out)?;
    let studies = args.methods.studies(normalization);
    let outcome = explain(studies, &subject, &model, (&mut sink, &mut values), &progress, args.quiet);
    progress.end();
    let record = record.borrow();
    let about =
        write::About { checkpoint, model: &model, preprocessing: &preprocessing, sources: &samples.sources };
    let written = values.finish(write::document(&about, &subject, &outcome, &record));
    let told = run.add_text("explain/about", &write::markdown(&about, &subject, &outcome), step(&model));
    let closed = run.close();
    written?;
    conclude(&outcome, record.pictures.len(), out, &logdir);
    told?;
    closed?;
    Ok(if outcome.interrupted {
        ExitCode::from(terminal::INTERRUPTED)
    } else if outcome.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The step that the model's values are of.
fn step(model: &Model) -> i64 {
    model.card.step.unwrap_or(0)
}

/// The network, with a check for Ctrl-C before every pass.
fn classifier<'m>(model: &'m Model, mebibytes: u64, progress: &Progress) -> Classifier<'m> {
    let progress = progress.clone();
    Classifier::of_network(&model.network)
        .memory(mebibytes << 20)
        .interrupt(interrupt::is_pressed)
        .watch(move |images| progress.images(images))
}

/// The data that the user names, or the checkpoint; the latter may be gone.
fn data(args: &Args, model: &Model) -> anyhow::Result<Option<Split>> {
    let load = |source: &DataSource| {
        let split = source.load()?;
        samples::check_data(&split, model.spec.input, model.outputs)?;
        Ok(split)
    };
    if let Some(source) = &args.data {
        return load(source).map(Some).with_context(|| format!("--data {source}"));
    }
    let Some(source) = &model.card.data else {
        if args.index.is_empty() {
            return Ok(None);
        }
        bail!("--index: the checkpoint does not say its data: give --data");
    };
    let stored = source.parse().map_err(|why: String| anyhow::anyhow!("{source}: {why}"));
    match stored.and_then(|source| load(&source)) {
        Ok(split) => Ok(Some(split)),
        Err(error) if args.image.is_empty() => {
            Err(error
                .context("the data that the model was trained on cannot be used: give --data, or --image"))
        }
        Err(error) => {
            complain(&format!(
                "warning: methods that look at many images are left out, since the data that the model was trained on cannot be \
                 used: {}",
                with_causes(&error)
            ));
            Ok(None)
        }
    }
}

/// Names of the classes, from the model's card or the data.
fn classes(model: &Model, split: Option<&Split>) -> Vec<String> {
    match split {
        Some(split) if model.card.classes.is_empty() => split.validation.classes().to_vec(),
        _ => model.card.classes.clone(),
    }
}

fn explain(
    studies: Vec<Box<dyn Study>>,
    subject: &Subject<'_>,
    model: &Model,
    (sink, values): (&mut Tee, &mut Values),
    progress: &Progress,
    quiet: bool,
) -> Outcome {
    let record = sink.record();
    // One report for all: some studies show what others have found.
    let mut take = |study, what: &str, found| values.take(study, what, found);
    let mut report = Report::new(sink, Step::new(step(model)), model.card.epoch).values_to(&mut take);
    let mut outcome = Outcome::default();
    for mut study in studies {
        if interrupt::is_pressed() {
            outcome.interrupted = true;
            break;
        }
        let name = study.name();
        progress.say(name);
        report.begin(name);
        let (start, before, skipped) =
            (Instant::now(), record.borrow().pictures.len(), report.skipped().len());
        let result = study.run(subject, &mut report);
        let pictures = record.borrow().pictures.len() - before;
        progress.next();
        match result {
            Err(error) if error.is_interrupted() => {
                outcome.interrupted = true;
                break;
            }
            Ok(()) => {
                outcome.done.push(name.to_owned());
                let is_skipped = pictures == 0 && report.skipped().len() > skipped;
                if !quiet && !is_skipped {
                    let seconds = start.elapsed().as_secs_f64();
                    let pictures = count(pictures, "picture");
                    progress.beside(|| say(&format!("{name:24}{pictures:14} {seconds:9.1} s")));
                }
            }
            Err(error) => {
                let why = with_causes(&error.into());
                progress.beside(|| complain(&format!("error: {name}: {why}")));
                outcome.failed.push((name.to_owned(), why));
                if record.borrow().broken {
                    break; // nothing else could be written either
                }
            }
        }
    }
    outcome.skipped = report.skipped().iter().map(|(name, why)| ((*name).to_owned(), why.clone())).collect();
    outcome
}

fn introduce(args: &Args, model: &Model, cases: &[Case<'_>], classes: &[String]) {
    if let Some(checkpoint) = &args.checkpoint {
        let of = model.card.step.map_or(String::new(), |step| format!(" (step {step})"));
        say(&format!("checkpoint    {}{of}", checkpoint.display()));
    }
    let [channels, height, width] = model.spec.input;
    say(&format!(
        "model         {}, {channels}x{height}x{width}, {} classes",
        model.spec.name, model.outputs
    ));
    if let Some(file) = &model.described {
        say(&format!("preprocessing {}", file.display()));
    }
    for case in cases {
        say(&format!("image         {}: {}", case.sample.name, case.words(classes)));
    }
    say("");
}

fn conclude(outcome: &Outcome, pictures: usize, out: &Path, logdir: &Path) {
    for (study, why) in &outcome.skipped {
        say(&format!("left out      {study}: {why}"));
    }
    for (study, why) in &outcome.failed {
        say(&format!("failed        {study}: {why}"));
    }
    if outcome.interrupted {
        complain("interrupted: what was written so far is complete");
    }
    let pictures = count(pictures, "picture");
    say(&format!("written       {}: {pictures}, {}", out.display(), folder::VALUES));
    say(&format!("TensorBoard   tensorboard --logdir {}", quoted(logdir)));
}

fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(&number), if number == 1 { "" } else { "s" })
}
