//! Diagnostics do no harm: training with everything on equals training with everything off, bit for bit.
//!
//! One test only: libtorch's random generator, which dropout draws from, is shared by the process.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::{collections::BTreeMap, path::Path};

use convscope::{
    Callback, CallbackList, Checkpoint, EarlyStopping, Interrupter, LogDir, Metrics, Needs, Network,
    Progress, Schedule, Session, SummaryWriter, TensorBoard,
    arch::ModelSpec,
    callback::{CONTINUE, Position, Preset, ProbeImages, on_batch_end},
    data::{Dataset, Normalization},
    diagnostics::{Architecture, ClassificationReport, Diagnosis, EffectiveReceptiveField},
    explain::{Explain, Settings, catalogue},
};
use tch::{Device, Kind, Tensor, nn, nn::ModuleT as _, nn::OptimizerConfig as _};

const STEPS: i64 = 30;

type Gradients = BTreeMap<String, Vec<u32>>;

/// A small network with all that training could disturb: batch normalisation and dropout.
const MODEL: &str = r#"
    name = "neutrality"
    input = [1, 12, 12]
    [[layer]]
    name = "conv1"
    type = "conv2d"
    out_channels = 4
    kernel_size = 3
    padding = 1
    [[layer]]
    name = "bn1"
    type = "batch_norm2d"
    [[layer]]
    name = "relu1"
    type = "relu"
    [[layer]]
    name = "pool1"
    type = "max_pool2d"
    kernel_size = 2
    [[layer]]
    name = "drop"
    type = "dropout"
    p = 0.5
    [[layer]]
    name = "flatten"
    type = "flatten"
    [[layer]]
    name = "fc"
    type = "linear"
    out_features = 3
"#;

/// Asks for everything that a session can capture.
struct Greedy;

impl Callback for Greedy {
    fn needs(&self, _: &Position) -> Needs {
        Needs::ACTIVATION_GRADIENTS
    }
}

fn images(step: i64) -> (Tensor, Tensor) {
    let mut random = fastrand_like(step);
    let pixels: Vec<f32> = (0..8 * 144).map(|_| random()).collect();
    let labels: Vec<i64> = (0..8).map(|i| (i + step) % 3).collect();
    (Tensor::from_slice(&pixels).reshape([8, 1, 12, 12]), Tensor::from_slice(&labels))
}

/// A generator of its own, so that the data draws nothing from libtorch's.
fn fastrand_like(seed: i64) -> impl FnMut() -> f32 {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

struct Training {
    store: nn::VarStore,
    network: Network,
    optimizer: nn::Optimizer,
}

impl Training {
    fn new() -> Training {
        tch::manual_seed(7);
        let store = nn::VarStore::new(Device::Cpu);
        let network = Network::new(&store.root(), &ModelSpec::from_toml(MODEL).unwrap()).unwrap();
        let optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
        Training { store, network, optimizer }
    }

    /// The bits of all variables, running statistics included, by name.
    fn variables(&self) -> Vec<(String, Vec<u32>)> {
        let mut variables: Vec<_> =
            self.store.variables().into_iter().map(|(name, t)| (name, bits(&t))).collect();
        variables.sort();
        variables
    }
}

/// The bits of every parameter's gradient, by name.
fn gradients(store: &nn::VarStore) -> Gradients {
    let of_trained = store.variables().into_iter().filter(|(_, variable)| variable.requires_grad());
    of_trained.map(|(name, variable)| (name, bits(&variable.grad()))).collect()
}

/// What a training left behind.
struct Outcome {
    variables: Vec<(String, Vec<u32>)>,
    losses: Vec<u32>,
    /// After every step, before the next one clears them.
    gradients: Vec<Gradients>,
}

/// A plain loop without anything of convscope but the network.
fn train_plainly() -> Outcome {
    let mut training = Training::new();
    let (mut losses, mut gradients_of_steps) = (Vec::new(), Vec::new());
    for step in 1..=STEPS {
        let (images, labels) = images(step);
        let loss = training.network.forward_t(&images, true).cross_entropy_for_logits(&labels);
        training.optimizer.backward_step(&loss);
        losses.extend(bits(&loss));
        gradients_of_steps.push(gradients(&training.store));
    }
    Outcome { variables: training.variables(), losses, gradients: gradients_of_steps }
}

/// Every explanation that there is, before training and every ten steps.
fn explain_everything(spec: &ModelSpec) -> Explain {
    let labels: Vec<i64> = (0..24).map(|i| i % 3).collect();
    let pixels = Tensor::cat(&[images(1).0, images(2).0, images(3).0], 0) + 0.5;
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let data = Dataset::new(&pixels, &Tensor::from_slice(&labels), classes).unwrap();
    let studies = catalogue().into_iter().map(|entry| (entry.make)(&Settings::default()).unwrap());
    Explain::of(&data, &Normalization::identity(1), Device::Cpu)
        .unwrap()
        .images(1)
        .unwrap()
        .per_class(1, 1)
        .unwrap()
        .spec(spec)
        .studies(studies)
        .schedule(Schedule::every(10))
}

/// The same with every callback, a real writer, and everything that a session can capture.
fn train_with_everything(folder: &Path) -> Outcome {
    let Training { store, network, mut optimizer } = Training::new();
    let (input, _) = images(999);
    let probe = ProbeImages::new(input.shallow_clone(), input.clamp(0.0, 1.0), Vec::new()).unwrap();
    let spec = ModelSpec::from_toml(MODEL).unwrap();
    let fields = spec.receptive_fields().unwrap();
    let callbacks = CallbackList::new()
        .with(Greedy)
        .with(Architecture::new(&spec))
        .with(Diagnosis::new().preset(Preset::Full).spec(&spec).schedule(Schedule::batch()))
        .with(
            EffectiveReceptiveField::new(&probe)
                .theoretical(fields)
                .layers(["conv1", "relu1", "pool1", "fc"])
                .schedule(Schedule::batch()),
        )
        .with(
            TensorBoard::new()
                .update_freq(Schedule::batch())
                .histograms(Schedule::batch())
                .probe_images(probe),
        )
        .with(ClassificationReport::new(["a", "b", "c"]).top_k(2))
        .with(explain_everything(&spec))
        .with(Checkpoint::new(folder.join("checkpoints")))
        .with(EarlyStopping::new("validation/loss").patience(1000))
        .with(Progress::lines(Vec::new()))
        .with(Interrupter::new())
        .with(on_batch_end(|cx, _| {
            assert!(cx.activation_gradients().is_some_and(|gradients| gradients.iter().any(Option::is_some)));
            CONTINUE
        }));
    let writer = SummaryWriter::open(folder).unwrap();
    let mut session = Session::new(&store, callbacks, writer.clone())
        .tap(network.tap())
        .model(|images| network.forward_t(images, false))
        .batches_per_epoch(10);
    let (mut losses, mut gradients_of_steps) = (Vec::new(), Vec::new());
    for step in 1..=STEPS {
        let (images, labels) = images(step);
        let mut scope = session.begin_step().unwrap().images(8);
        let logits = network.forward_t(&images, true);
        let loss = logits.cross_entropy_for_logits(&labels);
        scope.batch(&images, &labels, &logits).unwrap();
        scope.before_backward(&loss).unwrap();
        optimizer.zero_grad();
        loss.backward();
        scope.after_backward().unwrap();
        optimizer.step();
        assert!(scope.end(&loss).unwrap().is_continue());
        losses.extend(bits(&loss));
        // Behind the end of the step, whose callbacks run backward passes of their own.
        gradients_of_steps.push(gradients(&store));
        if step % 10 == 0 {
            let (images, labels) = self::images(1000 + step);
            let logits = tch::no_grad(|| network.forward_t(&images, false));
            assert!(session.validation_batch(&images, &labels, &logits).unwrap().is_continue());
            let metrics = Metrics::from([("loss", 1.0 / step as f64), ("accuracy", 0.5)]);
            assert!(session.end_validation(&metrics).unwrap().is_continue());
            assert!(session.end_epoch().unwrap().is_continue());
        }
    }
    session.finish().unwrap();
    writer.close().unwrap();
    let variables = Training { store, network, optimizer }.variables();
    Outcome { variables, losses, gradients: gradients_of_steps }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.detach().to_kind(Kind::Float).reshape([-1]).try_into().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn training_with_all_diagnostics_is_bit_identical() {
    let folder = tempfile::tempdir().unwrap();
    let Outcome { variables: variables_off, losses: losses_off, gradients: gradients_off } = train_plainly();
    let Outcome { variables: variables_on, losses: losses_on, gradients: gradients_on } =
        train_with_everything(folder.path());

    // The diagnostics did run.
    let written: u64 = ["train", "validation", "checkpoints"]
        .iter()
        .flat_map(|name| std::fs::read_dir(folder.path().join(name)).unwrap())
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(written > 1_000_000, "{written} bytes written");
    let logs = LogDir::open(folder.path()).unwrap();
    let tags = logs.run("train").unwrap().tags();
    for study in catalogue() {
        let below = format!("explain/{}", study.name);
        assert!(tags.iter().any(|info| info.tag.as_str().starts_with(&below)), "no {below}");
    }
    // The training did move.
    assert!(losses_off.windows(2).any(|pair| pair[0] != pair[1]));

    assert_eq!(losses_off, losses_on);
    assert_eq!(gradients_off.len(), gradients_on.len());
    for (step, (off, on)) in (1..).zip(gradients_off.iter().zip(&gradients_on)) {
        assert!(off.contains_key("conv1.weight") && off.keys().eq(on.keys()), "step {step}");
        for (name, gradient) in off {
            assert!(on[name] == *gradient, "step {step}: the gradient of {name} differs");
        }
    }
    let names =
        |variables: &[(String, Vec<u32>)]| variables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&variables_off), names(&variables_on));
    assert!(names(&variables_off).contains(&"bn1.running_mean".to_owned()));
    for ((name, off), (_, on)) in variables_off.iter().zip(&variables_on) {
        assert!(off == on, "{name} differs");
    }
}
