//! Models as graphs for the page Graphs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use convscope::{
    arch::{
        AvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d, ModelSpec, Padding, ZeroPad2d,
    },
    summary::{Attribute, GraphNode},
};
use proptest::prelude::*;

fn node<'g>(nodes: &'g [GraphNode], name: &str) -> &'g GraphNode {
    nodes.iter().find(|node| node.name() == name).unwrap_or_else(|| panic!("no {name} in {nodes:?}"))
}

fn attributes(node: &GraphNode) -> BTreeMap<&str, Attribute> {
    node.attributes().iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

fn ints(numbers: &[i64]) -> Attribute {
    numbers.to_vec().into()
}

fn residual() -> ModelSpec {
    ModelSpec::builder("residual net", [3, 32, 32])
        .layer("stem", Conv2d::new(8, 3).padding(Padding::Same).stride(2))
        .layer("layer1.0.conv1", Conv2d::new(8, 3).padding(1).groups(8).bias(false))
        .layer("layer1.0.bn1", BatchNorm2d::new())
        .layer_from("layer1.0.add", ["layer1.0.bn1", "stem"], Layer::Add)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("dropout", Dropout::new().p(0.25))
        .layer("fc", Linear::new(10))
        .build()
        .unwrap()
}

#[test]
fn layers_are_nodes_in_boxes_with_all_that_is_known() {
    let graph = residual().graph().unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(GraphNode::name).collect();
    assert_eq!(
        names,
        ["input", "stem", "layer1/0/conv1", "layer1/0/bn1", "layer1/0/add", "pool", "dropout", "fc"]
    );
    let image = &graph.nodes()[0];
    assert_eq!((image.op(), image.output_shapes()), ("Input", &[vec![-1, 3, 32, 32]][..]));

    let conv = node(graph.nodes(), "layer1/0/conv1");
    assert_eq!((conv.op(), conv.inputs()), ("Conv2d", &["stem".to_owned()][..]));
    assert_eq!(conv.output_shapes(), [[-1, 8, 16, 16]]);
    let expected = [
        ("layer", "layer1.0.conv1".into()),
        ("in_channels", 8.into()),
        ("out_channels", 8.into()),
        ("kernel_size", ints(&[3, 3])),
        ("stride", ints(&[1, 1])),
        ("padding", ints(&[1, 1])),
        ("dilation", ints(&[1, 1])),
        ("groups", 8.into()),
        ("bias", false.into()),
        ("parameters", 72.into()),
        ("multiply_adds", (8 * 9 * 16 * 16).into()),
        ("receptive_field", ints(&[7, 7])),
        ("receptive_field_stride", ints(&[2, 2])),
        ("receptive_field_padding", ints(&[2, 2])),
        ("receptive_field_aligned", true.into()),
        ("receptive_field_density", 1.0.into()),
    ];
    assert_eq!(attributes(conv), expected.into());

    let add = node(graph.nodes(), "layer1/0/add");
    assert_eq!((add.op(), add.inputs()), ("Add", &["layer1/0/bn1".to_owned(), "stem".to_owned()][..]));
    let stem = node(graph.nodes(), "stem").attributes();
    assert_eq!(stem["padding"], ints(&[0, 1, 0, 1]), "TensorFlow's SAME of a stride of 2 over 32 pixels");
    let fc = node(graph.nodes(), "fc");
    assert_eq!(fc.output_shapes(), [[-1, 10]]);
    assert_eq!((&fc.attributes()["in_features"], &fc.attributes()["parameters"]), (&8.into(), &90.into()));
    assert!(!fc.attributes().contains_key("receptive_field_stride"), "every unit sees the whole image");
    assert_eq!(node(graph.nodes(), "dropout").attributes()["p"], 0.25.into());
}

#[test]
fn fields_behind_a_conflict_of_strides_are_left_out() {
    let spec = ModelSpec::builder("conflict", [1, 8, 8])
        .layer("pooled", MaxPool2d::new(2))
        .layer_from("window", ["input"], AvgPool2d::new(5).stride(1))
        .layer_from("concat", ["pooled", "window"], Layer::Concat)
        .layer("relu", Layer::Relu)
        .build()
        .unwrap();
    let graph = spec.graph().unwrap();
    assert!(node(graph.nodes(), "window").attributes().contains_key("receptive_field"));
    for behind in ["concat", "relu"] {
        let attributes = attributes(node(graph.nodes(), behind));
        assert_eq!(attributes.keys().copied().collect::<Vec<_>>(), ["layer", "multiply_adds", "parameters"]);
    }
}

#[test]
fn sides_of_padding_that_differ_are_four() {
    let spec = ModelSpec::builder("pad", [1, 8, 8]).layer("pad", ZeroPad2d::new([0, 1, 2, 3])).build();
    let graph = spec.unwrap().graph().unwrap();
    assert_eq!(graph.nodes()[1].attributes()["padding"], ints(&[0, 1, 2, 3]));
}

#[test]
fn the_conceptual_graph_has_the_classes_of_keras() {
    let graph = residual().conceptual_graph().unwrap();
    assert_eq!(graph.name(), "residual net");
    let layers: Vec<(&str, &str)> =
        graph.layers().iter().map(|layer| (layer.name(), layer.class())).collect();
    let expected = [
        ("input", "InputLayer"),
        ("stem", "Conv2D"),
        ("layer1/0/conv1", "DepthwiseConv2D"),
        ("layer1/0/bn1", "BatchNormalization"),
        ("layer1/0/add", "Add"),
        ("pool", "GlobalAveragePooling2D"),
        ("dropout", "Dropout"),
        ("fc", "Dense"),
    ];
    assert_eq!(layers, expected);
    assert_eq!(graph.layers()[4].inputs(), ["layer1/0/bn1", "stem"]);
}

#[test]
fn names_that_break_the_page_get_an_end() {
    let spec = ModelSpec::builder("__proto__", [1, 8, 8])
        .layer("constructor", Layer::Relu)
        .layer("block.toString.conv", Conv2d::new(1, 3))
        .layer("constructor_", Layer::Relu)
        .layer("block", Layer::Relu) // beside a box of its name
        .build()
        .unwrap();
    let graph = spec.graph().unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(GraphNode::name).collect();
    assert_eq!(names, ["input", "constructor__", "block/toString__/conv", "constructor_", "block"]);
    assert_eq!(graph.nodes()[1].attributes()["layer"], "constructor".into());
    assert_eq!(graph.nodes()[2].inputs(), ["constructor__"]);
    let layers = spec.conceptual_graph().unwrap();
    assert_eq!((layers.name(), layers.layers()[1].name()), ("__proto___", "constructor__"));
}

/// Any part of a layer's name, and those that mean something to the page.
fn any_part() -> impl Strategy<Value = String> {
    let special = ["constructor", "__proto__", "toString", "valueOf", "input", "_", "-", "0"];
    prop_oneof![
        (prop::sample::select(special.to_vec()), 0..3_usize)
            .prop_map(|(part, ends)| part.to_owned() + &"_".repeat(ends)),
        "[a-zA-Z0-9_-]{1,4}",
    ]
}

proptest! {
    #[test]
    fn every_model_has_both_graphs(
        name in ".{0,6}",
        layers in prop::collection::btree_set(prop::collection::vec(any_part(), 1..4), 1..12),
    ) {
        let names: Vec<String> = layers.iter().map(|parts| parts.join(".")).filter(|name| name != "input").collect();
        prop_assume!(!names.is_empty());
        let chain = ModelSpec::builder(name, [1, 4, 4]);
        let spec = names.iter().fold(chain, |spec, name| spec.layer(name, Layer::Relu)).build().unwrap();
        let graph = spec.graph().unwrap();
        prop_assert_eq!(graph.nodes().len(), names.len() + 1);
        prop_assert_eq!(spec.conceptual_graph().unwrap().layers().len(), names.len() + 1);
        for (node, name) in graph.nodes()[1..].iter().zip(&names) {
            prop_assert_eq!(&node.attributes()["layer"], &Attribute::from(name.as_str()));
        }
    }
}
