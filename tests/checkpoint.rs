//! Floor 6: checkpoints hold what they should, whole, and saving disturbs nothing.
#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use convscope::{Checkpoint, MemorySink, Metrics, Mode, Session};
use tch::{
    Device, Kind, Tensor, nn,
    nn::{ModuleT, OptimizerConfig as _},
};

/// A small CNN with parameters and BatchNorm's running statistics.
fn cnn(path: &nn::Path) -> nn::SequentialT {
    let convolution = nn::ConvConfig { padding: 1, ..Default::default() };
    nn::seq_t()
        .add(nn::conv2d(path / "conv", 1, 4, 3, convolution))
        .add(nn::batch_norm2d(path / "bn", 4, Default::default()))
        .add_fn(|x| x.relu().flatten(1, -1))
        .add(nn::linear(path / "fc", 4 * 6 * 6, 3, Default::default()))
}

/// The same values on every call, without libtorch's generator.
fn numbers(count: i64, seed: i64) -> Tensor {
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 12.9898 + seed * 78).sin()
}

fn set_variables(store: &nn::VarStore) {
    let sorted: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    tch::no_grad(|| {
        for (seed, (name, mut tensor)) in sorted.into_iter().enumerate() {
            let values = numbers(tensor.numel() as i64, seed as i64).reshape(tensor.size()) * 0.1;
            tensor.copy_(&if name.ends_with("running_var") { values.abs() + 1.0 } else { values });
        }
    });
}

fn train_step(model: &nn::SequentialT, optimizer: &mut nn::Optimizer, step: i64) -> Tensor {
    let images = numbers(5 * 36, step).reshape([5, 1, 6, 6]);
    let labels = Tensor::from_slice(&[0i64, 1, 2, 0, 1]);
    let loss = model.forward_t(&images, true).cross_entropy_for_logits(&labels);
    optimizer.backward_step(&loss);
    loss
}

fn values(store: &nn::VarStore) -> BTreeMap<String, Vec<f32>> {
    let flat = |tensor: Tensor| Vec::<f32>::try_from(tensor.reshape([-1])).unwrap();
    store.variables().into_iter().map(|(name, tensor)| (name, flat(tensor))).collect()
}

fn loaded(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let store = nn::VarStore::new(Device::Cpu);
    cnn(&store.root());
    Checkpoint::load(&store, path).unwrap();
    values(&store)
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn keeps_best_and_last() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("run/checkpoints");
    let store = nn::VarStore::new(Device::Cpu);
    let model = cnn(&store.root());
    set_variables(&store);
    let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
    let mut session =
        Session::new(&store, Checkpoint::new(&folder).monitor("validation/accuracy"), MemorySink::default());
    let mut after = Vec::new();
    for (epoch, accuracy) in [0.5, 0.75, 0.75, f64::NAN].into_iter().enumerate() {
        let scope = session.begin_step().unwrap();
        let loss = train_step(&model, &mut optimizer, epoch as i64);
        assert!(scope.end(&loss).unwrap().is_continue());
        after.push(values(&store));
        assert!(session.end_validation(&Metrics::from([("accuracy", accuracy)])).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
        assert_eq!(loaded(&folder.join(Checkpoint::LAST)), after[epoch]);
    }
    // A step after the last whole epoch, as when the user interrupts.
    let scope = session.begin_step().unwrap();
    let loss = train_step(&model, &mut optimizer, 9);
    assert!(scope.end(&loss).unwrap().is_continue());
    session.finish().unwrap();

    assert_eq!(
        loaded(&folder.join(Checkpoint::BEST)),
        after[1],
        "the second of two equal values is no better"
    );
    assert_eq!(loaded(&folder.join(Checkpoint::LAST)), values(&store));
    assert_ne!(values(&store), after[3]);
    assert_eq!(names(&folder), ["best.safetensors", "last.safetensors"], "no unfinished file stays");
}

#[test]
fn saving_does_not_disturb_training() {
    let run = |checkpoints: bool| {
        let folder = tempfile::tempdir().unwrap();
        let store = nn::VarStore::new(Device::Cpu);
        let model = cnn(&store.root());
        set_variables(&store);
        let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
        let mut losses = Vec::new();
        for step in 0..8 {
            losses.push(train_step(&model, &mut optimizer, step).double_value(&[]));
            if checkpoints {
                Checkpoint::save(&store, &folder.path().join("a.safetensors")).unwrap();
            }
        }
        (losses, values(&store))
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn every_difference_is_in_one_error_and_nothing_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let saved = nn::VarStore::new(Device::Cpu);
    let _ = saved.root().ones("same", &[2]);
    let _ = saved.root().ones("shape", &[1]); // would broadcast
    let _ = saved.root().ones("old", &[2]);
    Checkpoint::save(&saved, &path).unwrap();

    let store = nn::VarStore::new(Device::Cpu);
    let same = store.root().zeros("same", &[2]);
    let _ = store.root().zeros("shape", &[3]);
    let _ = store.root().zeros("new", &[2]);
    let error = Checkpoint::load(&store, &path).unwrap_err().to_string();
    for part in [
        path.to_str().unwrap(),
        "1 in the file and not in the model: `old` [2]",
        "1 of another shape: `shape` [1] in the file and [3] in the model",
        "1 in the model and not in the file: `new` [2]",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(same, Tensor::zeros([2], (Kind::Float, Device::Cpu)), "nothing was loaded");
}

#[test]
fn files_that_are_no_checkpoints_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let _ = store.root().ones("weight", &[2]);
    let path = folder.path().join("model.safetensors");
    let refusal = || Checkpoint::load(&store, &path).unwrap_err();

    assert!(refusal().is_io());
    fs::write(&path, b"not a checkpoint").unwrap();
    assert!(refusal().to_string().contains(path.to_str().unwrap()), "{}", refusal());
    Checkpoint::save(&store, &path).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(refusal().to_string().contains(path.to_str().unwrap()), "cut to {end} bytes: {}", refusal());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_known_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let below = file.join("checkpoints");
    let mut session = Session::new(&store, Checkpoint::new(&below), MemorySink::default());
    let error = session.begin_step().err().unwrap();
    assert!(error.is_io() && error.to_string().contains(below.to_str().unwrap()), "{error}");
}

#[test]
fn a_failed_save_keeps_the_file_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let store = nn::VarStore::new(Device::Cpu);
    let mut weight = store.root().ones("weight", &[2]);
    Checkpoint::save(&store, &path).unwrap();
    tch::no_grad(|| {
        let _ = weight.fill_(7.0);
    });
    // A folder in the place of the unfinished file makes writing fail, for root too.
    let in_the_way = folder.path().join("model.safetensors.unfinished");
    fs::create_dir(&in_the_way).unwrap();
    let error = Checkpoint::save(&store, &path).unwrap_err().to_string();
    assert!(error.contains(in_the_way.to_str().unwrap()), "{error}");

    Checkpoint::load(&store, &path).unwrap();
    assert_eq!(weight, Tensor::ones([2], (Kind::Float, Device::Cpu)));
}

#[test]
fn a_missing_monitor_is_an_error_and_last_only_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let _ = store.root().ones("weight", &[2]);
    let mut session = Session::new(&store, Checkpoint::new(folder.path()), MemorySink::default());
    let error = session.end_epoch().unwrap_err().to_string();
    assert!(error.contains("`validation/loss`"), "{error}");

    let mut session = Session::new(&store, Checkpoint::new(folder.path()).last_only(), MemorySink::default());
    assert!(session.end_epoch().unwrap().is_continue());
    session.finish().unwrap();
    assert_eq!(names(folder.path()), ["last.safetensors"]);
}

#[test]
fn the_order_of_settings_does_not_matter() {
    // The name suggests that smaller is better, and the best score of all is before the start.
    let scores = [9.0, 3.0, 5.0, 4.0];
    let orders: [fn(Checkpoint) -> Checkpoint; 3] = [
        |checkpoint| checkpoint.monitor("validation/score").mode(Mode::Max).start_from_epoch(2),
        |checkpoint| checkpoint.mode(Mode::Max).start_from_epoch(2).monitor("validation/score"),
        |checkpoint| checkpoint.start_from_epoch(2).monitor("validation/score").mode(Mode::Max),
    ];
    for (order, settings) in orders.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let store = nn::VarStore::new(Device::Cpu);
        let mut weight = store.root().ones("weight", &[2]);
        let checkpoint = settings(Checkpoint::new(folder.path()));
        let mut session = Session::new(&store, checkpoint, MemorySink::default());
        for score in scores {
            let _ = tch::no_grad(|| weight.fill_(score));
            assert!(session.end_validation(&Metrics::from([("score", score)])).unwrap().is_continue());
            assert!(session.end_epoch().unwrap().is_continue());
        }
        session.finish().unwrap();
        Checkpoint::load(&store, &folder.path().join(Checkpoint::BEST)).unwrap();
        assert_eq!(weight, Tensor::full([2], 5.0, (Kind::Float, Device::Cpu)), "order {order}");
    }
}

#[test]
fn last_only_with_settings_of_the_best_is_an_error() {
    let orders: [fn(Checkpoint) -> Checkpoint; 6] = [
        |checkpoint| checkpoint.last_only().monitor("validation/loss"),
        |checkpoint| checkpoint.monitor("validation/loss").last_only(),
        |checkpoint| checkpoint.last_only().mode(Mode::Min),
        |checkpoint| checkpoint.mode(Mode::Min).last_only(),
        |checkpoint| checkpoint.last_only().start_from_epoch(2),
        |checkpoint| checkpoint.start_from_epoch(2).last_only(),
    ];
    for settings in orders {
        let folder = tempfile::tempdir().unwrap();
        let store = nn::VarStore::new(Device::Cpu);
        let checkpoint = settings(Checkpoint::new(folder.path()));
        let mut session = Session::new(&store, checkpoint, MemorySink::default());
        let error = session.end_epoch().unwrap_err().to_string();
        assert!(error.contains("last_only found together with"), "{error}");
    }
}
