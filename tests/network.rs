//! The network of a spec against the same network written by hand, and what can be seen of it while it runs.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::{
    Network,
    arch::{
        AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d, ModelSpec, Padding,
        ZeroPad2d,
    },
    capture::Role,
};
use tch::{
    Device, Kind, Tensor,
    nn::{self, ModuleT, OptimizerConfig as _},
};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn build(spec: &ModelSpec) -> (nn::VarStore, Network) {
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), spec).unwrap();
    (store, network)
}

/// Values from -1 to 1 that repeat nowhere near: no random generator is touched.
fn values(size: &[i64]) -> Tensor {
    let n: i64 = size.iter().product();
    (Tensor::arange(n, CPU) * 0.618_034).fmod(1.0).view(size) * 2.0 - 1.0
}

fn sorted_names(store: &nn::VarStore) -> Vec<String> {
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    names
}

fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "off by {difference}");
}

#[test]
fn a_network_can_be_sent_and_printed() {
    fn check<T: Send + std::fmt::Debug>() {}
    check::<Network>();
}

#[test]
fn parameters_have_state_dict_names() {
    let spec = ModelSpec::builder("resnet-like", [3, 8, 8])
        .layer("layer1.0.conv1", Conv2d::new(4, 3).padding(1).bias(false))
        .layer("layer1.0.bn1", BatchNorm2d::new())
        .layer("bn2", BatchNorm2d::new().affine(false))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(5))
        .build()
        .unwrap();
    let (store, network) = build(&spec);
    assert_eq!(
        sorted_names(&store),
        [
            "bn2.running_mean",
            "bn2.running_var",
            "fc.bias",
            "fc.weight",
            "layer1.0.bn1.bias",
            "layer1.0.bn1.running_mean",
            "layer1.0.bn1.running_var",
            "layer1.0.bn1.weight",
            "layer1.0.conv1.weight",
        ]
    );
    let trainable: i64 = store.trainable_variables().iter().map(|v| v.numel() as i64).sum();
    assert_eq!(trainable, spec.param_count().unwrap());
    assert_eq!(store.variables()["layer1.0.conv1.weight"].size(), [4, 3, 3, 3]);
    assert_eq!(store.variables()["fc.weight"].size(), [5, 256]);
    assert_eq!(network.tap().names(), ["bn2", "fc", "flatten", "layer1.0.bn1", "layer1.0.conv1"]);
    assert_eq!(network.spec(), &spec);
}

#[test]
fn a_second_network_in_the_same_place_is_refused() {
    let spec = ModelSpec::default_model(10).unwrap();
    let (store, _network) = build(&spec);
    let before = sorted_names(&store);
    let error = Network::new(&store.root(), &spec).unwrap_err().to_string();
    assert!(error.contains("layer `conv1`: there is a variable `conv1.weight` already"), "{error}");
    assert_eq!(sorted_names(&store), before);
    Network::new(&(store.root() / "second"), &spec).unwrap();
    assert!(store.variables().contains_key("second.conv1.weight"));
}

/// The default model written with tch's own functions.
fn default_by_hand(v: &std::collections::HashMap<String, Tensor>, x: &Tensor, train: bool) -> Tensor {
    let norm = |x: &Tensor, name: &str| {
        let of = |part: &str| Some(&v[&format!("{name}.{part}")]);
        x.batch_norm(of("weight"), of("bias"), of("running_mean"), of("running_var"), train, 0.1, 1e-5, false)
    };
    let mut x = x.shallow_clone();
    for (index, pad) in [(1, 2), (2, 1), (3, 1)] {
        x = x.conv2d(&v[&format!("conv{index}.weight")], None::<Tensor>, [1, 1], [pad, pad], [1, 1], 1);
        x = norm(&x, &format!("bn{index}")).relu().max_pool2d_default(2);
    }
    let x = x.flatten(1, -1).linear(&v["fc1.weight"], Some(&v["fc1.bias"])).relu();
    x.linear(&v["fc2.weight"], Some(&v["fc2.bias"]))
}

#[test]
fn the_default_model_equals_one_written_by_hand() {
    let mut spec = ModelSpec::default_model(10).unwrap();
    for layer in &mut spec.layers {
        if let Layer::Dropout(dropout) = &mut layer.layer {
            dropout.p = 0.0; // so that training can be compared as well
        }
    }
    let (store, network) = build(&spec);
    let x = values(&[4, 1, 28, 28]);
    for train in [true, false] {
        // By hand first, on copies: training moves the running statistics.
        let copies: std::collections::HashMap<_, _> =
            store.variables().into_iter().map(|(name, v)| (name, v.detach().copy())).collect();
        let expected = default_by_hand(&copies, &x, train);
        assert_same(&network.forward_t(&x, train), &expected);
        for part in ["bn1.running_mean", "bn3.running_var"] {
            assert_same(&store.variables()[part], &copies[part]);
        }
    }
    let moved = &store.variables()["bn1.running_mean"];
    assert!(moved.abs().max().double_value(&[]) > 0.0, "training moves the running mean");
}

#[test]
fn a_graph_with_branches_equals_one_written_by_hand() {
    let spec = ModelSpec::builder("graph", [3, 11, 9])
        .layer("pad", ZeroPad2d::new([1, 0, 2, 0]))
        .layer("stem", Conv2d::new(6, 3).stride(2).padding(Padding::Same).bias(false))
        .layer("relu", Layer::Relu)
        .layer("left", Conv2d::new(6, [1, 3]).padding([0, 1]).groups(3))
        .layer_from("right", ["relu"], Conv2d::new(6, 3).padding(2).dilation(2))
        .layer_from("sum", ["left", "right", "relu"], Layer::Add)
        .layer_from("cat", ["sum", "relu"], Layer::Concat)
        .layer("tanh", Layer::Tanh)
        .layer("adaptive", AdaptiveAvgPool2d::new([2, 3]))
        .layer("pool", Layer::GlobalAvgPool)
        .layer("softmax", Layer::Softmax)
        .build()
        .unwrap();
    let (store, network) = build(&spec);
    let v = store.variables();
    let x = values(&[2, 3, 11, 9]);
    let found = network.forward_observed(&x, false).unwrap();

    let pad = x.pad([2, 0, 1, 0], "constant", 0.0);
    // 12 rows and 11 columns, stride 2, kernel 3: one row below; one column on either side.
    let stem = pad.pad([1, 1, 0, 1], "constant", 0.0).conv2d(&v["stem.weight"], None::<Tensor>, 2, 0, 1, 1);
    let relu = stem.relu();
    let left = relu.conv2d(&v["left.weight"], Some(&v["left.bias"]), [1, 1], [0, 1], [1, 1], 3);
    let right = relu.conv2d(&v["right.weight"], Some(&v["right.bias"]), 1, 2, 2, 1);
    let sum = &left + &right + &relu;
    let cat = Tensor::cat(&[&sum, &relu], 1);
    let adaptive = cat.tanh().adaptive_avg_pool2d([2, 3]);
    let pooled = adaptive.mean_dim([2, 3].as_slice(), false, Kind::Float);
    let softmax = pooled.softmax(-1, Kind::Float);
    for (name, expected) in [
        ("pad", pad),
        ("stem", stem),
        ("left", left),
        ("right", right),
        ("sum", sum),
        ("cat", cat),
        ("adaptive", adaptive),
        ("pool", pooled),
        ("softmax", softmax),
    ] {
        assert_same(&found.get(name).unwrap().tensor, &expected);
    }
}

/// Every layer's real output has the shape that was worked out without libtorch.
#[test]
fn shapes_are_those_worked_out_beforehand() {
    let spec = ModelSpec::builder("shapes", [3, 23, 17])
        .layer("a", Conv2d::new(4, [5, 2]).stride([2, 1]).padding([0, 1, 2, 0]).dilation([1, 3]))
        .layer("b", MaxPool2d::new([3, 2]).stride([1, 2]).padding(Padding::Same))
        .layer("c", Conv2d::new(8, 1).stride(2).padding(Padding::Same).groups(2))
        .layer("d", MaxPool2d::new(2).padding([1, 0, 0, 1]))
        .layer("e", Layer::Flatten)
        .build()
        .unwrap();
    let (_store, network) = build(&spec);
    let outputs = network.forward_observed(&values(&[2, 3, 23, 17]), false).unwrap();
    for (output, (name, shape)) in outputs.iter().zip(spec.output_shapes().unwrap()) {
        assert_eq!((&output.name, &output.tensor.size()[1..]), (&name, shape.dims().as_slice()));
    }
}

#[test]
fn observing_gives_every_output_in_order_with_its_role() {
    let (_store, network) = build(&ModelSpec::default_model(10).unwrap());
    let x = values(&[2, 1, 28, 28]);
    let outputs = network.forward_observed(&x, false).unwrap();
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    let expected: Vec<&str> = network.spec().layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, expected);
    assert_eq!(outputs.get("conv2").unwrap().role, Role::Convolution);
    assert_eq!(outputs.get("relu4").unwrap().role, Role::Relu);
    assert_eq!(outputs.get("bn1").unwrap().role, Role::Normalization);
    assert!(outputs.get("fc2").unwrap().tensor.equal(&network.forward_t(&x, false)));
}

#[test]
fn an_armed_tap_sees_the_ordinary_forward_pass() {
    let (_store, network) = build(&ModelSpec::default_model(10).unwrap());
    let x = values(&[2, 1, 28, 28]);
    let quiet = network.forward_t(&x, false);

    let capture = network.tap().capture();
    let seen = network.forward_t(&x, false);
    let observed = network.forward_observed(&x, false).unwrap();
    let captured = capture.finish().unwrap();
    assert!(seen.equal(&quiet), "capturing changes nothing");
    assert_eq!(captured.len(), network.spec().layers.len(), "what is observed apart is not captured twice");
    for (one, other) in captured.iter().zip(&observed) {
        assert_eq!((&one.name, one.role), (&other.name, other.role));
        assert!(one.tensor.equal(&other.tensor));
    }
}

#[test]
fn what_was_captured_stays_what_it_was() {
    let (store, network) = build(&ModelSpec::default_model(10).unwrap());
    let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
    let x = values(&[4, 1, 28, 28]);
    let before = network.forward_observed(&x, false).unwrap();
    let copies: Vec<Tensor> = before.iter().map(|output| output.tensor.copy()).collect();

    let capture = network.tap().capture();
    let loss = network.forward_t(&x, true).square().mean(Kind::Float);
    optimizer.backward_step(&loss);
    // `finish` fails where an output was changed in place.
    let captured = capture.finish().unwrap();

    assert!(captured.get("bn1").unwrap().tensor.min().double_value(&[]) < 0.0, "ReLU left its input alone");
    for (output, copy) in before.iter().zip(&copies) {
        assert!(output.tensor.equal(copy), "{} was changed", output.name);
    }
}

#[test]
fn dropout_drops_while_training_only() {
    let spec = ModelSpec::builder("dropout", [8, 40, 40])
        .layer("maps", Layer::Dropout2d(Dropout::new().p(0.5)))
        .layer_from("values", ["input"], Dropout::new().p(0.25))
        .layer_from("sum", ["maps", "values"], Layer::Add)
        .build()
        .unwrap();
    let (_store, network) = build(&spec);
    let x = Tensor::ones([16, 8, 40, 40], CPU);
    assert!(network.forward_t(&x, false).equal(&(&x * 2)));

    let outputs = network.forward_observed(&x, true).unwrap();
    let values = &outputs.get("values").unwrap().tensor;
    let dropped = values.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    // 204,800 values: the standard deviation of the share is 0.001.
    assert!((dropped - 0.25).abs() < 0.006, "{dropped}");
    assert!((values.max().double_value(&[]) - 1.0 / 0.75).abs() < 1e-6);
    // Maps are dropped as a whole: constant, 0 or 2.
    let maps = &outputs.get("maps").unwrap().tensor;
    assert!(maps.amax([2, 3].as_slice(), false).equal(&maps.amin([2, 3].as_slice(), false)));
    let dropped = maps.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!((0.2..0.8).contains(&dropped), "{dropped}"); // 128 maps, standard deviation 0.044
}

#[test]
fn gradients_reach_every_parameter() {
    let (store, network) = build(&ModelSpec::default_model(10).unwrap());
    network.forward_t(&values(&[4, 1, 28, 28]), true).square().mean(Kind::Float).backward();
    for name in sorted_names(&store) {
        let variable = &store.variables()[&name];
        assert_eq!(variable.requires_grad(), !name.contains("running_"), "{name}");
        if variable.requires_grad() {
            assert!(variable.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0, "{name}");
        }
    }
}

#[test]
fn errors_say_which_layer() {
    let (_store, network) = build(&ModelSpec::default_model(10).unwrap());
    for size in [vec![2, 3, 28, 28], vec![2, 1, 32, 32], vec![1, 28, 28], vec![0, 1, 28, 28]] {
        let error = network.f_forward_t(&Tensor::zeros(&size, CPU), false).unwrap_err().to_string();
        let expected = format!("input of network `default`: found shape {size:?}, expected [N, 1, 28, 28]");
        assert!(error.contains(&expected), "{error}");
    }
    assert!(network.f_forward_t(&Tensor::new(), false).is_err(), "an undefined tensor");
    let bytes = Tensor::zeros([2, 1, 28, 28], (Kind::Uint8, Device::Cpu));
    let error = network.f_forward_t(&bytes, false).unwrap_err().to_string();
    assert!(error.starts_with("layer `conv1` (conv2d) on [2, 1, 28, 28] Uint8: "), "{error}");

    let spec = ModelSpec::builder("one value", [3, 2, 2])
        .layer("pool", MaxPool2d::new(2))
        .layer("bn", BatchNorm2d::new())
        .build()
        .unwrap();
    let (store, network) = build(&spec);
    let one = values(&[1, 3, 2, 2]);
    let error = network.f_forward_t(&one, true).unwrap_err().to_string();
    assert!(
        error.starts_with("layer `bn`: batch normalisation needs more than one value per channel"),
        "{error}"
    );
    assert!(network.f_forward_t(&one, false).is_ok());
    assert!(store.variables()["bn.running_var"].equal(&Tensor::ones([3], CPU)), "nothing was updated");
}

/// tch's trait leaves no other way.
#[test]
#[should_panic(expected = "input of network `default`: found shape [1, 3, 28, 28]")]
fn the_traits_forward_panics_with_the_error() {
    let (_store, network) = build(&ModelSpec::default_model(10).unwrap());
    let _ = network.forward_t(&values(&[1, 3, 28, 28]), false);
}

#[test]
fn an_invalid_spec_is_refused_before_anything_is_made() {
    let mut spec = ModelSpec::default_model(10).unwrap();
    spec.layers[4].inputs = vec!["nowhere".to_owned()];
    let store = nn::VarStore::new(Device::Cpu);
    let error = Network::new(&store.root(), &spec).unwrap_err().to_string();
    assert!(error.contains("layer `conv2`: field `inputs`: there is no layer `nowhere`"), "{error}");
    assert!(store.is_empty());
}

#[test]
fn parameters_have_the_kind_of_the_store() {
    let mut store = nn::VarStore::new(Device::Cpu);
    store.double();
    store.set_kind(Kind::Double);
    let spec = ModelSpec::builder("double", [1, 4, 4]).layer("conv", Conv2d::new(2, 3)).build().unwrap();
    let network = Network::new(&store.root(), &spec).unwrap();
    let x = values(&[1, 1, 4, 4]).to_kind(Kind::Double);
    assert_eq!(network.forward_t(&x, false).kind(), Kind::Double);
}

/// `a` feeds the output and, over a batch normalisation and a dropout, an auxiliary one.
fn with_head() -> ModelSpec {
    ModelSpec::builder("head", [2, 4, 4])
        .layer("a", Conv2d::new(3, 3))
        .layer("aux.bn", BatchNorm2d::new())
        .layer("aux.drop", Dropout::new())
        .layer("aux.pool", Layer::GlobalAvgPool)
        .layer("aux.fc", Linear::new(5))
        .layer_from("flatten", ["a"], Layer::Flatten)
        .layer("fc", Linear::new(5))
        .auxiliary("aux.fc")
        .build()
        .unwrap()
}

#[test]
fn auxiliary_outputs_come_with_the_output() {
    let (store, network) = build(&with_head());
    let images = values(&[3, 2, 4, 4]);
    let variables = store.variables();
    let (output, auxiliary) = network.f_forward_auxiliary_t(&images, false).unwrap();
    assert_same(&output, &network.f_forward_t(&images, false).unwrap());
    let [(name, head)] = auxiliary.as_slice() else { panic!("{auxiliary:?}") };
    assert_eq!(name, "aux.fc");
    let a = images.conv2d(
        &variables["a.weight"],
        Some(&variables["a.bias"]),
        [1_i64, 1],
        [0_i64, 0],
        [1_i64, 1],
        1,
    );
    let mean = (a / (1.0_f64 + 1e-5).sqrt()).mean_dim([2_i64, 3].as_slice(), false, None);
    assert_same(head, &mean.linear(&variables["aux.fc.weight"], Some(&variables["aux.fc.bias"])));
    // A network without a head has no auxiliary outputs.
    let (_, plain) = build(&with_head().without_auxiliary());
    assert!(plain.f_forward_auxiliary_t(&images, true).unwrap().1.is_empty());
}

#[test]
fn layers_of_a_head_run_when_someone_looks_or_trains() {
    let (store, network) = build(&with_head());
    let images = values(&[3, 2, 4, 4]);
    let mut mean = store.variables().remove("aux.bn.running_mean").unwrap();
    let observed = network.forward_observed(&images, false).unwrap();
    let names: Vec<&str> = observed.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["a", "aux.bn", "aux.drop", "aux.pool", "aux.fc", "flatten", "fc"]);
    let capture = network.tap().capture();
    drop(network.f_forward_t(&images, false).unwrap());
    assert_eq!(capture.finish().unwrap().iter().count(), 7);
    // In training with and without a capture alike: running statistics and random numbers do not depend on who looks.
    let mut statistics = |capture: bool| {
        drop(mean.zero_());
        tch::manual_seed(3);
        let capture = capture.then(|| network.tap().capture());
        drop(network.f_forward_t(&images, true).unwrap());
        drop(capture);
        (Vec::<f32>::try_from(&mean).unwrap(), Tensor::rand([1], CPU).double_value(&[0]))
    };
    let plain = statistics(false);
    assert!(plain.0.iter().any(|&value| value != 0.0));
    assert_eq!(statistics(true), plain);
    // In evaluation nobody runs it: a head that cannot run goes unnoticed until someone looks.
    drop(mean.resize_([1_i64]));
    assert_eq!(network.f_forward_t(&images, false).unwrap().size(), [3, 5]);
    let error = network.f_forward_auxiliary_t(&images, false).unwrap_err().to_string();
    assert!(error.contains("layer `aux.bn`"), "{error}");
}
