//! The networks of the zoo against torchvision's: names and shapes of all tensors, and what they compute and cost.
//!
//! `tests/golden/zoo_torchvision.py` wrote the numbers and says what they are. Weights and image are a formula that both
//! sides repeat, in float64, so only the order of additions differs: relative errors of some 1e-16 each, which grow to
//! about 1e-13 through 152 layers. A wrong padding, stride or order of layers is off by 1e-3 and more.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, io::Read as _, sync::LazyLock};

use convscope::{
    Network,
    arch::{Linear, ModelSpec, zoo},
};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

/// Length of the pattern.
const PERIOD: i64 = 65_537;
/// How far the network's output may be off, relative to its largest value.
const OUTPUT_TOLERANCE: f64 = 1e-10;
/// How far a layer's projection may be off, relative to the layer's norm. The golden has nine digits.
const LAYER_TOLERANCE: f64 = 1e-8;

fn unpacked(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_slice(&unpacked("zoo_torchvision.json.gz")).unwrap());

fn golden(name: &str) -> &'static Value {
    &GOLDEN["networks"][name]
}

/// Numbers in [-1, 1): the upper 53 bits of SplitMix64, started at 0.
static PATTERN: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..PERIOD).map(|_| next()).collect()
});

/// The pattern, begun at a place that depends on the name: its FNV-1a hash.
fn pattern(name: &str) -> Tensor {
    let hash = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    Tensor::from_slice(&PATTERN).roll([-((hash % PERIOD as u64) as i64)], [0])
}

/// Sets all values to the pattern, again and again. Nothing as large as the tensor is made beside it.
fn fill(tensor: &Tensor, pattern: &Tensor) {
    let flat = tensor.view(-1);
    let count = flat.size()[0];
    for start in (0..count).step_by(PERIOD as usize) {
        let length = PERIOD.min(count - start);
        flat.narrow(0, start, length).copy_(&pattern.narrow(0, 0, length));
    }
}

fn filled(pattern: &Tensor, size: &[i64]) -> Tensor {
    let tensor = Tensor::empty(size, (Kind::Double, Device::Cpu));
    fill(&tensor, pattern);
    tensor
}

/// Weights spread by fan-in, small biases and means, scales and variances from 0.5 to 1.5.
fn fill_variable(name: &str, variable: &Tensor, gain: f64) {
    let u = pattern(name);
    let size = variable.size();
    let values = if size.len() >= 2 {
        u * (3.0 * gain / size[1..].iter().product::<i64>() as f64).sqrt()
    } else if name.ends_with("weight") || name.ends_with("running_var") {
        u * 0.5 + 1.0
    } else {
        u * 0.1
    };
    fill(variable, &values);
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn compare(name: &str) {
    let golden = golden(name);
    compare_state(&zoo::model(name, None, Some(1000)).unwrap(), golden);

    tch::set_num_threads(1); // there is a test for each core
    let input: [i64; 3] = integers(&golden["input"]).try_into().unwrap();
    let mut spec = zoo::model(name, Some(input), golden["classes"].as_i64()).unwrap();
    make_narrow(&mut spec, golden);
    let mut store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    store.double();
    let gain = golden["gain"].as_f64().unwrap();
    let _no_grad = tch::no_grad_guard();
    for (name, variable) in store.variables().into_iter().collect::<BTreeMap<_, _>>() {
        fill_variable(&name, &variable, gain);
    }
    let image = filled(&pattern("image"), &[1, input[0], input[1], input[2]]);
    let capture = network.tap().capture();
    let (output, auxiliary) = network.f_forward_auxiliary_t(&image, false).unwrap();
    let outputs = capture.finish().unwrap();

    let layers = golden["layers"].as_object().unwrap();
    let plain = Tensor::from_slice(&PATTERN);
    // In the network's order, so that the first layer that differs is the one to look at.
    let mut compared = 0;
    for output in &outputs {
        let Some(expected) = layers.get(&output.name) else { continue };
        let pattern = filled(&plain, &[output.tensor.numel() as i64]);
        let mean = |product: Tensor| product.mean(Kind::Double).double_value(&[]);
        let found = mean(output.tensor.reshape(-1) * &pattern);
        let scale = mean(output.tensor.square()).sqrt();
        let off = (found - expected.as_f64().unwrap()).abs() / scale;
        assert!(
            off < LAYER_TOLERANCE,
            "{name}: layer {} is off by {off:.1e} ({found}, {expected})",
            output.name
        );
        compared += 1;
    }
    assert_eq!(compared, layers.len(), "{name}: layers compared");

    assert_output(name, &output, &golden["output"]);
    assert_eq!(auxiliary.len(), usize::from(golden.get("auxiliary").is_some()), "{name}: auxiliary outputs");
    for (layer, found) in &auxiliary {
        assert_output(layer, found, &golden["auxiliary"]);
    }
}

/// Fewer outputs for some fully connected layers: the tables of VGG's are a hundred million weights.
fn make_narrow(spec: &mut ModelSpec, golden: &Value) {
    for (name, outputs) in golden["narrow"].as_object().unwrap() {
        let layer = spec.layers.iter_mut().find(|layer| layer.name == *name).unwrap();
        layer.layer = Linear::new(outputs.as_i64().unwrap()).into();
    }
}

fn assert_output(what: &str, found: &Tensor, expected: &Value) {
    let found = Vec::<f64>::try_from(found.reshape(-1)).unwrap();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.1, "{what}: an output that says something");
    for (found, expected) in found.iter().zip(&expected) {
        let off = (found - expected).abs() / largest;
        assert!(off < OUTPUT_TOLERANCE, "{what}: off by {off:.1e}: {found}, expected {expected}");
    }
}

/// Names and shapes of all tensors, the number of parameters, and the multiply-adds at the published size of images.
fn compare_state(spec: &ModelSpec, golden: &Value) {
    let name = &spec.name;
    let model = spec.resolve().unwrap();
    let found: BTreeMap<String, Vec<i64>> = model
        .layers
        .iter()
        .flat_map(|layer| {
            layer
                .params
                .iter()
                .map(move |param| (format!("{}.{}", layer.name, param.name), param.dims.clone()))
        })
        .collect();
    let mut expected = BTreeMap::new();
    for line in golden["state"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        if let Some(line) = line.strip_suffix(" i64") {
            assert!(line.trim_end().ends_with(".num_batches_tracked"), "{name}: {line}");
            continue;
        }
        let (name, dims) = line.split_once(' ').unwrap();
        expected.insert(name.to_owned(), dims.split('x').map(|dim| dim.parse().unwrap()).collect());
    }
    assert_eq!(found, expected, "{name}");
    assert_eq!(Some(spec.param_count().unwrap()), golden["params"].as_i64(), "{name}");
    assert_eq!(spec.input, [3, golden["size"].as_i64().unwrap(), golden["size"].as_i64().unwrap()], "{name}");
    let macs = spec.without_auxiliary().summary().unwrap().macs;
    assert_eq!(Some(macs), golden["macs"].as_i64(), "{name}: multiply-adds");
}

macro_rules! networks {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            compare(stringify!($name));
        })*

        #[test]
        fn all_of_the_golden_are_compared() {
            let mut compared = [$(stringify!($name)),*];
            compared.sort_unstable();
            let mut golden: Vec<&str> = GOLDEN["networks"].as_object().unwrap().keys().map(String::as_str).collect();
            golden.sort_unstable();
            assert_eq!(compared.as_slice(), golden);
        }
    };
}

networks! {
    alexnet
    vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn
    resnet18 resnet34 resnet50 resnet101 resnet152
    resnet50_v1 resnet101_v1 resnet152_v1
    mobilenet_v2 inception_v3 densenet121 squeezenet1_1
}

/// Both placements of the stride have the same tensors: only the numbers can tell them apart, and they do.
#[test]
fn a_stride_in_another_place_is_seen() {
    let [ours, papers] = ["resnet50", "resnet50_v1"].map(golden);
    assert_eq!(ours["state"], papers["state"]);
    let [ours, papers] = [ours, papers].map(|golden| numbers(&golden["output"]));
    let off = |(ours, papers): (&f64, &f64)| (ours - papers).abs();
    assert!(ours.iter().zip(&papers).map(off).fold(0.0, f64::max) > 0.1);
}

/// The file is what `safetensors.torch.save_file` wrote of torchvision's state dict; its k-th tensor holds (k + 1) / 64.
#[test]
fn weights_exported_from_torchvision_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squeezenet1_1.safetensors");
    fs::write(&path, unpacked("zoo_squeezenet1_1.safetensors.gz")).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &zoo::model("squeezenet1_1", None, Some(3)).unwrap()).unwrap();
    network.load_safetensors(&path).unwrap();
    let variables = store.variables();
    let state = golden("squeezenet1_1")["state"].as_array().unwrap();
    assert_eq!(state.len(), variables.len());
    for (k, line) in state.iter().enumerate() {
        let name = line.as_str().unwrap().split(' ').next().unwrap();
        let [least, most] =
            [variables[name].min(), variables[name].max()].map(|value| value.double_value(&[]));
        assert_eq!([least, most], [(k + 1) as f64 / 64.0; 2], "{name}");
    }

    let other = Network::new(&(store.root() / "other"), &zoo::model("squeezenet1_1", None, Some(4)).unwrap());
    let error = other.unwrap().load_safetensors(&path).unwrap_err().to_string();
    let expected = "2 of another shape: `classifier.1.weight` [3, 512, 1, 1] in the file and [4, 512, 1, 1] in the model, \
                    `classifier.1.bias` [3] in the file and [4] in the model";
    assert!(error.ends_with(expected), "{error}");
}
