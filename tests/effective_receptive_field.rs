//! Effective receptive fields against closed forms, slow twins, and hand-made units.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Schedule, Session, Step,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, ModelSpec, Padding, ReceptiveFields},
    callback::ProbeImages,
    capture::{Role, Tap},
    diagnostics::{EffectiveField, EffectiveReceptiveField, ForwardGraph, Unit, effective_receptive_field},
};
use tch::{Device, Kind, Tensor, nn};

/// n kernels of ones behind one another: profile of the field along an axis, its standard deviation √(n (k² - 1) / 12),
/// and how many rows hold 95 % of the mass.
struct Stack {
    layers: usize,
    kernel: i64,
    profile: &'static [f64],
    std: f64,
    width: usize,
}

const STACKS: [Stack; 8] = [
    Stack { layers: 1, kernel: 3, profile: &[1., 1., 1.], std: 0.816_496_580_927_726, width: 3 },
    Stack { layers: 2, kernel: 3, profile: &[1., 2., 3., 2., 1.], std: 1.154_700_538_379_251_5, width: 5 },
    Stack {
        layers: 3,
        kernel: 3,
        profile: &[1., 3., 6., 7., 6., 3., 1.],
        std: std::f64::consts::SQRT_2,
        width: 6,
    },
    Stack {
        layers: 4,
        kernel: 3,
        profile: &[1., 4., 10., 16., 19., 16., 10., 4., 1.],
        std: 1.632_993_161_855_452,
        width: 7,
    },
    Stack {
        layers: 5,
        kernel: 3,
        profile: &[1., 5., 15., 30., 45., 51., 45., 30., 15., 5., 1.],
        std: 1.825_741_858_350_553_8,
        width: 7,
    },
    Stack {
        layers: 10,
        kernel: 3,
        profile: &[
            1., 10., 55., 210., 615., 1452., 2850., 4740., 6765., 8350., 8953., 8350., 6765., 4740., 2850.,
            1452., 615., 210., 55., 10., 1.,
        ],
        std: 2.581_988_897_471_611,
        width: 11,
    },
    Stack { layers: 2, kernel: 5, profile: &[1., 2., 3., 4., 5., 4., 3., 2., 1.], std: 2.0, width: 8 },
    Stack {
        layers: 4,
        kernel: 5,
        profile: &[1., 4., 10., 20., 35., 52., 68., 80., 85., 80., 68., 52., 35., 20., 10., 4., 1.],
        std: 2.828_427_124_746_190_3,
        width: 11,
    },
];

/// A network in double precision with the weights that `fill` gives each parameter.
fn network(spec: &ModelSpec, fill: impl Fn(&str, &mut Tensor)) -> (nn::VarStore, Network) {
    let mut store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), spec).unwrap();
    store.double();
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    tch::no_grad(|| variables.iter_mut().for_each(|(name, tensor)| fill(name, tensor)));
    (store, network)
}

fn ones(_: &str, tensor: &mut Tensor) {
    let _ = tensor.fill_(1.0);
}

/// Numbers from -0.5 to 0.5 that draw nothing from libtorch's generator.
fn numbers(seed: u64, shape: &[i64]) -> Tensor {
    let mut random = fastrand::Rng::with_seed(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.f64() - 0.5).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn random(name: &str, tensor: &mut Tensor) {
    let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    tensor.copy_(&numbers(seed, &tensor.size()));
}

fn conv(channels: i64, kernel: i64) -> Conv2d {
    Conv2d::new(channels, kernel).bias(false)
}

fn field(network: &Network, images: &Tensor, layer: &str, unit: Unit) -> convscope::Result<EffectiveField> {
    effective_receptive_field(|images| network.f_forward_t(images, false), network.tap(), images, layer, unit)
}

#[test]
fn stacked_kernels_of_ones_have_the_profile_of_their_coefficients() {
    for Stack { layers, kernel, profile, std, width } in STACKS {
        let (height, wide) = (profile.len() as i64 + 3, profile.len() as i64 + 6);
        let mut builder = ModelSpec::builder("stack", [1, height, wide]);
        for layer in 0..layers {
            let conv = conv(1, kernel).padding((kernel - 1) / 2);
            builder = builder.layer(format!("conv{layer}"), Layer::Conv2d(conv));
        }
        let (_store, network) = network(&builder.build().unwrap(), ones);
        let images = numbers(1, &[2, 1, height, wide]);
        let field = field(&network, &images, &format!("conv{}", layers - 1), Unit::center()).unwrap();

        // The centre unit of an even side is the one behind the middle.
        let (top, left) =
            ((height / 2) as usize - profile.len() / 2, (wide / 2) as usize - profile.len() / 2);
        let at = |place: usize, first: usize| {
            place.checked_sub(first).and_then(|i| profile.get(i)).unwrap_or(&0.0)
        };
        for (pixel, value) in field.map().iter().enumerate() {
            let (row, column) = (pixel / wide as usize, pixel % wide as usize);
            assert_eq!(
                *value,
                at(row, top) * at(column, left),
                "{layers} layers of {kernel}: ({row}, {column})"
            );
        }
        assert_eq!(field.extent(0.95), [width; 2], "{layers} layers of {kernel}");
        assert_eq!(field.extent(1.0), [profile.len(); 2]);
        let last = profile.len() - 1;
        assert_eq!(field.support(), Some([(top, top + last), (left, left + last)]));
        let sum: f64 = profile.iter().sum();
        assert_eq!(field.mass(), sum * sum);
        for (spread, center) in field.spread().unwrap().into_iter().zip(field.center_of_mass().unwrap()) {
            assert!((spread - std).abs() < 1e-12, "{layers} layers of {kernel}: {spread}, not {std}");
            assert!((center - center.round()).abs() < 1e-12, "{center}");
        }
        assert_eq!((field.silent_images(), field.non_finite(), field.is_empty()), (0, 0, false));
    }
}

/// The same by moving every pixel a little, one at a time.
fn by_differences(forward: impl Fn(&Tensor) -> f64, image: &Tensor) -> Vec<f64> {
    const STEP: f64 = 1e-4;
    let size = image.size();
    let (channels, pixels) = (size[1], size[2] * size[3]);
    let flat: Vec<f64> = image.reshape([-1]).try_into().unwrap();
    let moved = |place: usize, by: f64| {
        let mut values = flat.clone();
        values[place] += by;
        forward(&Tensor::from_slice(&values).reshape(&size))
    };
    let slope = |place: usize| (moved(place, STEP) - moved(place, -STEP)) / (2.0 * STEP);
    (0..pixels)
        .map(|pixel| (0..channels).map(|channel| slope((channel * pixels + pixel) as usize).abs()).sum())
        .collect()
}

#[test]
fn a_random_network_equals_moving_every_pixel() {
    let spec = ModelSpec::builder("random", [2, 9, 8])
        .layer("conv1", conv(3, 3).padding(1))
        .layer("tanh1", Layer::Tanh)
        .layer("bn1", BatchNorm2d::new())
        .layer("conv2", conv(4, 3).stride(2))
        .layer("tanh2", Layer::Tanh)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(5))
        .build()
        .unwrap();
    let (_store, network) = network(&spec, |name, tensor| match name {
        "bn1.running_var" => drop(tensor.fill_(2.0)),
        name => random(name, tensor),
    });
    let images = numbers(3, &[3, 2, 9, 8]);
    type Output<'a> = &'a dyn Fn(&Tensor) -> Tensor;
    let cases: [(&str, Unit, Output<'_>); 5] = [
        ("tanh1", Unit::center(), &|y| y.select(3, 4).select(2, 4)),
        ("tanh2", Unit::center(), &|y| y.select(3, 1).select(2, 2)),
        ("conv2", Unit::at(0, 2).channel(3), &|y| y.select(3, 2).select(2, 0).select(1, 3)),
        ("fc", Unit::center(), &Tensor::shallow_clone),
        ("fc", Unit::center().channel(4), &|y| y.select(1, 4)),
    ];
    for (layer, unit, output) in cases {
        let forward = |image: &Tensor| {
            let outputs = network.forward_observed(image, false).unwrap();
            output(&outputs.get(layer).unwrap().tensor).sum(Kind::Double).double_value(&[])
        };
        let mut expected = vec![0.0; 72];
        for image in 0..3 {
            let slopes = by_differences(forward, &images.narrow(0, image, 1));
            expected.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope / 3.0);
        }
        let field = field(&network, &images, layer, unit).unwrap();
        for (pixel, (found, expected)) in field.map().iter().zip(&expected).enumerate() {
            assert!(
                (found - expected).abs() < 1e-7,
                "{layer}, {unit}, pixel {pixel}: {found}, not {expected}"
            );
        }
        assert!(field.mass() > 0.01, "{layer}: {}", field.mass());
    }
}

/// The smallest set by taking the largest value again and again.
fn slow_extent(mut sums: Vec<f64>, share: f64) -> usize {
    let wanted = share * sums.iter().sum::<f64>();
    let mut held = 0.0;
    for count in 0.. {
        if held >= wanted {
            return count;
        }
        let (largest, _) = sums.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        held += std::mem::take(&mut sums[largest]);
    }
    unreachable!()
}

#[test]
fn sums_equal_those_of_a_slow_twin() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..50 {
        let [height, width] = [random.usize(1..12), random.usize(1..12)];
        let map: Vec<f64> = (0..height * width).map(|_| random.f64().powi(3) + 0.01).collect();
        let field = EffectiveField::new(map.clone(), [height, width]).unwrap();
        let rows = (0..height).map(|y| (0..width).map(|x| map[y * width + x]).sum()).collect::<Vec<f64>>();
        let columns = (0..width).map(|x| (0..height).map(|y| map[y * width + x]).sum()).collect::<Vec<f64>>();
        for share in [0.1, 0.5, 0.7, 0.95] {
            let expected = [slow_extent(rows.clone(), share), slow_extent(columns.clone(), share)];
            assert_eq!(field.extent(share), expected, "{map:?}");
            assert_eq!(field.area(share), slow_extent(map.clone(), share));
        }
        assert_eq!((field.extent(1.0), field.area(1.0)), ([height, width], height * width));
        assert!((field.mass() - map.iter().sum::<f64>()).abs() < 1e-9);
        let total: f64 = map.iter().sum();
        let row = map.iter().enumerate().map(|(i, mass)| (i / width) as f64 * mass).sum::<f64>() / total;
        assert!((field.center_of_mass().unwrap()[0] - row).abs() < 1e-9);
    }
}

#[test]
fn of_equal_rows_the_first_count() {
    let field = EffectiveField::new(vec![1.0; 12], [4, 3]).unwrap();
    assert_eq!(field.extent(0.5), [2, 2]);
    assert_eq!(field.span(0.5), Some([(0, 1), (0, 1)]));
    assert_eq!(field.area(0.5), 6);
    for share in [0.0, -1.0, f64::NAN] {
        assert_eq!((field.extent(share), field.area(share), field.span(share)), ([0, 0], 0, None));
    }
    assert_eq!(field.extent(7.0), [4, 3]);
}

#[test]
fn numbers_that_are_not_finite_are_counted_and_have_no_mass() {
    let field = EffectiveField::new(vec![1.0, f64::NAN, f64::INFINITY, 3.0], [2, 2]).unwrap();
    assert_eq!((field.non_finite(), field.mass(), field.extent(1.0)), (2, 4.0, [2, 2]));
    assert!(!field.is_empty());
    let field = EffectiveField::new(vec![f64::NAN; 4], [2, 2]).unwrap();
    assert!(!field.is_empty(), "something moved");
    assert_eq!(
        (field.non_finite(), field.mass(), field.extent(1.0), field.span(1.0)),
        (4, 0.0, [0, 0], None)
    );
    assert_eq!(field.support(), Some([(0, 1), (0, 1)]));
    let field = EffectiveField::new(vec![f64::MAX; 4], [2, 2]).unwrap();
    assert_eq!(field.extent(0.5), [1, 1], "sums that overflow");
    for (map, size) in [(vec![1.0; 3], [2, 2]), (vec![], [0, 3]), (vec![], [3, 0]), (vec![-1.0], [1, 1])] {
        assert!(EffectiveField::new(map, size).is_err(), "{size:?}");
    }
}

#[test]
fn a_dead_unit_has_an_empty_field() {
    let spec = ModelSpec::builder("dead", [1, 6, 7])
        .layer("conv", conv(2, 3))
        .layer("relu", Layer::Relu)
        .build()
        .unwrap();
    let (_store, network) = network(&spec, |_, tensor| drop(tensor.fill_(-1.0)));
    // The sum over a positive image is negative, over a negative one positive.
    let images = numbers(1, &[2, 1, 6, 7]).abs() + 0.1;
    let dead = field(&network, &images, "relu", Unit::center()).unwrap();
    assert!(dead.is_empty());
    assert_eq!((dead.extent(0.95), dead.area(0.95), dead.silent_images()), ([0, 0], 0, 2));
    assert_eq!(
        (dead.support(), dead.span(0.95), dead.spread(), dead.center_of_mass()),
        (None, None, None, None)
    );

    let other = Tensor::cat(&[&images, &-&images], 0);
    let alive = field(&network, &other, "relu", Unit::center()).unwrap();
    assert_eq!((alive.silent_images(), alive.extent(1.0), alive.peak()), (2, [3, 3], 1.0));
}

#[test]
fn what_does_not_depend_on_the_images_is_empty() {
    let tap = Tap::new();
    let weight = Tensor::ones([3, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let forward = |images: &Tensor| {
        tap.observe("bias", Role::Other, &(&weight * 2.0));
        Ok(images.shallow_clone())
    };
    let images = Tensor::ones([3, 1, 4, 4], (Kind::Float, Device::Cpu));
    let field = effective_receptive_field(forward, &tap, &images, "bias", Unit::center()).unwrap();
    assert!(field.is_empty() && field.silent_images() == 3);
    assert!(!weight.grad().defined());
}

#[test]
fn a_flat_layer_sees_through_all_of_its_outputs_or_one() {
    let spec = ModelSpec::builder("flat", [1, 4, 6])
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(3).bias(false))
        .build()
        .unwrap();
    // Output 0 sees pixel 5 only, output 1 all, output 2 nothing.
    let (_store, network) = network(&spec, |_, tensor| {
        let _ = tensor.zero_();
        let _ = tensor.get(1).fill_(0.5);
        let _ = tensor.get(0).narrow(0, 5, 1).fill_(2.0);
    });
    let images = numbers(1, &[2, 1, 4, 6]);
    let of = |unit| field(&network, &images, "fc", unit).unwrap();
    assert_eq!(of(Unit::center().channel(0)).support(), Some([(0, 0), (5, 5)]));
    assert_eq!(of(Unit::center().channel(1)).extent(1.0), [4, 6]);
    assert!(of(Unit::center().channel(2)).is_empty());
    assert_eq!(of(Unit::center()).peak(), 2.5);
}

#[test]
fn single_and_double_precision_agree_and_images_stay_as_they_are() {
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let images = numbers(9, &[4, 1, 28, 28]).to_kind(Kind::Float);
    let graph =
        ForwardGraph::run(|images| network.f_forward_t(images, false), network.tap(), &images).unwrap();
    let single = graph.field("conv3", Unit::center()).unwrap();
    assert_eq!(single, graph.field("conv3", Unit::at(3, 3)).unwrap(), "the graph is kept");
    assert!(!images.requires_grad() && !images.grad().defined());
    assert!(store.variables().values().all(|variable| !variable.grad().defined()));

    let mut store = store;
    store.double();
    let double = field(&network, &images.to_kind(Kind::Double), "conv3", Unit::center()).unwrap();
    for (a, b) in single.map().iter().zip(double.map()) {
        assert!((a - b).abs() < 1e-4 * double.peak(), "{a} and {b}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let images = Tensor::zeros([1, 1, 28, 28], (Kind::Float, Device::Cpu));
    let fails = |images: &Tensor, layer: &str, unit: Unit| {
        field(&network, images, layer, unit).unwrap_err().to_string()
    };

    let unknown = fails(&images, "conv4", Unit::center());
    assert!(unknown.starts_with("layer `conv4`: ") && unknown.contains("`conv3`"), "{unknown}");
    for unit in [Unit::at(14, 0), Unit::at(0, -1), Unit::center().channel(32), Unit::at(i64::MAX, i64::MIN)] {
        let outside = fails(&images, "conv2", unit);
        assert!(outside.starts_with("layer `conv2`: ") && outside.contains("[1, 32, 14, 14]"), "{outside}");
    }
    assert!(fails(&images, "fc1", Unit::at(0, 0)).contains("[1, 128]"));
    let shape = fails(&images.get(0), "conv1", Unit::center());
    assert!(shape.contains("[1, 28, 28]") && shape.contains("[N, C, H, W]"), "{shape}");
    assert!(fails(&images.to_kind(Kind::Int64), "conv1", Unit::center()).contains("Int64"));
    assert!(fails(&Tensor::new(), "conv1", Unit::center()).contains("expected [N, C, H, W]"));

    let blind = |images: &Tensor| tch::no_grad(|| network.f_forward_t(images, false));
    let error =
        effective_receptive_field(blind, network.tap(), &images, "conv1", Unit::center()).unwrap_err();
    assert!(error.to_string().contains("`no_grad`"), "{error}");
    let other = |images: &Tensor| network.f_forward_t(images, false);
    let error = effective_receptive_field(other, &Tap::new(), &images, "conv1", Unit::center()).unwrap_err();
    assert!(error.to_string().contains("give the tap"), "{error}");
}

/// Runs two epochs of two steps without any training, and gives what the callback wrote.
fn run(callback: EffectiveReceptiveField, network: &Network, store: &nn::VarStore, told: bool) -> MemorySink {
    let mut sink = MemorySink::default();
    let mut session = Session::new(store, callback, &mut sink)
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    if told {
        session = session.batches_per_epoch(2);
    }
    let loss = Tensor::from(1.0);
    for _ in 0..2 {
        for _ in 0..2 {
            assert!(session.begin_step().unwrap().end(&loss).unwrap().is_continue());
        }
        assert!(session.end_epoch().unwrap().is_continue());
    }
    session.finish().unwrap();
    sink.entries.retain(|entry| entry.tag.as_str() != "overhead_fraction"); // the session's own
    sink
}

fn probe(shape: &[i64]) -> ProbeImages {
    let images = numbers(2, shape).to_kind(Kind::Float);
    ProbeImages::new(images.shallow_clone(), images + 0.5, Vec::new()).unwrap()
}

/// Steps at which a tag was written.
fn steps(sink: &MemorySink, tag: &str) -> Vec<i64> {
    let of_tag = |entry: &&convscope::Entry| entry.run == "train" && entry.tag.as_str() == tag;
    sink.entries.iter().filter(of_tag).map(|entry| entry.step.get()).collect()
}

#[test]
fn the_callback_writes_what_is_due_and_nothing_else() {
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let callback = || EffectiveReceptiveField::new(&probe(&[3, 1, 28, 28]));
    for (schedule, expected) in [
        (Schedule::epoch(), vec![0, 2, 4]),
        (Schedule::batch(), vec![0, 1, 2, 3, 4]),
        (Schedule::every(3), vec![0, 3]),
        (Schedule::epochs(2), vec![0, 4]),
        (Schedule::epoch().from(Step::new(3)), vec![4]),
        (Schedule::never(), vec![]),
    ] {
        // An epoch of unknown length is written when it has ended, one of known length with its last batch.
        for told in if schedule == Schedule::epochs(2) { vec![false, true] } else { vec![true] } {
            let fields = spec.receptive_fields().unwrap();
            let sink = run(callback().schedule(schedule).theoretical(fields), &network, &store, told);
            for tag in ["effective/conv1", "ratio/conv2", "effective_map/conv3", "growth"] {
                let tag = format!("receptive_field/{tag}");
                assert_eq!(steps(&sink, &tag), expected, "{tag} at {schedule:?}");
            }
            assert_eq!(sink.entries.len(), expected.len() * 10, "three tags of three layers, and the growth");
        }
    }
    let sink = run(callback().layers(["fc1", "relu2"]), &network, &store, true);
    let mut tags: Vec<&str> = sink.entries.iter().map(|entry| entry.tag.as_str()).collect();
    tags.sort_unstable();
    tags.dedup();
    let layers = ["effective/fc1", "effective/relu2", "effective_map/fc1", "effective_map/relu2", "growth"];
    assert_eq!(
        tags,
        layers.map(|tag| format!("receptive_field/{tag}")),
        "no ratio without a theoretical field"
    );
}

#[test]
fn the_scalars_are_those_of_the_field() {
    let spec = ModelSpec::builder("stack", [1, 9, 12])
        .layer("block.conv1", conv(1, 3).padding(1))
        .layer("block.conv2", Conv2d::new(1, [3, 5]).bias(false).padding([1, 2]))
        .build()
        .unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    tch::no_grad(|| store.variables().values_mut().for_each(|weight| drop(weight.fill_(1.0))));
    let fields = spec.receptive_fields().unwrap();
    let callback = EffectiveReceptiveField::new(&probe(&[1, 1, 9, 12])).theoretical(fields);
    let sink = run(callback, &network, &store, true);
    let scalar = |tag: &str| {
        let entry = sink.entries.iter().find(|entry| entry.tag.as_str() == tag).unwrap();
        entry.summary.as_scalar().unwrap()
    };
    // Rows 1 2 3 2 1, all of them for 95 %; columns 1 2 3 3 3 2 1, of which 15 are 100 % and 14 are 93 %.
    assert_eq!(scalar("receptive_field/effective/block/conv2"), 6.0);
    assert_eq!(scalar("receptive_field/ratio/block/conv2"), 1.0);
    assert_eq!(scalar("receptive_field/effective/block/conv1"), 3.0);
}

#[test]
fn the_callback_refuses_unknown_layers_and_does_without_a_model() {
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let callback = || EffectiveReceptiveField::new(&probe(&[2, 1, 28, 28]));

    let mut session = Session::new(&store, callback().layers(["conv9"]), MemorySink::default())
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    let error = session.begin_step().err().unwrap().to_string();
    assert!(error.contains("`conv9`") && error.contains("`conv1`"), "{error}");

    let mut sink = MemorySink::default();
    let mut session = Session::new(&store, callback(), &mut sink).tap(network.tap());
    drop(session.begin_step().unwrap());
    drop(session);
    assert!(sink.entries.is_empty());
}

#[test]
fn gradients_that_are_not_finite_are_written_as_nan() {
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    tch::no_grad(|| drop(store.variables().get_mut("conv2.weight").unwrap().fill_(f64::NAN)));
    let callback =
        EffectiveReceptiveField::new(&probe(&[2, 1, 28, 28])).theoretical(spec.receptive_fields().unwrap());
    let sink = run(callback, &network, &store, true);
    let scalars = |tag: &str| -> Vec<f64> {
        let of_tag = |entry: &&convscope::Entry| entry.tag.as_str() == tag;
        sink.entries.iter().filter(of_tag).map(|entry| entry.summary.as_scalar().unwrap()).collect()
    };
    for tag in ["effective/conv2", "ratio/conv2", "effective/conv3"] {
        let values = scalars(&format!("receptive_field/{tag}"));
        assert!(values.len() == 3 && values.iter().all(|value| value.is_nan()), "{tag}: {values:?}");
    }
    let above = scalars("receptive_field/effective/conv1");
    assert!(above.len() == 3 && above.iter().all(|size| *size > 0.0), "{above:?}");
    assert_eq!(steps(&sink, "receptive_field/effective_map/conv2"), [0, 2, 4]);
}

#[test]
fn fields_of_unknown_place_have_no_ratio_and_those_of_another_size_are_refused() {
    let spec = ModelSpec::builder("same", [1, 12, 12])
        .layer("conv1", conv(2, 3).padding(1))
        .layer("conv2", conv(2, 3).stride(2).padding(Padding::Same))
        .build()
        .unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let fields = ReceptiveFields::of_any_size(&spec).unwrap();
    assert_eq!(fields.get("conv2").unwrap().padding(), None);
    assert_eq!(fields.image_size(), None);
    let callback = EffectiveReceptiveField::new(&probe(&[2, 1, 12, 12])).theoretical(fields);
    let sink = run(callback, &network, &store, true);
    let count = |tag: &str| steps(&sink, &format!("receptive_field/{tag}")).len();
    assert_eq!((count("ratio/conv1"), count("ratio/conv2"), count("effective_map/conv2")), (3, 0, 3));

    let fields = spec.receptive_fields().unwrap();
    assert_eq!(fields.image_size(), Some([12, 12]));
    let callback = EffectiveReceptiveField::new(&probe(&[2, 1, 14, 12])).theoretical(fields);
    let mut session = Session::new(&store, callback, MemorySink::default())
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    let error = session.begin_step().err().unwrap().to_string();
    assert!(error.contains("14 x 12 pixels") && error.contains("solved for 12 x 12"), "{error}");
}
