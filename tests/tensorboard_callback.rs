//! What the TensorBoard callback writes, and on which steps.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::collections::{BTreeMap, HashSet};

use convscope::{
    CallbackList, Entry, Kind, MemorySink, Metrics, Schedule, Session, Step, TensorBoard,
    callback::{CONTINUE, ProbeImages, on_batch_end},
    capture::{Role, Tap},
    params::Filter,
};
use tch::{Device, Tensor, nn, nn::Module as _, nn::OptimizerConfig as _};

const BATCHES: u64 = 5;
const EPOCHS: u64 = 4;

fn options() -> (tch::Kind, Device) {
    (tch::Kind::Float, Device::Cpu)
}

/// Trains a hand-written model with probes for 4 epochs of 5 batches.
fn train(board: TensorBoard, tell_length: bool) -> Vec<Entry> {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let conv = nn::conv2d(&store.root() / "conv1", 1, 2, 3, nn::ConvConfig::default());
    let (conv_probe, relu_probe) =
        (tap.probe_as("conv1", Role::Convolution).unwrap(), tap.probe("relu1").unwrap());
    let fc = nn::linear(&store.root() / "fc", 2 * 16, 3, nn::LinearConfig::default());
    let forward = |x: &Tensor| {
        let x = relu_probe.forward(&conv_probe.forward(&x.apply(&conv)).relu());
        x.flat_view().apply(&fc)
    };
    let mut optimizer = nn::Sgd::default().build(&store, 1e-2).unwrap();
    let mut session = Session::new(&store, board, &mut sink).tap(&tap).model(forward);
    if tell_length {
        session = session.batches_per_epoch(BATCHES);
    }
    session.set_learning_rate(1e-2);
    for _ in 0..EPOCHS {
        for _ in 0..BATCHES {
            let mut scope = session.begin_step().unwrap().images(4);
            let images = Tensor::ones([4, 1, 6, 6], options()) * 0.5;
            let loss = forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 1, 2, 0]));
            scope.measure("accuracy", &Tensor::from(0.25)).unwrap();
            optimizer.backward_step(&loss);
            assert!(scope.end(&loss).unwrap().is_continue());
        }
        assert!(session.end_validation(&Metrics::from([("loss", 1.0)])).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
    }
    assert_eq!(session.finish().unwrap(), None);
    sink.entries
}

fn probe() -> ProbeImages {
    let images = Tensor::ones([2, 1, 6, 6], options()) * 0.5;
    ProbeImages::new(images.shallow_clone(), images, vec!["a".into(), "b".into()]).unwrap()
}

/// Steps by run and tag.
fn steps(entries: &[Entry]) -> BTreeMap<String, Vec<i64>> {
    let mut steps = BTreeMap::<String, Vec<i64>>::new();
    for entry in entries {
        steps.entry(format!("{}:{}", entry.run, entry.tag)).or_default().push(entry.step.get());
    }
    steps
}

#[test]
fn written_steps_are_the_scheduled_steps() {
    let epoch_ends = vec![5, 10, 15, 20];
    let cases = [
        ("epoch", Schedule::epoch(), Schedule::epoch(), epoch_ends.clone(), epoch_ends.clone()),
        ("batch", Schedule::batch(), Schedule::epochs(2), (1..=20).collect(), vec![10, 20]),
        ("4", Schedule::every(4), Schedule::every(7).from(Step::new(8)), vec![4, 8, 12, 16, 20], vec![14]),
        ("never", Schedule::every(4), Schedule::never(), vec![4, 8, 12, 16, 20], vec![]),
        // The last point of the scalars stands at the end of training, whatever the schedule.
        ("8", Schedule::every(8), Schedule::every(8), vec![8, 16, 20], vec![8, 16]),
        ("3 epochs", Schedule::epochs(3), Schedule::epochs(3), vec![15, 20], vec![15]),
    ];
    for tell_length in [true, false] {
        for (name, scalars, histograms, scalar_steps, histogram_steps) in cases.clone() {
            let board = TensorBoard::new().update_freq(scalars).histograms(histograms).probe_images(probe());
            for (tag, steps) in steps(&train(board, tell_length)) {
                let (run, tag) = tag.split_once(':').unwrap();
                let expected = match tag.split('/').next().unwrap() {
                    "probe_images" => &vec![0],
                    _ if run == "validation" => &epoch_ends,
                    "overhead_fraction" => &epoch_ends, // the session's own
                    "loss" | "accuracy" | "learning_rate" | "throughput" | "norm" => &scalar_steps,
                    _ => &histogram_steps,
                };
                assert_eq!(&steps, expected, "{tag} of {run}, schedule {name}, length told: {tell_length}");
            }
        }
    }
}

#[test]
fn tags_and_kinds_are_the_documented_ones() {
    let entries = train(TensorBoard::new().probe_images(probe()), true);
    let found: HashSet<(String, Kind)> =
        entries.iter().map(|entry| (format!("{}:{}", entry.run, entry.tag), entry.summary.kind())).collect();
    let mut expected = HashSet::new();
    let mut expect = |kind: Kind, tags: &[&str]| {
        expected.extend(tags.iter().map(|tag| {
            let tag = if tag.contains(':') { (*tag).to_owned() } else { format!("train:{tag}") };
            (tag, kind)
        }));
    };
    expect(
        Kind::Scalar,
        &[
            "loss",
            "accuracy",
            "validation:loss",
            "learning_rate",
            "throughput/images_per_second",
            "throughput/batches_per_second",
            "norm/weights",
            "norm/gradients",
            "health/non_finite",
            "health/without_gradient",
            "sparsity/relu1",
            "overhead_fraction", // the session's own
        ],
    );
    expect(Kind::Histogram, &["activations/conv1", "activations/relu1", "channel_sparsity/relu1"]);
    for param in ["conv1/weight", "conv1/bias", "fc/weight", "fc/bias"] {
        expect(Kind::Histogram, &[&format!("weights/{param}"), &format!("gradients/{param}")]);
        expect(Kind::Scalar, &[&format!("norm/weights/{param}"), &format!("norm/gradients/{param}")]);
    }
    expect(Kind::Image, &["filters/conv1", "feature_maps/conv1", "feature_maps/relu1", "probe_images"]);
    assert_eq!(found, expected);
}

#[test]
fn images_can_be_switched_off_and_on_in_any_order() {
    let off = [
        TensorBoard::new().write_images(false).probe_images(probe()),
        TensorBoard::new().probe_images(probe()).write_images(false),
    ];
    for board in off {
        let entries = train(board, true);
        assert!(entries.iter().all(|entry| entry.summary.kind() != Kind::Image));
        assert!(entries.iter().any(|entry| entry.summary.kind() == Kind::Histogram));
    }
    let on = TensorBoard::new().probe_images(probe()).write_images(false).write_images(true);
    assert!(steps(&train(on, true)).contains_key("train:feature_maps/relu1"));
}

#[test]
fn points_are_means_since_the_last_point_weighted_by_images() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, TensorBoard::new().update_freq(Schedule::every(2)), &mut sink);
    // (loss, images)
    for (loss, images) in [(1.0, 4), (4.0, 2), (3.0, 1), (5.0, 3), (7.0, 9)] {
        let scope = session.begin_step().unwrap().images(images);
        assert!(scope.end(&Tensor::from(loss)).unwrap().is_continue());
    }
    session.finish().unwrap();
    let losses: Vec<(i64, f64)> = sink
        .entries
        .iter()
        .filter(|entry| entry.tag.as_str() == "loss")
        .map(|entry| (entry.step.get(), entry.summary.as_scalar().unwrap()))
        .collect();
    // The last one is what was left over when training ended.
    assert_eq!(losses, [(2, 2.0), (4, 4.5), (5, 7.0)]);
}

#[test]
fn norms_equal_a_slow_twin() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let fc = nn::linear(&store.root() / "fc", 3, 2, nn::LinearConfig::default());
    let mut twin = (0.0, 0.0);
    {
        let check = on_batch_end(|cx, _| {
            let square = |t: &Tensor| -> f64 {
                let values: Vec<f64> =
                    t.detach().to_kind(tch::Kind::Double).reshape([-1]).try_into().unwrap();
                values.iter().map(|v| v * v).sum()
            };
            twin.0 = cx.params().iter().map(|p| square(p.tensor())).sum::<f64>().sqrt();
            twin.1 = cx
                .params()
                .iter()
                .filter_map(convscope::params::Param::grad)
                .map(|g| square(&g))
                .sum::<f64>()
                .sqrt();
            CONTINUE
        });
        let callbacks =
            CallbackList::new().with(TensorBoard::new().update_freq(Schedule::batch())).with(check);
        let mut session = Session::new(&store, callbacks, &mut sink);
        let scope = session.begin_step().unwrap();
        let loss = (fc.forward(&Tensor::ones([5, 3], options())) * 3.0).square().mean(tch::Kind::Float);
        loss.backward();
        assert!(scope.end(&loss).unwrap().is_continue());
        session.finish().unwrap();
    }
    let scalar = |tag: &str| {
        let entry = sink.entries.iter().find(|entry| entry.tag.as_str() == tag).unwrap();
        entry.summary.as_scalar().unwrap()
    };
    assert!((scalar("norm/weights") - twin.0).abs() <= 1e-6 * twin.0);
    assert!((scalar("norm/gradients") - twin.1).abs() <= 1e-6 * twin.1 && twin.1 > 0.0);
}

#[test]
fn values_that_are_not_finite_are_counted_not_drawn() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let mut bias = store.root().zeros("fc_bias", &[4]);
    tch::no_grad(|| bias.copy_(&Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0, -1.0])));
    let mut session = Session::new(&store, TensorBoard::new().histograms(Schedule::batch()), &mut sink);
    for _ in 0..2 {
        let scope = session.begin_step().unwrap();
        assert!(scope.end(&Tensor::from(0.5)).unwrap().is_continue());
        drop(tch::no_grad(|| bias.zero_()));
    }
    session.finish().unwrap();
    let series = |tag: &str| -> Vec<f64> {
        let entries = sink.entries.iter().filter(|entry| entry.tag.as_str() == tag);
        entries.map(|entry| entry.summary.as_scalar().unwrap()).collect()
    };
    assert_eq!(series("health/non_finite"), [2.0, 0.0]);
    assert_eq!(series("health/non_finite/weights/fc_bias"), [2.0, 0.0]);
}

/// The loop of the README: it never says that an epoch ended.
#[test]
fn a_loop_without_epochs_shows_everything_at_the_end() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let model = nn::seq()
        .add(nn::conv2d(store.root() / "block" / "conv1", 1, 2, 3, nn::ConvConfig::default()))
        .add_fn(Tensor::relu)
        .add(tap.probe("block.relu1").unwrap())
        .add_fn(Tensor::flat_view)
        .add(nn::linear(store.root() / "fc", 2 * 16, 3, nn::LinearConfig::default()));
    let mut optimizer = nn::Adam::default().build(&store, 1e-3).unwrap();
    let mut session = Session::new(&store, TensorBoard::new(), &mut sink).tap(&tap);
    for _ in 0..3 {
        let step = session.begin_step().unwrap();
        let images = Tensor::ones([2, 1, 6, 6], options());
        let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
        optimizer.backward_step(&loss);
        assert!(step.end(&loss).unwrap().is_continue());
    }
    session.finish().unwrap();
    let steps = steps(&sink.entries);
    for tag in [
        "loss",
        "norm/gradients/block/conv1/weight",
        "weights/block/conv1/weight",
        "gradients/block/conv1/weight",
        "activations/block/relu1",
        "sparsity/block/relu1",
        "filters/block/conv1",
    ] {
        assert_eq!(steps.get(&format!("train:{tag}")), Some(&vec![3]), "{tag} in {:?}", steps.keys());
    }
}

#[test]
fn filters_narrow_what_is_logged() {
    let board = TensorBoard::new()
        .params(Filter::prefixes(["conv1"]))
        .layers(Filter::prefixes(["relu1"]))
        .probe_images(probe());
    let steps = steps(&train(board, true));
    let has = |part: &str| steps.keys().any(|tag| tag.contains(part));
    assert!(
        has("weights/conv1") && has("filters/conv1") && has("activations/relu1") && has("feature_maps/relu1")
    );
    assert!(!has("/fc/") && !has("activations/conv1") && !has("feature_maps/conv1"), "{:?}", steps.keys());
}

#[test]
fn parameters_without_a_gradient_are_counted_and_frozen_filters_are_drawn() {
    let mut sink = MemorySink::default();
    let mut store = nn::VarStore::new(Device::Cpu);
    let _frozen = nn::conv2d(store.root() / "frozen", 1, 2, 3, nn::ConvConfig::default());
    store.freeze();
    let _unused = store.root().zeros("unused", &[3]);
    let mut session = Session::new(&store, TensorBoard::new().histograms(Schedule::batch()), &mut sink);
    assert!(session.begin_step().unwrap().end(&Tensor::from(0.5)).unwrap().is_continue());
    session.finish().unwrap();
    let entry = |tag: &str| sink.entries.iter().find(|entry| entry.tag.as_str() == tag);
    assert_eq!(entry("health/without_gradient").unwrap().summary.as_scalar(), Some(1.0));
    assert!(entry("filters/frozen").is_some());
    assert!(entry("weights/frozen/weight").is_none());
}

#[test]
fn presets_bound_the_number_of_tags() {
    use convscope::callback::Preset;
    let tags = |preset: Preset, board: TensorBoard| -> BTreeMap<String, Vec<i64>> {
        steps(&train(board.preset(preset).probe_images(probe()), true))
    };
    let full = tags(Preset::Full, TensorBoard::new());
    assert_eq!(full, steps(&train(TensorBoard::new().probe_images(probe()), true)));
    // Fewer than 16 layers: all of them.
    assert_eq!(tags(Preset::Standard, TensorBoard::new()), full);
    let economy = tags(Preset::Economy, TensorBoard::new());
    let expected = [
        "train:accuracy",
        "train:health/without_gradient",
        "train:learning_rate",
        "train:loss",
        "train:norm/gradients",
        "train:norm/weights",
        "train:overhead_fraction", // the session's
        "train:probe_images",
        "train:throughput/batches_per_second",
        "train:throughput/images_per_second",
        "validation:loss",
    ];
    assert_eq!(economy.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(economy.iter().all(|(tag, steps)| full[tag] == *steps));
}

/// Of 40 layers 16 have tags, the first and the last among them, and the totals are those of all.
#[test]
fn the_standard_preset_spreads_its_layers_over_a_deep_network() {
    use convscope::callback::Preset;
    let entries = |preset: Preset| -> Vec<Entry> {
        let mut sink = MemorySink::default();
        let store = nn::VarStore::new(Device::Cpu);
        tch::manual_seed(1);
        let layers: Vec<nn::Linear> = (0..40)
            .map(|n| nn::linear(store.root() / format!("fc{n:02}"), 3, 3, nn::LinearConfig::default()))
            .collect();
        let board = TensorBoard::new().preset(preset).histograms(Schedule::batch());
        let mut session = Session::new(&store, board.update_freq(Schedule::batch()), &mut sink);
        let scope = session.begin_step().unwrap();
        let input = Tensor::ones([2, 3], options());
        let loss = layers.iter().fold(input, |x, layer| layer.forward(&x)).mean(tch::Kind::Float);
        loss.backward();
        assert!(scope.end(&loss).unwrap().is_continue());
        session.finish().unwrap();
        sink.entries
    };
    let (standard, full) = (entries(Preset::Standard), entries(Preset::Full));
    for group in ["weights/", "gradients/", "norm/weights/", "norm/gradients/"] {
        let of = |entries: &[Entry]| {
            let tags = entries.iter().map(|entry| entry.tag.as_str().to_owned());
            tags.filter(|tag| tag.starts_with(group)).collect::<Vec<_>>()
        };
        let tags = of(&standard);
        assert_eq!((tags.len(), of(&full).len()), (32, 80), "{group}");
        assert!(tags[0].contains("fc00") && tags[31].contains("fc39"), "{tags:?}");
    }
    let total = |entries: &[Entry]| {
        let entry = entries.iter().find(|entry| entry.tag.as_str() == "norm/weights").unwrap();
        entry.summary.as_scalar().unwrap()
    };
    assert_eq!(total(&standard), total(&full));
}

/// A network whose layers' names are not in the order of depth: the spread is over the depth, and layers whose
/// parameters are not neighbours by name count once.
#[test]
fn the_standard_preset_keeps_the_first_and_the_last_layer_whatever_their_names() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let root = store.root();
    let linear = |path| nn::linear(path, 3, 3, nn::LinearConfig::default());
    // By name, `input.c` lies between the bias and the weight of `input`, and the middle would lose both ends.
    let mut layers = vec![linear(&root / "input"), linear(&root / "input" / "c")];
    layers.extend((0..25).map(|block| linear(&root / "z" / format!("{block:02}"))));
    layers.extend((0..11).map(|block| linear(&root / "a" / format!("{block:02}"))));
    layers.push(linear(&root / "head"));
    let board = TensorBoard::new().preset(convscope::callback::Preset::Standard);
    let mut session = Session::new(&store, board.histograms(Schedule::batch()), &mut sink);
    let scope = session.begin_step().unwrap();
    let loss = layers
        .iter()
        .fold(Tensor::ones([2, 3], options()), |x, layer| layer.forward(&x))
        .mean(tch::Kind::Float);
    loss.backward();
    assert!(scope.end(&loss).unwrap().is_continue());
    session.finish().unwrap();
    let tags: Vec<&str> =
        sink.entries.iter().filter_map(|e| e.tag.as_str().strip_prefix("weights/")).collect();
    assert_eq!(tags.len(), 32, "{tags:?}"); // weight and bias of 16 layers
    for layer in ["input", "head"] {
        assert!(tags.contains(&format!("{layer}/weight").as_str()), "{layer} in {tags:?}");
    }
}
