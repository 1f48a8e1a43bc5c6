//! Floor 5: parameters by name.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::params::{Filter, Param, Params};
use tch::{
    Device, Kind, Tensor,
    nn::{self, Module as _, ModuleT as _},
};

fn names(params: &Params) -> Vec<&str> {
    params.iter().map(Param::name).collect()
}

/// Layers whose names come in another order than they are made in.
fn store() -> (nn::VarStore, nn::Conv2D, nn::BatchNorm, nn::Linear) {
    let store = nn::VarStore::new(Device::Cpu);
    let path = store.root();
    let conv = nn::conv2d(&path / "stem" / "conv1", 1, 2, 3, nn::ConvConfig::default());
    let norm = nn::batch_norm2d(&path / "bn1", 2, nn::BatchNormConfig::default());
    let fc = nn::linear(&path / "fc", 2, 3, nn::LinearConfig::default());
    (store, conv, norm, fc)
}

#[test]
fn trainable_parameters_are_sorted_and_without_statistics() {
    let (mut store, ..) = store();
    let params = Params::trainable(&store);
    let all = ["bn1.bias", "bn1.weight", "fc.bias", "fc.weight", "stem.conv1.bias", "stem.conv1.weight"];
    assert_eq!(names(&params), all);
    assert_eq!(store.variables().len(), 8, "two more are running statistics");
    assert_eq!(params.value_count(), 2 + 2 + 3 + 6 + 2 + 18);

    let kernel = params.get("stem.conv1.weight").unwrap();
    assert_eq!(kernel.tag(), "stem/conv1/weight");
    assert!(kernel.is_conv_kernel());
    assert_eq!(params.iter().filter(|param| param.is_conv_kernel()).count(), 1);
    assert!(params.get("stem.conv1").is_none());

    store.freeze();
    assert!(Params::trainable(&store).is_empty());
}

#[test]
fn a_filter_picks_whole_parts_of_names() {
    let cases: [(Filter, &[&str]); 7] = [
        (Filter::all(), &["a", "a.weight", "ab.weight", "b/a.weight"]),
        (Filter::default(), &["a", "a.weight", "ab.weight", "b/a.weight"]),
        (Filter::prefixes(["a"]), &["a", "a.weight"]),
        (Filter::prefixes(["b", "a.weight"]), &["a.weight", "b/a.weight"]),
        (Filter::prefixes([""]), &["a", "a.weight", "ab.weight", "b/a.weight"]),
        (Filter::prefixes(Vec::<String>::new()), &[]),
        (Filter::by(|name| name.contains("ab")), &["ab.weight"]),
    ];
    for (filter, expected) in cases {
        let picked: Vec<&str> = ["a", "a.weight", "ab.weight", "b/a.weight"]
            .into_iter()
            .filter(|name| filter.matches(name))
            .collect();
        assert_eq!(picked, expected, "{filter:?}");
    }
}

#[test]
fn params_are_filtered_by_name() {
    let (store, ..) = store();
    let params = Params::trainable(&store).matching(&Filter::prefixes(["stem", "bn1"]));
    assert_eq!(names(&params), ["bn1.bias", "bn1.weight", "stem.conv1.bias", "stem.conv1.weight"]);
    assert_eq!(names(&params.matching(&Filter::by(|name| name.ends_with("bias")))).len(), 2);
}

#[test]
fn undefined_gradients_are_named() {
    let (store, conv, norm, fc) = store();
    let params = Params::trainable(&store);
    assert_eq!(params.without_gradient(), names(&params), "nothing has run backward yet");
    assert!(params.iter().all(|param| param.grad().is_none()));

    let images = Tensor::ones([2, 1, 4, 4], (Kind::Float, Device::Cpu));
    norm.forward_t(&conv.forward(&images), true).sum(Kind::Float).backward();
    assert_eq!(params.without_gradient(), ["fc.bias", "fc.weight"], "the loss does not reach them");

    fc.forward(&Tensor::ones([1, 2], (Kind::Float, Device::Cpu))).sum(Kind::Float).backward();
    assert!(params.without_gradient().is_empty());
    let gradient = params.get("fc.weight").unwrap().grad().unwrap();
    assert_eq!(Vec::<f32>::try_from(&gradient.flatten(0, -1)).unwrap(), [1.0; 6]);
}
