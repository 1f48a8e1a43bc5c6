//! Weights from safetensors files: what fits is loaded, and of everything else nothing, with all reasons at once.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use convscope::{
    Network,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, ModelSpec},
    params::Filter,
};
use tch::{Device, Kind, Tensor, nn};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn spec(classes: i64) -> ModelSpec {
    ModelSpec::builder("small", [3, 8, 8])
        .layer("block.conv", Conv2d::new(4, 3).bias(false))
        .layer("block.bn", BatchNorm2d::new())
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(classes))
        .build()
        .unwrap()
}

/// libtorch's random generator is one for the process: who draws from it, or compares what it draws, does so alone.
static GENERATOR: Mutex<()> = Mutex::new(());

fn build(classes: i64) -> (nn::VarStore, Network) {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec(classes)).unwrap();
    (store, network)
}

/// A state dict for the network of ten classes, as PyTorch has it. Quarters: every kind of float holds them.
fn state() -> BTreeMap<String, Tensor> {
    let sizes: [(&str, &[i64]); 7] = [
        ("block.conv.weight", &[4, 3, 3, 3]),
        ("block.bn.weight", &[4]),
        ("block.bn.bias", &[4]),
        ("block.bn.running_mean", &[4]),
        ("block.bn.running_var", &[4]),
        ("fc.weight", &[10, 4]),
        ("fc.bias", &[10]),
    ];
    let values = |count: i64, first: i64| (Tensor::arange(count, CPU) + first).remainder(32) * 0.25;
    let tensors = sizes.iter().enumerate().map(|(first, (name, size))| {
        let count = size.iter().product();
        ((*name).to_owned(), values(count, first as i64).reshape(*size))
    });
    let counter = ("block.bn.num_batches_tracked".to_owned(), Tensor::from(7_i64));
    tensors.chain([counter]).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("model.safetensors")
    }

    fn write(&self, state: &BTreeMap<String, Tensor>) -> PathBuf {
        let tensors: Vec<(&String, &Tensor)> = state.iter().collect();
        Tensor::write_safetensors(&tensors, self.path()).unwrap();
        self.path()
    }

    fn write_bytes(&self, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(), bytes).unwrap();
        self.path()
    }
}

fn sorted(store: &nn::VarStore) -> BTreeMap<String, Tensor> {
    store.variables().into_iter().collect()
}

fn copies(store: &nn::VarStore) -> BTreeMap<String, Tensor> {
    sorted(store).into_iter().map(|(name, variable)| (name, variable.detach().copy())).collect()
}

/// The error of loading, after which nothing may have changed.
#[track_caller]
fn refusal(classes: i64, path: &PathBuf) -> String {
    let (store, network) = build(classes);
    let before = copies(&store);
    let error = network.load_safetensors(path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(!error.contains('\n'), "errors are one line: {error}");
    for (name, variable) in sorted(&store) {
        assert!(variable.equal(&before[&name]), "{name} changed");
    }
    error
}

#[test]
fn a_state_dict_is_loaded_and_counters_are_passed_over() {
    let place = Place::new();
    let path = place.write(&state());
    let (store, network) = build(10);
    let running_mean = store.variables()["block.bn.running_mean"].shallow_clone();
    network.load_safetensors(&path).unwrap();
    let state = state();
    for (name, variable) in sorted(&store) {
        assert!(variable.equal(&state[&name]), "{name}");
        assert_eq!(variable.requires_grad(), !name.contains("running_"), "{name}");
        assert!(variable.is_leaf(), "{name}");
    }
    assert!(running_mean.equal(&state["block.bn.running_mean"]), "the variable itself has the new values");

    // What is loaded is what computes.
    let images = Tensor::ones([1, 3, 8, 8], CPU);
    let norm = |name: &str| Some(&state[&format!("block.bn.{name}")]);
    let expected = images
        .conv2d(&state["block.conv.weight"], None::<Tensor>, 1, 0, 1, 1)
        .batch_norm(
            norm("weight"),
            norm("bias"),
            norm("running_mean"),
            norm("running_var"),
            false,
            0.1,
            1e-5,
            false,
        )
        .mean_dim([2, 3].as_slice(), false, Kind::Float)
        .linear(&state["fc.weight"], Some(&state["fc.bias"]));
    let found = network.f_forward_t(&images, false).unwrap();
    assert!(found.allclose(&expected, 1e-6, 1e-6, false), "{found} {expected}");
}

#[test]
fn floats_of_any_width_become_the_parameters_kind() {
    let place = Place::new();
    let state = state();
    for (index, kind) in [Kind::Half, Kind::BFloat16, Kind::Double].into_iter().enumerate() {
        let convert = |(name, tensor): (&String, &Tensor)| {
            (name.clone(), if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor.copy() })
        };
        let path = place.write(&state.iter().map(convert).collect());
        let (mut store, network) = build(10);
        let parameters = [Kind::Float, Kind::Double, Kind::Half][index];
        store.set_kind(parameters);
        network.load_safetensors(&path).unwrap();
        for (name, variable) in sorted(&store) {
            assert_eq!(variable.kind(), parameters, "{name}");
            assert!(variable.to_kind(Kind::Float).equal(&state[&name]), "{name} from {kind:?}");
        }
    }
}

#[test]
fn where_the_network_lies_in_its_store_does_not_matter() {
    let place = Place::new();
    let path = place.write(&state());
    let store = nn::VarStore::new(Device::Cpu);
    let deep = store.root() / "models" / "student";
    let network = Network::new(&deep, &spec(10)).unwrap();
    let other = store.root().zeros("other", &[2]);
    network.load_safetensors(&path).unwrap();
    assert!(store.variables()["models.student.fc.bias"].equal(&state()["fc.bias"]));
    assert!(other.equal(&Tensor::zeros([2], CPU)));

    let saved = place.0.path().join("saved.safetensors");
    network.save_safetensors(&saved).unwrap();
    let saved: BTreeMap<String, Tensor> = Tensor::read_safetensors(saved).unwrap().into_iter().collect();
    let mut expected = state();
    expected.remove("block.bn.num_batches_tracked");
    assert_eq!(saved.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in expected {
        assert!(saved[&name].equal(&tensor), "{name}");
    }
}

#[test]
fn every_mismatch_is_in_one_error() {
    let place = Place::new();
    let mut state = state();
    let weight = state.remove("fc.weight").unwrap();
    state.insert("fc.wieght".to_owned(), weight);
    state.insert("head\u{1b}[2J.weight".to_owned(), Tensor::ones([2, 2], CPU));
    state.insert("block.bn.bias".to_owned(), Tensor::ones([5], CPU));
    state.insert("block.bn.weight".to_owned(), Tensor::ones([4], (Kind::Int64, Device::Cpu)));
    state.insert("block.conv.weight".to_owned(), Tensor::ones([4, 3, 5, 5], (Kind::Bool, Device::Cpu)));
    let error = refusal(10, &place.write(&state));
    for part in [
        "these weights do not fit network `small`, and nothing was loaded; ",
        "; 1 in the model and not in the file: `fc.weight` [10, 4] (the file has `fc.wieght`); ",
        "; 2 in the file and not in the model: `fc.wieght` [10, 4], `head\\u{1b}[2J.weight` [2, 2]; ",
        "; 2 of another shape: `block.conv.weight` [4, 3, 5, 5] in the file and [4, 3, 3, 3] in the model, \
         `block.bn.bias` [5] in the file and [4] in the model; ",
        "; 2 of a kind that cannot be converted: `block.conv.weight` BOOL in the file and Float in the model, \
         `block.bn.weight` I64 in the file and Float in the model",
    ] {
        assert!(error.contains(part), "{part}\n{error}");
    }
    assert!(!error.contains("num_batches_tracked") && !error.contains("prefix"), "{error}");
}

#[test]
fn a_file_of_something_else_lists_everything() {
    let place = Place::new();
    let state = (0..1200).map(|index| (format!("w{index:04}"), Tensor::ones([1], CPU))).collect();
    let error = refusal(10, &place.write(&state));
    assert!(
        error.contains("7 in the model and not in the file: `block.conv.weight` [4, 3, 3, 3], "),
        "{error}"
    );
    assert!(error.contains("1200 in the file and not in the model: `w0000` [1], "), "{error}");
    assert!(error.ends_with("`w0999` [1] and 200 more"), "{error}");

    let error = refusal(10, &place.write(&BTreeMap::new()));
    assert!(error.contains("7 in the model and not in the file"), "{error}");
}

#[test]
fn a_common_prefix_is_explained() {
    let place = Place::new();
    let path = |prefix: &str, cut: &str| {
        let rename = |(name, tensor): (String, Tensor)| {
            (format!("{prefix}{}", name.strip_prefix(cut).unwrap_or(&name)), tensor)
        };
        place.write(&state().into_iter().map(rename).collect())
    };
    let error = refusal(10, &path("module.", ""));
    assert!(
        error.contains("all names in the file begin with `module.` and those of the model do not"),
        "{error}"
    );
    assert!(
        !error.contains("in the model and not in the file"),
        "the prefix is the only difference: {error}"
    );
    let error = refusal(5, &path("_orig_mod.module.", ""));
    assert!(error.contains("begin with `_orig_mod.module.`"), "{error}");
    assert!(
        error.contains("; 2 of another shape: `fc.weight` [10, 4] in the file and [5, 4] in the model"),
        "{error}"
    );

    let spec = ModelSpec::builder("inside", [3, 8, 8]).layer("body.conv", Conv2d::new(1, 1)).build().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let state = ["conv.weight", "conv.bias"].map(|name| {
        let size: &[i64] = if name.ends_with("bias") { &[1] } else { &[1, 3, 1, 1] };
        (name.to_owned(), Tensor::ones(size, CPU))
    });
    let error = network.load_safetensors(place.write(&state.into())).unwrap_err().to_string();
    assert!(
        error.contains("all names of the model begin with `body.` and those in the file do not"),
        "{error}"
    );
    assert!(!error.contains("not in the model"), "{error}");
}

#[test]
fn a_part_can_be_loaded() {
    let place = Place::new();
    let path = place.write(&state());
    let (store, network) = build(5);
    let before = copies(&store);
    let body = Filter::by(|name| !name.starts_with("fc."));
    network.load_safetensors_matching(&path, &body).unwrap();
    let state = state();
    for (name, variable) in sorted(&store) {
        let expected = if name.starts_with("fc.") { &before[&name] } else { &state[&name] };
        assert!(variable.equal(expected), "{name}");
    }
    // What is meant must be there.
    let head = Filter::prefixes(["fc"]);
    let error = network.load_safetensors_matching(&path, &head).unwrap_err().to_string();
    assert!(error.contains("2 of another shape") && !error.contains("block"), "{error}");
}

#[test]
fn files_of_other_formats_are_told_apart() {
    let place = Place::new();
    let missing = place.0.path().join("nowhere.safetensors");
    assert!(refusal(10, &missing).starts_with("cannot open "));
    for (bytes, expected) in [
        (&b""[..], "no safetensors file: it has 0 bytes"),
        (b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl", "a file of `torch.save`"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "a file of `torch.save`"),
        (b"PK\x03\x04\x00\x00\x08\x08\x00\x00", "safetensors.torch.save_file(model.state_dict()"),
        (b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull`"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00", "compressed by gzip"),
        (b"name = \"net\"\ninput = [1, 2, 3]", "no safetensors file: export the weights"),
        (
            b"\x02\x00\x00\x00\x00\x00\x00\x00{]",
            "no safetensors file, or a damaged one: its header is no JSON object",
        ),
    ] {
        let error = refusal(10, &place.write_bytes(bytes));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let folder = place.0.path().to_owned();
    assert!(refusal(10, &folder).starts_with("cannot "));
}

#[test]
fn files_cut_off_or_damaged_anywhere_are_refused() {
    let place = Place::new();
    let whole = fs::read(place.write(&state())).unwrap();
    let header_end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for end in (8..whole.len()).step_by(97).chain([header_end - 1, header_end, whole.len() - 1]) {
        let error = refusal(10, &place.write_bytes(&whole[..end]));
        assert!(error.contains("it is cut off: it h"), "cut to {end} of {}: {error}", whole.len());
    }
    let longer = [&whole[..], b"more"].concat();
    assert!(refusal(10, &place.write_bytes(&longer)).contains("4 bytes belong to no tensor"));

    // No byte of the header can be changed such that anything but a whole load or a refusal happens.
    let state = state();
    let mut refused = 0;
    for at in 0..header_end {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x15;
        let (store, network) = build(10);
        let before = copies(&store);
        let result = network.load_safetensors(place.write_bytes(&damaged));
        let expected = if result.is_ok() { &state } else { &before };
        for (name, variable) in sorted(&store) {
            assert!(variable.equal(&expected[&name]), "byte {at}, {result:?}: {name}");
        }
        refused += usize::from(result.is_err());
    }
    // In the counter's name alone, which is passed over, some bytes do not matter.
    assert!(refused > header_end / 2, "{refused} of {header_end}");
}

#[test]
fn loading_draws_nothing_from_the_generator() {
    let place = Place::new();
    let path = place.write(&state());
    let (_store, network) = build(10);
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(3);
    let expected = Tensor::rand([4], CPU);
    tch::manual_seed(3);
    network.load_safetensors(&path).unwrap();
    assert!(Tensor::rand([4], CPU).equal(&expected));
}
