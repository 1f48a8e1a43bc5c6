//! Floor 8: the program as its user meets it, run as a process.
#![cfg(all(feature = "cli", feature = "tch"))]
#![allow(clippy::unwrap_used)]

#[path = "support/system.rs"]
mod system;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use convscope::{
    Checkpoint, Network,
    arch::ModelSpec,
    data::{self, Batches, Normalization},
    event::EventFileReader,
    proto::{event::What, summary::value::Value},
};
use system::event_files;
use tch::{Device, Kind, Tensor, nn, nn::ModuleT as _};

const SIDE: usize = 12;
/// Far more than any run needs on a slow machine: a program that hangs fails its test.
const LIMIT: Duration = Duration::from_secs(600);
/// What a run says of itself.
const TEXTS: [&str; 4] = ["model", "configuration", "stop_reason", "diagnosis"];

/// A folder to run the program in, with a small data set of three classes in `data`.
struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Workplace {
        let place = Workplace(tempfile::tempdir().unwrap());
        let folder = place.path("data");
        fs::create_dir(&folder).unwrap();
        for (part, count) in [("train", 60), ("t10k", 30)] {
            let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
            let images: Vec<u8> = labels.iter().enumerate().flat_map(|(i, &label)| image(i, label)).collect();
            let side = SIDE as u32;
            write_idx(&folder.join(format!("{part}-images-idx3-ubyte")), &[count, side, side], &images);
            write_idx(&folder.join(format!("{part}-labels-idx1-ubyte")), &[count], &labels);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convscope"));
        command.current_dir(self.0.path()).env("OMP_NUM_THREADS", "1").args(args.split_whitespace());
        command
    }

    fn run(&self, args: &str) -> Output {
        Running::start(&mut self.command(args)).end()
    }

    /// Runs the program to a good end; what it printed.
    fn train(&self, args: &str) -> String {
        let output = self.run(&format!("train --data idx:data {args}"));
        assert!(output.status.success(), "{args}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A program at work; it ends with the test at the latest.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Waits until `is_true`, as long as the program runs and no longer than [`LIMIT`].
    fn wait_until(&mut self, is_true: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_true() {
            assert_eq!(self.0.try_wait().unwrap(), None, "the program ended too early");
            assert!(start.elapsed() < LIMIT, "nothing came of it in {LIMIT:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end, no longer than [`LIMIT`].
    fn end(mut self) -> Output {
        fn read(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).unwrap();
                bytes
            })
        }
        let stdout = read(self.0.stdout.take().unwrap());
        let stderr = read(self.0.stderr.take().unwrap());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "the program still runs after {LIMIT:?}");
            thread::sleep(Duration::from_millis(20));
        };
        Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok(); // an error where it has ended, as it should
        self.0.wait().ok();
    }
}

/// A bright band that tells the class, on noise that tells the image.
fn image(index: usize, label: u8) -> Vec<u8> {
    let band = usize::from(label) * SIDE / 3..(usize::from(label) + 1) * SIDE / 3;
    let noise = |pixel: usize| ((index * 7919 + pixel * 104_729) % 97) as u8;
    (0..SIDE * SIDE)
        .map(|pixel| noise(pixel) + if band.contains(&(pixel / SIDE)) { 120 } else { 0 })
        .collect()
}

fn write_idx(path: &Path, dimensions: &[u32], values: &[u8]) {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    fs::write(path, bytes).unwrap();
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a run holds below one of its folders.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    /// Bits of the values, by tag and step.
    scalars: BTreeMap<(String, i64), u32>,
    texts: BTreeMap<String, String>,
}

impl Contents {
    /// Reads all event files of a folder; every one must be whole.
    fn of(folder: &Path) -> Contents {
        let mut contents = Contents::default();
        for path in event_files(folder) {
            for event in EventFileReader::open(path).unwrap() {
                let event = event.unwrap();
                let Some(What::Summary(summary)) = event.what else { continue };
                for value in summary.value {
                    match value.value {
                        Some(Value::SimpleValue(scalar)) => {
                            contents.scalars.insert((value.tag, event.step), scalar.to_bits());
                        }
                        Some(Value::Tensor(tensor)) if TEXTS.contains(&value.tag.as_str()) => {
                            let text = String::from_utf8(tensor.string_val.concat()).unwrap();
                            contents.texts.insert(value.tag, text);
                        }
                        _ => {}
                    }
                }
            }
        }
        contents
    }

    fn last(&self, tag: &str) -> f32 {
        let mut of_tag = self.scalars.iter().filter(|((name, _), _)| name == tag);
        f32::from_bits(*of_tag.next_back().unwrap().1)
    }

    fn steps(&self, tag: &str) -> Vec<i64> {
        self.scalars.keys().filter(|(name, _)| name == tag).map(|(_, step)| *step).collect()
    }
}

const LINEAR: &str = "name = \"linear\"\ninput = [1, 12, 12]\n[[layer]]\nname = \"flatten\"\ntype = \"flatten\"\n\
                      [[layer]]\nname = \"fc\"\ntype = \"linear\"\nout_features = 3\n";

#[test]
fn wrong_usage_is_one_message_and_leaves_nothing() {
    let place = Workplace::new();
    for (args, says) in [
        ("", "Usage"),
        ("trian", "'trian'"),
        ("train --epoch 3", "--epochs"),
        ("train extra", "'extra'"),
        ("train --data csv:x", "idx:"),
        ("train --data idx:", "idx:"),
        ("train --epochs 0", "1.."),
        ("train --batch-size 0", "1.."),
        ("train --lr -1", "above 0"),
        ("train --lr nan", "above 0"),
        ("train --optimizer lion", "adam, sgd"),
        ("train --update-freq sometimes", "`epoch`"),
        ("train --update-freq 0", "`epoch`"),
        ("train --histogram-freq x", "--histogram-freq"),
        ("train --run a/../b", "`a/../b`"),
        ("train --run a:b", "`a:b`"),
        ("train --run x.tfevents", "tfevents"),
        ("train --epochs 1000000000000000000", "..=1000000000"),
        ("train --batch-size 18446744073709551615", "..=1000000000"),
        ("train --seed x", "--seed"),
        ("train --early-stopping 0", "1.."),
        ("train --device gpu", "cuda:1"),
        ("train --on-write-error x", "stop, warn"),
    ] {
        let output = place.run(args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args}: {message}");
        assert!(message.contains(says), "{args}: {message}");
        assert!(output.stdout.is_empty(), "{args}");
        assert!(!place.path("logs").exists(), "{args} left a folder");
    }
}

#[test]
fn bad_input_is_one_message_and_leaves_nothing() {
    let place = Workplace::new();
    place.write("linear.toml", LINEAR);
    place.write("shape.toml", &LINEAR.replace("12, 12", "28, 28"));
    place.write("classes.toml", &LINEAR.replace("= 3", "= 7"));
    place.write("softmax.toml", &format!("{LINEAR}[[layer]]\nname = \"probability\"\ntype = \"softmax\"\n"));
    place.write("broken.toml", &LINEAR.replace("out_features", "out_feature"));
    place.write("no.toml", "this is no TOML");
    place.write("file", "");
    let corrupt = |name: &str, change: fn(&mut Vec<u8>)| {
        let folder = place.path(name);
        fs::create_dir(&folder).unwrap();
        for file in fs::read_dir(place.path("data")).unwrap() {
            let file = file.unwrap();
            let mut bytes = fs::read(file.path()).unwrap();
            if file.file_name() == "train-images-idx3-ubyte" {
                change(&mut bytes);
            }
            fs::write(folder.join(file.file_name()), bytes).unwrap();
        }
    };
    corrupt("magic", |bytes| bytes[3] = 9);
    corrupt("short", |bytes| bytes.truncate(bytes.len() - 1));
    corrupt("count", |bytes| bytes[7] = 59);
    fs::create_dir_all(place.path("there/run")).unwrap();
    place.write("there/run/file", "");

    for (args, says) in [
        ("--data idx:missing", &["missing", "no such folder"][..]),
        ("--data idx:magic", &["train-images-idx3-ubyte"]),
        ("--data idx:short", &["train-images-idx3-ubyte"]),
        ("--data idx:count", &["train-images-idx3-ubyte"]),
        ("--data idx:data --model missing.toml", &["missing.toml"]),
        ("--data idx:data --model no.toml", &["no.toml"]),
        ("--data idx:data --model lenet6", &["`lenet6`", "did you mean `lenet5`"]),
        (
            "--data idx:data --model lenet5",
            &["lenet5", "1x12x12", "layer `", "smallest input that works is 1x"],
        ),
        ("--data idx:data --model dilated_context", &["dilated_context", "puts out 3x12x12"]),
        ("--data idx:data --model broken.toml", &["broken.toml", "out_feature", "fc"]),
        ("--data idx:data --model shape.toml", &["shape.toml", "1x28x28", "input = [1, 12, 12]"]),
        ("--data idx:data --model classes.toml", &["classes.toml", "puts out 7", "out_features = 3"]),
        ("--data idx:data --model softmax.toml", &["softmax.toml", "`probability`"]),
        ("--data idx:data --weights missing.safetensors", &["missing.safetensors"]),
        ("--data idx:data --weights no.toml", &["no.toml", "no safetensors file"]),
        ("--data idx:data --device cuda:99", &["cuda:99", "--device cpu"]),
        ("--data idx:data --logdir there --run run", &["there/run", "--run"]),
        ("--data idx:data --logdir file", &["file"]),
        ("--data idx:data --logdir file/below", &["file"]),
    ] {
        let output = place.run(&format!("train {args}"));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args}: {message}");
        assert!(
            message.starts_with("error: ") && message.trim_end().lines().count() == 1,
            "{args}: {message}"
        );
        assert!(says.iter().all(|part| message.contains(part)), "{args}: {message}");
        assert!(output.stdout.is_empty(), "{args}");
        assert!(!place.path("logs").exists(), "{args} left a folder");
    }
    assert_eq!(fs::read_dir(place.path("there/run")).unwrap().count(), 1);
}

#[test]
fn help_tells_flags_and_defaults() {
    let place = Workplace::new();
    let output = place.run("train --help");
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for (flag, default) in [
        ("--data <bundled|idx:DIR>", "[default: bundled]"),
        ("--model <NAME|FILE.toml>", "[default: default]"),
        ("--epochs", "[default: 10]"),
        ("--batch-size", "[default: 64]"),
        ("--lr", "[default: 1e-3]"),
        ("--optimizer", "[default: adam]"),
        ("--update-freq <epoch|batch|N>", "[default: 10]"),
        ("--histogram-freq", "[default: 1]"),
        ("--logdir", "[default: logs]"),
        ("--run <NAME>", "[default: date, time and host]"),
        ("--seed", "[default: 0]"),
        ("--weights <FILE.safetensors>", ""),
        ("--early-stopping <PATIENCE>", ""),
        ("--device <cpu|cuda[:N]>", "[default: cpu]"),
        ("--on-write-error", "[default: stop]"),
        ("--preset", "[default: standard]"),
        ("--rules", ""),
        ("--on-critical", "[default: warn]"),
        ("--max-overhead", "[default: 0.05]"),
        ("--quiet", ""),
    ] {
        let (_, after) =
            help.split_once(&format!("\n      {flag}")).unwrap_or_else(|| panic!("no {flag} in {help}"));
        let own = after.split("\n      --").next().unwrap();
        assert!(own.contains(default), "{flag}: {own}");
    }
}

#[test]
fn the_same_seed_gives_the_same_losses() {
    let place = Workplace::new();
    let run = |name: &str, seed: u64| {
        place.train(&format!(
            "--epochs 2 --batch-size 16 --update-freq batch --seed {seed} --run {name} --quiet"
        ));
        let folder = place.path("logs").join(name);
        ["train", "validation"].map(|part| {
            let mut scalars = Contents::of(&folder.join(part)).scalars;
            scalars.retain(|(tag, _), _| !tag.starts_with("throughput/") && tag != "overhead_fraction");
            scalars
        })
    };
    let (first, again, other) = (run("first", 7), run("again", 7), run("other", 8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(
        first[0].contains_key(&("loss".to_owned(), 8)),
        "two epochs of four batches: {:?}",
        first[0].keys()
    );
}

#[test]
fn a_run_describes_itself_and_its_checkpoint_can_be_used() {
    let place = Workplace::new();
    let printed = place.train("--epochs 3 --batch-size 16 --run deep/er");
    let run = place.path("logs/deep/er");

    let itself = Contents::of(&run);
    assert!(itself.texts["model"].contains("| conv1 | conv2d | 16x12x12 |"), "{}", itself.texts["model"]);
    for part in ["idx:data: 60 training and 30 validation images, 1x12x12, 3 classes", "| seed | 0 |"] {
        assert!(itself.texts["configuration"].contains(part), "{}", itself.texts["configuration"]);
    }
    let validation = Contents::of(&run.join("validation"));
    assert_eq!(validation.steps("accuracy"), [4, 8, 12]);
    for part in ["conv1", "total", "seed          0", "logs/deep/er", "tensorboard --logdir logs", "12 steps"]
    {
        assert!(printed.contains(part), "no {part} in {printed}");
    }
    let accuracy = format!("accuracy {:.4}", validation.last("accuracy"));
    assert!(printed.contains(&accuracy), "no {accuracy} in {printed}");

    // What lies beside the checkpoint is enough to use it.
    let checkpoints = run.join("checkpoints");
    let described: toml::Table = fs::read_to_string(checkpoints.join("data.toml")).unwrap().parse().unwrap();
    let numbers = |name: &str| {
        described["normalization"][name].as_array().unwrap().iter().map(|x| x.as_float().unwrap()).collect()
    };
    let normalization = Normalization { mean: numbers("mean"), std: numbers("std") };
    assert_eq!(described["classes"].as_array().unwrap().len(), 3);
    let spec = ModelSpec::load(checkpoints.join("model.toml")).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    Checkpoint::load(&store, &checkpoints.join(Checkpoint::LAST)).unwrap();
    let data = data::idx(&place.path("data")).unwrap().validation;
    let mut right = 0.0;
    for batch in Batches::new(&data, 64, Device::Cpu, &normalization).unwrap() {
        let batch = batch.unwrap();
        let answers: Tensor = network.forward_t(&batch.images, false).argmax(-1, false);
        right += answers.eq_tensor(&batch.labels).sum(Kind::Double).double_value(&[]);
    }
    assert_eq!((right / data.len() as f64) as f32, validation.last("accuracy"));
    Checkpoint::load(&store, &checkpoints.join(Checkpoint::BEST)).unwrap();
}

#[test]
fn networks_of_the_zoo_adapt_to_the_data() {
    let place = Workplace::new();
    let printed = place.train("--model ResNet-18 --epochs 1 --batch-size 16 --histogram-freq 0 --run zoo");
    assert!(printed.contains("model         resnet18"), "{printed}");
    let itself = Contents::of(&place.path("logs/zoo"));
    assert!(itself.texts["model"].contains("| conv1 | conv2d | 64x6x6 |"), "{}", itself.texts["model"]);
    assert!(itself.texts["model"].contains("| fc | linear | 3 |"), "{}", itself.texts["model"]);
}

/// Ten epochs on the bundled images with every diagnostic on: about 40 seconds of one core.
#[test]
fn the_defaults_reach_an_accuracy_of_0_85() {
    let place = Workplace::new();
    let output = place.run("train --run r --quiet");
    assert!(output.status.success(), "{}", stderr(&output));
    let validation = Contents::of(&place.path("logs/r/validation"));
    assert_eq!(validation.steps("accuracy").last(), Some(&940), "ten epochs of 94 batches");
    let accuracy = validation.last("accuracy");
    assert!(accuracy >= 0.85, "{accuracy}");
}

#[test]
fn quiet_prints_the_result_only() {
    let place = Workplace::new();
    let output = place.run("train --data idx:data --epochs 1 --quiet --run r");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("1 epoch, 1 step, "), "{printed}");
    assert!(printed.contains("\ndiagnosis     "), "{printed}");
    assert_eq!(printed.lines().count(), 7, "{printed}");
}

#[test]
fn a_training_that_does_not_work_ends_with_its_verdict() {
    let place = Workplace::new();
    let args = "train --data idx:data --epochs 20 --batch-size 16 --optimizer sgd --lr 1000 --run r";
    let output = place.run(&format!("{args} --on-critical stop"));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(stderr(&output).contains("stopped early: "), "{}", stderr(&output));
    assert!(printed.contains("Training does not work: "), "{printed}");
    let run = Contents::of(&place.path("logs/r"));
    let words = printed.split_once("Training does not work: ").unwrap().1;
    let first_words: Vec<&str> = words.split_whitespace().take(6).collect();
    let page = run.texts["diagnosis"].split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&first_words.join(" ")), "{page}: the same words as in the terminal: {printed}");
    assert!(run.texts["stop_reason"].contains("Stopped in epoch"), "{}", run.texts["stop_reason"]);
}

#[test]
fn settings_of_rules_are_checked_before_the_training() {
    let place = Workplace::new();
    place.write("rules.toml", "[non_finite]\nraise = 0\n");
    let output = place.run("train --data idx:data --rules rules.toml --run r");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("rules.toml:2"), "{}", stderr(&output));
    assert!(!place.path("logs").exists(), "nothing was made");
}

#[test]
fn early_stopping_ends_the_run_and_says_why() {
    let place = Workplace::new();
    place.write("linear.toml", LINEAR);
    // Steps too small to change a weight: the validation loss stays what it is.
    let args =
        "train --data idx:data --model linear.toml --optimizer sgd --lr 1e-30 --early-stopping 2 --run r";
    let output = place.run(args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("stopped early: `validation/loss` did not improve"),
        "{}",
        stderr(&output)
    );
    let run = Contents::of(&place.path("logs/r"));
    let reason = &run.texts["stop_reason"];
    assert!(reason.starts_with("Stopped in epoch 3, step 3: ") && reason.contains("in 2 checks"), "{reason}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\n3 epochs, 3 steps"), "{output:?}");
    assert_eq!(run.steps("early_stopping/validation/loss/wait"), [1, 2, 3]);
    assert_eq!(Contents::of(&place.path("logs/r/validation")).steps("loss"), [1, 2, 3]);
}

#[test]
fn training_begins_with_the_weights_of_a_file() {
    let place = Workplace::new();
    place.write("linear.toml", LINEAR);
    let train = "train --data idx:data --optimizer sgd --epochs 1 --quiet";
    let first = place.run(&format!("{train} --model linear.toml --run first"));
    assert!(first.status.success(), "{}", stderr(&first));
    let last = |run: &str| place.path("logs").join(run).join("checkpoints").join(Checkpoint::LAST);
    // The file has a head that is left out here.
    let mut weights = Tensor::read_safetensors(last("first")).unwrap();
    weights.push(("head.bias".to_owned(), Tensor::ones([3], (Kind::Float, Device::Cpu))));
    Tensor::write_safetensors(&weights, place.path("with_head.safetensors")).unwrap();
    let head = "[[layer]]\nname = \"head\"\ntype = \"linear\"\nout_features = 3\n[[layer]]\ninputs = [\"flatten\"]\n";
    let with_head = format!(
        "auxiliary = [\"head\"]\n{}",
        LINEAR.replace("[[layer]]\nname = \"fc\"", &format!("{head}name = \"fc\""))
    );
    place.write("with_head.toml", &with_head);
    // Steps too small to change a weight, and another seed than the first run's.
    let again = "--model with_head.toml --weights with_head.safetensors --lr 1e-30 --seed 5 --run again";
    let again = place.run(&format!("{train} {again}"));
    assert!(again.status.success(), "{}", stderr(&again));
    let variables = |run: &str| {
        let store = linear();
        Checkpoint::load(&store, &last(run)).unwrap();
        store.variables()
    };
    let (first, again) = (variables("first"), variables("again"));
    assert_eq!(first.len(), 2);
    assert!(first.iter().all(|(name, variable)| variable.equal(&again[name])));
    let configuration = &Contents::of(&place.path("logs/again")).texts["configuration"];
    assert!(configuration.contains("with_head.safetensors |"), "{configuration}");
}

#[test]
fn a_loss_that_is_no_number_is_a_failure_where_it_is_watched() {
    let place = Workplace::new();
    place.write("linear.toml", LINEAR);
    let args =
        "train --data idx:data --model linear.toml --optimizer sgd --lr 1e38 --early-stopping 9 --run r";
    let output = place.run(args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("stopped early: `validation/loss` is "), "{}", stderr(&output));
    Checkpoint::load(&linear(), &place.path("logs/r/checkpoints").join(Checkpoint::LAST)).unwrap();
}

/// Of the 60 images, batches of 59 leave one; over a map of 1x1 it has no variance that BatchNorm could use.
#[test]
fn a_batch_that_cannot_pass_is_one_message_and_loses_nothing() {
    let place = Workplace::new();
    let pool = "[[layer]]\nname = \"pool\"\ntype = \"avg_pool2d\"\nkernel_size = 12\n\
                [[layer]]\nname = \"norm\"\ntype = \"batch_norm2d\"\n";
    place.write("one.toml", &LINEAR.replacen("[[layer]]", &format!("{pool}[[layer]]"), 1));
    let output = place
        .run("train --data idx:data --model one.toml --batch-size 59 --update-freq batch --quiet --run r");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.starts_with("error: ") && message.trim_end().lines().count() == 1, "{message}");
    for part in ["`norm`", "logs/r"] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert_eq!(Contents::of(&place.path("logs/r/train")).steps("loss"), [1]);
    assert!(Contents::of(&place.path("logs/r")).texts.contains_key("configuration"));
}

/// A limit on the size of files stands for a full disk. It leaves room for the checkpoints, not for histograms.
#[test]
#[cfg(target_os = "linux")]
fn a_training_that_could_not_be_written_tells_its_result_all_the_same() {
    let place = Workplace::new();
    place.write("linear.toml", LINEAR);
    let train =
        place.command("train --data idx:data --model linear.toml --epochs 3 --on-write-error warn --run r");
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(train.get_program())
        .args(train.get_args())
        .current_dir(place.path(""));
    let output = Running::start(&mut command).end();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let last = stderr(&output).lines().last().unwrap().to_owned();
    assert!(last.starts_with("error: ") && last.contains("File too large"), "{}", stderr(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, conclusion) = printed.split_once("\n3 epochs, 3 steps, ").unwrap_or_else(|| panic!("{printed}"));
    for part in ["accuracy", "logs/r\n", "best.safetensors, last.safetensors", "tensorboard --logdir logs"] {
        assert!(conclusion.contains(part), "no {part} in {conclusion}");
    }
    Checkpoint::load(&linear(), &place.path("logs/r/checkpoints").join(Checkpoint::LAST)).unwrap();
}

/// The variables of [`LINEAR`].
fn linear() -> nn::VarStore {
    let store = nn::VarStore::new(Device::Cpu);
    nn::linear(store.root() / "fc", (SIDE * SIDE) as i64, 3, Default::default());
    store
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_130_and_everything_written() {
    let place = Workplace::new();
    let mut command = place.command("train --data idx:data --epochs 1000000 --batch-size 16 --run r");
    let mut running = Running::start(&mut command);
    let train = place.path("logs/r/train");
    running.wait_until(|| Contents::of_growing(&train) > 0);
    let killed = Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("stopped early: interrupted by the user"), "{}", stderr(&output));

    let itself = Contents::of(&place.path("logs/r"));
    assert!(itself.texts["stop_reason"].contains("interrupted by the user"), "{:?}", itself.texts);
    assert!(!Contents::of(&train).scalars.is_empty());
    let checkpoints = place.path("logs/r/checkpoints");
    let store = nn::VarStore::new(Device::Cpu);
    let spec = ModelSpec::load(checkpoints.join("model.toml")).unwrap();
    let _network = Network::new(&store.root(), &spec).unwrap();
    Checkpoint::load(&store, &checkpoints.join(Checkpoint::LAST)).unwrap();
}

impl Contents {
    /// How many values there are so far in files that are being written.
    fn of_growing(folder: &Path) -> usize {
        let whole = |path: PathBuf| EventFileReader::open(path).unwrap().map_while(Result::ok);
        let events = event_files(folder).into_iter().flat_map(whole);
        events.filter(|event| matches!(event.what, Some(What::Summary(_)))).count()
    }
}
