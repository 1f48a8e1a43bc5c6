//! Pixels that move a unit lie in its theoretical field, and with positive weights they fill it: on the networks of the
//! zoo, and to find out specs that are wrong.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use convscope::{
    Network,
    arch::{AvgPool2d, Conv2d, Layer, Linear, MaxPool2d, ModelSpec, ReceptiveFields, Shape, zoo},
    capture::{Role, Tap},
    diagnostics::{Containment, FieldCheck, ForwardGraph, LayerCheck, Unit, check_receptive_field},
};
use tch::{Device, Kind, Tensor, nn, nn::Module as _};

/// Numbers from `low` to `low + 1` that draw nothing from libtorch's generator.
fn numbers(seed: u64, low: f64, shape: &[i64]) -> Tensor {
    let mut random = fastrand::Rng::with_seed(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.f64() + low).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// The spec with average in place of maximum pooling, which lets all pixels of its window through.
fn with_averages(mut spec: ModelSpec) -> ModelSpec {
    for layer in &mut spec.layers {
        if let Layer::MaxPool2d(pool) = layer.layer {
            let MaxPool2d { kernel_size, stride, padding, ceil_mode, .. } = pool;
            layer.layer =
                AvgPool2d::new(kernel_size).stride(stride).padding(padding).ceil_mode(ceil_mode).into();
        }
    }
    spec
}

/// The spec up to where maps end or are brought to a fixed size: without the classifier, whose weights take long to make.
fn features(mut spec: ModelSpec) -> ModelSpec {
    let is_end =
        |layer: &Layer| matches!(layer, Layer::AdaptiveAvgPool2d(_) | Layer::GlobalAvgPool | Layer::Flatten);
    if let Some(end) = spec.layers.iter().position(|layer| is_end(&layer.layer)) {
        spec.layers.truncate(end);
    }
    spec
}

/// Every path lets something through: weights 1 / fan_in, batch normalisation the identity, biases 0.
fn make_positive(name: &str, tensor: &mut Tensor) {
    let fan_in: i64 = tensor.size().iter().skip(1).product();
    let _ = match name.rsplit('.').next() {
        Some("bias" | "running_mean") => tensor.fill_(0.0),
        _ => tensor.fill_(1.0 / fan_in as f64),
    };
}

/// Kernels that keep the size of what they see (He et al. 2015), from a generator of our own: the same in every run.
fn make_random(name: &str, tensor: &mut Tensor) {
    let fan_in: i64 = tensor.size().iter().skip(1).product();
    if tensor.dim() >= 2 {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        tensor.copy_(&(numbers(seed, -0.5, &tensor.size()) * (24.0 / fan_in as f64).sqrt()));
    }
}

/// A network in double precision.
fn network(spec: &ModelSpec, fill: impl Fn(&str, &mut Tensor)) -> (nn::VarStore, Network) {
    let mut store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), spec).unwrap();
    store.double();
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    tch::no_grad(|| variables.iter_mut().for_each(|(name, tensor)| fill(name, tensor)));
    (store, network)
}

/// About `count` layers, evenly from the first to the last.
fn spread(spec: &ModelSpec, count: usize) -> Vec<(String, Shape)> {
    let shapes = spec.output_shapes().unwrap();
    let step = shapes.len().div_ceil(count);
    shapes.into_iter().rev().step_by(step).collect()
}

/// Which rows and columns of the image a unit sees, by the solver.
fn seen(
    fields: &ReceptiveFields,
    layer: &str,
    (row, column): (i64, i64),
    [height, width]: [i64; 2],
) -> [Vec<i64>; 2] {
    let (whole, field) = (fields.unit_box(layer, row, column).unwrap(), fields.get(layer).unwrap());
    let axis = |start: i64, offsets: Vec<i64>, length: i64| {
        offsets.into_iter().map(|offset| start + offset).filter(|pixel| (0..length).contains(pixel)).collect()
    };
    [
        axis(whole.top, field.rows.support().unwrap().collect(), height),
        axis(whole.left, field.columns.support().unwrap().collect(), width),
    ]
}

/// Small images of the zoo's networks: not square, and as large as their deepest pooling needs.
const ZOO: [(&str, [i64; 3]); 8] = [
    ("default", [1, 28, 28]),
    ("lenet5", [1, 32, 32]),
    ("alexnet", [3, 95, 79]),
    ("resnet18", [3, 75, 90]),
    ("mobilenet_v2", [3, 66, 50]),
    ("squeezenet1_1", [3, 61, 47]), // no remainder: its first convolution has no padding
    ("inception_v3", [3, 75, 107]),
    ("dilated_context", [3, 40, 45]),
];

#[test]
fn with_positive_weights_a_unit_is_moved_by_all_that_it_sees_and_nothing_else() {
    for (name, input) in ZOO {
        let spec =
            with_averages(features(zoo::model(name, Some(input), Some(5)).unwrap().without_auxiliary()));
        let fields = spec.receptive_fields().unwrap();
        let (_store, network) = network(&spec, make_positive);
        let [channels, height, width] = input;
        // So small that no sum reaches the 6 at which ReLU6 closes.
        let images = numbers(3, 0.5, &[1, channels, height, width]) * 1e-6;
        let graph =
            ForwardGraph::run(|images| network.f_forward_t(images, false), network.tap(), &images).unwrap();
        let mut compared = 0;
        for (layer, shape) in spread(&spec, 6) {
            let Shape::Map { height: rows, width: columns, .. } = shape else { continue };
            let unit = (rows / 2, columns / 2);
            let field = graph.field(&layer, Unit::center()).unwrap();
            let moved = |row: i64, column: i64| field.map()[(row * width + column) as usize] != 0.0;
            let rows: Vec<i64> =
                (0..height).filter(|&row| (0..width).any(|column| moved(row, column))).collect();
            let columns: Vec<i64> =
                (0..width).filter(|&column| (0..height).any(|row| moved(row, column))).collect();
            assert_eq!([rows, columns], seen(&fields, &layer, unit, [height, width]), "{name}, {layer}");
            compared += 1;
        }
        assert!(compared >= 4, "{name}: {compared} layers compared");
    }
}

#[test]
fn with_random_weights_units_are_moved_from_inside_their_fields_only() {
    for (name, input) in [("default", [1, 28, 28]), ("lenet5", [1, 32, 32]), ("squeezenet1_1", [3, 37, 29])] {
        let spec = zoo::model(name, Some(input), Some(5)).unwrap();
        let (_store, network) = network(&spec, make_random);
        let [channels, height, width] = input;
        let images = numbers(4, -0.5, &[2, channels, height, width]);
        let forward = |images: &Tensor| network.f_forward_t(images, false);
        let check = check_receptive_field(forward, network.tap(), &spec, &images).unwrap();
        assert!(check.is_contained(), "{name}: {check}");
        assert_eq!(check.layers.len(), spec.layers.len());
        assert!(check.unobserved.is_empty() && check.unknown.is_empty(), "{name}: {check}");
        let is_told = |check: &&LayerCheck| !matches!(check.outcome, Containment::Indeterminate { .. });
        assert_eq!(check.layers.iter().filter(is_told).count(), spec.layers.len(), "{name}: {check}");
    }
}

/// What a layer does.
type Run = Box<dyn Fn(&Tensor) -> Tensor>;

/// A model as a user writes it, in tch's own layers, and the spec that fits.
struct Written {
    _store: nn::VarStore,
    tap: Tap,
    layers: Vec<(&'static str, Run)>,
}

impl Written {
    fn new() -> Written {
        let mut store = nn::VarStore::new(Device::Cpu);
        let config =
            |stride, padding, dilation| nn::ConvConfig { stride, padding, dilation, ..Default::default() };
        let root = store.root();
        let conv1 = nn::conv2d(&root / "conv1", 1, 2, 5, config(1, 2, 1));
        let conv2 = nn::conv2d(&root / "conv2", 2, 3, 3, config(2, 1, 1));
        let conv3 = nn::conv2d(&root / "conv3", 3, 2, 3, config(1, 2, 2));
        let fc = nn::linear(&root / "fc", 2 * 6 * 7, 4, Default::default());
        store.double();
        tch::no_grad(|| {
            store.variables().into_values().for_each(|mut variable| drop(variable.abs_()));
        });
        let layers: Vec<(&str, Run)> = vec![
            ("conv1", Box::new(move |x| conv1.forward(x))),
            ("conv2", Box::new(move |x| conv2.forward(x))),
            ("conv3", Box::new(move |x| conv3.forward(x))),
            ("fc", Box::new(move |x| fc.forward(&x.flatten(1, -1)))),
        ];
        Written { _store: store, tap: Tap::new(), layers }
    }

    fn forward(&self, images: &Tensor) -> Tensor {
        self.layers.iter().fold(images.shallow_clone(), |x, (name, layer)| {
            let output = layer(&x);
            self.tap.observe(name, Role::Convolution, &output);
            output
        })
    }

    fn check(&self, spec: &ModelSpec) -> FieldCheck {
        let images = numbers(1, 0.5, &[2, 1, 12, 14]);
        check_receptive_field(|images| Ok(self.forward(images)), &self.tap, spec, &images).unwrap()
    }
}

/// The right spec but for `change`.
fn spec(change: impl FnOnce(&mut Vec<(&'static str, Layer)>)) -> ModelSpec {
    let mut layers: Vec<(&'static str, Layer)> = vec![
        ("conv1", Conv2d::new(2, 5).padding(2).into()),
        ("conv2", Conv2d::new(3, 3).stride(2).padding(1).into()),
        ("conv3", Conv2d::new(2, 3).padding(2).dilation(2).into()),
        ("flatten", Layer::Flatten),
        ("fc", Linear::new(4).into()),
    ];
    change(&mut layers);
    let builder = ModelSpec::builder("written", [1, 12, 14]);
    layers.into_iter().fold(builder, |builder, (name, layer)| builder.layer(name, layer)).build().unwrap()
}

#[test]
fn the_right_spec_is_confirmed() {
    let check = Written::new().check(&spec(|_| ()));
    for layer in ["conv1", "conv2", "conv3", "fc"] {
        assert_eq!(check.get(layer), Some(&Containment::Inside), "{check}");
    }
    assert!(check.is_contained() && check.get("conv4").is_none());
    assert_eq!((check.unobserved.as_slice(), check.unknown.len()), (["flatten".to_owned()].as_slice(), 0));
    let text = check.to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.ends_with("\nnot compared, having no probe: `flatten`"), "{text}");
}

#[test]
fn a_probe_that_the_spec_does_not_know_is_no_success() {
    let mut model = Written::new();
    model.layers[1].0 = "conv_two";
    model.layers[2].0 = "Conv_3";
    let check = model.check(&spec(|_| ()));
    assert_eq!(check.layers.len(), 2, "{check}");
    assert_eq!(check.unobserved, ["conv2", "conv3", "flatten"]);
    assert_eq!(check.unknown, ["conv_two", "Conv_3"]);
    assert!(check.first_mismatch().is_none() && !check.is_contained(), "{check}");
    let text = check.to_string();
    assert!(text.contains("probe `Conv_3`: the spec has no such layer"), "{text}");
    assert!(text.contains("so it was not compared; did you mean `conv3`?"), "{text}");
}

#[test]
fn a_gradient_that_is_not_finite_is_not_blamed_on_the_spec() {
    let tap = Tap::new();
    let forward = |images: &Tensor| {
        // The root of 0 has an infinite slope, and 0 times it is NaN: at every pixel, for a unit that sees but one.
        let output = images + (images * 0.0).sqrt().sum(Kind::Double);
        tap.observe("relu", Role::Activation, &output);
        Ok(output)
    };
    let spec = ModelSpec::builder("one", [1, 4, 5]).layer("relu", Layer::Relu).build().unwrap();
    let check = check_receptive_field(forward, &tap, &spec, &numbers(1, 0.5, &[1, 1, 4, 5])).unwrap();
    assert_eq!(check.get("relu"), Some(&Containment::Indeterminate { non_finite: 20 }), "{check}");
    assert!(check.first_mismatch().is_none() && !check.is_contained());
    assert!(check.to_string().contains("20 pixels have a gradient that is NaN or infinite"), "{check}");
}

/// What a test changes in the spec.
type Change = fn(&mut Vec<(&'static str, Layer)>);

#[test]
fn wrong_specs_are_found_out() {
    let model = Written::new();
    let cases: [(&str, &str, &str, Change); 8] = [
        ("kernel smaller, same shape", "conv1", "sees too little", |l| {
            l[0].1 = Conv2d::new(2, 3).padding(1).into();
        }),
        ("kernel smaller", "conv1", "They differ by a few pixels", |l| {
            l[0].1 = Conv2d::new(2, 3).padding(2).into();
        }),
        ("padding", "conv1", "They differ by a few pixels", |l| l[0].1 = Conv2d::new(2, 5).padding(1).into()),
        ("padding on one side", "conv1", "is shifted", |l| {
            l[0].1 = Conv2d::new(2, 5).padding([3, 1, 2, 2]).into();
        }),
        ("stride", "conv2", "about twice", |l| l[1].1 = Conv2d::new(3, 3).padding(1).into()),
        ("dilation, same shape", "conv3", "sees too little", |l| {
            l[2].1 = Conv2d::new(2, 3).padding(1).into();
        }),
        ("channels", "conv2", "out_channels", |l| l[1].1 = Conv2d::new(4, 3).stride(2).padding(1).into()),
        ("a layer left out", "conv3", "sees too little", |l| {
            l.remove(0);
        }),
    ];
    for (what, layer, words, change) in cases {
        let check = model.check(&spec(change));
        let wrong = check.first_mismatch().unwrap_or_else(|| panic!("{what}: {check}"));
        // Without the first layer the spec's conv2 reads the image: already there too little is seen.
        let expected = if what == "a layer left out" { "conv2" } else { layer };
        assert_eq!(wrong.layer, expected, "{what}: {check}");
        assert!(check.to_string().contains(words), "{what}: {check}");
    }
}

#[test]
fn a_hole_of_the_spec_that_moves_the_unit_is_found() {
    // Both see 5 pixels from end to end, the spec's with holes.
    let holes = spec(|layers| layers[0].1 = Conv2d::new(2, 3).padding(2).dilation(2).into());
    let check = Written::new().check(&holes);
    assert_eq!(check.first_mismatch().unwrap().layer, "conv1");
    assert!(check.to_string().contains("hole between the taps"), "{check}");
}

#[test]
fn a_spec_that_sees_too_much_is_a_hint_only() {
    let check = Written::new().check(&spec(|layers| layers[0].1 = Conv2d::new(2, 7).padding(3).into()));
    assert!(check.is_contained());
    let Some(Containment::Smaller { unit, found, expected }) = check.get("conv1") else { panic!("{check}") };
    assert_eq!((*unit, found.height(), expected.height()), ((6, 7), 5, 7));
    assert!(check.to_string().contains("kernel_size or dilation of the spec is too large"), "{check}");
}

#[test]
fn dead_units_prove_nothing_and_arguments_are_checked() {
    let tap = Tap::new();
    let forward = |images: &Tensor| {
        let output = images * 0.0;
        tap.observe("dead", Role::Activation, &output);
        Ok(output)
    };
    let one = |name: &str| ModelSpec::builder("one", [1, 4, 4]).layer(name, Layer::Relu).build().unwrap();
    let images = Tensor::ones([1, 1, 4, 4], (Kind::Float, Device::Cpu));
    let check = check_receptive_field(forward, &tap, &one("dead"), &images).unwrap();
    assert_eq!(check.get("dead"), Some(&Containment::Indeterminate { non_finite: 0 }));
    assert!(check.first_mismatch().is_none() && !check.is_contained());
    assert!(check.to_string().contains("try other images"));

    let error = check_receptive_field(forward, &tap, &one("other"), &images).unwrap_err().to_string();
    assert!(error.contains("observed are [dead]") && error.contains("[other]"), "{error}");
    // Said before the model runs, which could not take these either.
    let fails = |_: &Tensor| -> convscope::Result<Tensor> { panic!("the model ran") };
    for size in [&[1, 1, 5, 4][..], &[1, 4, 4], &[]] {
        let images = Tensor::ones(size, (Kind::Float, Device::Cpu));
        let error = check_receptive_field(fails, &tap, &one("dead"), &images).unwrap_err().to_string();
        assert!(error.contains(&format!("{size:?}")) && error.contains("[1, 4, 4]"), "{error}");
    }
}

#[test]
fn gradients_that_are_not_finite_prove_nothing() {
    let spec =
        ModelSpec::builder("nan", [1, 6, 6]).layer("conv", Conv2d::new(1, 3).padding(1)).build().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    tch::no_grad(|| drop(store.variables().get_mut("conv.weight").unwrap().fill_(f64::NAN)));
    let images = Tensor::ones([1, 1, 6, 6], (Kind::Float, Device::Cpu));
    let forward = |images: &Tensor| network.f_forward_t(images, false);
    let check = check_receptive_field(forward, network.tap(), &spec, &images).unwrap();
    assert_eq!(check.get("conv"), Some(&Containment::Indeterminate { non_finite: 36 }), "{check}");
    assert!(!check.is_contained());
}
