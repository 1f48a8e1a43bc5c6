//! A small residual net as a graph of operations with shapes, and as a conceptual graph of its layers: `cargo run
//! --no-default-features --example graph [LOGDIR]`, then the page Graphs of `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Result, SummaryWriter,
    summary::{ConceptualGraph, ConceptualLayer, Graph, GraphNode},
};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    writer.add_graph(&graph()?)?;
    writer.add_conceptual_graph("keras", &conceptual_graph()?)?;
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// What is before a `/` in a name is a box. -1 is the size of the batch.
fn graph() -> Result<Graph> {
    let conv = |name: &str, input: &str, channels: i64| {
        GraphNode::new(name, "Conv2d")
            .input(input)
            .attribute("out_channels", channels)
            .attribute("kernel_size", vec![3, 3])
            .attribute("bias", false)
            .output_shape(&[-1, channels, 28, 28])
    };
    let like = |name: &str, op: &str, input: &str, shape: &[i64]| {
        GraphNode::new(name, op).input(input).output_shape(shape)
    };
    let maps = [-1, 8, 28, 28];
    Graph::new(vec![
        GraphNode::new("input", "Input").output_shape(&[-1, 1, 28, 28]),
        conv("stem/conv", "input", 8),
        like("stem/relu", "ReLU", "stem/conv", &maps),
        conv("block/conv1", "stem/relu", 8),
        like("block/relu", "ReLU", "block/conv1", &maps),
        conv("block/conv2", "block/relu", 8),
        like("block/add", "Add", "block/conv2", &maps).input("stem/relu"),
        like("head/pool", "AdaptiveAvgPool2d", "block/add", &[-1, 8]),
        like("head/fc", "Linear", "head/pool", &[-1, 10]).attribute("out_features", 10),
    ])
}

fn conceptual_graph() -> Result<ConceptualGraph> {
    let layer = |name: &str, class: &str| ConceptualLayer::new(name, class).dtype("float32");
    ConceptualGraph::functional(
        "residual_net",
        vec![
            layer("input", "InputLayer"),
            layer("stem/conv", "Conv2D").input("input"),
            layer("stem/relu", "ReLU").input("stem/conv"),
            layer("block/conv1", "Conv2D").input("stem/relu"),
            layer("block/relu", "ReLU").input("block/conv1"),
            layer("block/conv2", "Conv2D").input("block/relu"),
            layer("block/add", "Add").input("block/conv2").input("stem/relu"),
            layer("head/pool", "GlobalAveragePooling2D").input("block/add"),
            layer("head/fc", "Dense").input("head/pool"),
        ],
    )
}
