//! Page Graphs: a graph of operations and a conceptual one.

use std::path::Path;

use convscope::{
    SummaryWriter,
    summary::{ConceptualGraph, ConceptualLayer, Graph, GraphNode},
};
use serde_json::json;

use super::server::Server;

const RUN: &str = "graphs";

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    let nodes = vec![
        GraphNode::new("input", "Placeholder").output_shape(&[1, 1, 28, 28]),
        GraphNode::new("net/conv1", "Conv2D")
            .input("input")
            .attribute("kernel", 5)
            .output_shape(&[1, 6, 24, 24]),
        GraphNode::new("net/relu1", "ReLU").input("net/conv1"),
    ];
    writer.add_graph(&Graph::new(nodes).unwrap()).unwrap();
    let layers = vec![
        ConceptualLayer::new("conv1", "Conv2D").dtype("float32"),
        ConceptualLayer::new("relu1", "ReLU").input("conv1"),
        ConceptualLayer::new("add", "Add").input("conv1").input("relu1"),
    ];
    writer.add_conceptual_graph("keras", &ConceptualGraph::functional("model", layers).unwrap()).unwrap();
    let chain = vec![ConceptualLayer::new("conv1", "Conv2D"), ConceptualLayer::new("relu1", "ReLU")];
    writer.add_conceptual_graph("chain", &ConceptualGraph::sequential("model", chain).unwrap()).unwrap();
    writer.close().unwrap();
}

pub fn check(server: &Server) {
    let tag = |tag: &str| json!({"tag": tag, "conceptual_graph": true, "op_graph": false, "profile": false});
    let tags = json!({"keras": tag("keras"), "chain": tag("chain")});
    server.shows("graphs/info", &[], RUN, json!({"run": RUN, "run_graph": true, "tags": tags}));

    let graph = graph(server, &[("run", RUN)]);
    for part in [
        "name: \"net/conv1\"\n  op: \"Conv2D\"\n  input: \"input\"",
        "name: \"net/relu1\"\n  op: \"ReLU\"\n  input: \"net/conv1\"",
        "key: \"_output_shapes\"",
        "size: 24",
        "i: 5",
    ] {
        assert!(graph.contains(part), "{part} is not in\n{graph}");
    }
    for (tag, parts) in [
        (
            "keras",
            &[
                "name: \"model/conv1\"\n",
                "s: \"Conv2D\"",
                "type: DT_FLOAT",
                "name: \"model/add\"\n  input: \"model/conv1\"\n  input: \"model/relu1\"",
            ][..],
        ),
        ("chain", &["name: \"model/relu1\"\n  input: \"model/conv1\""]),
    ] {
        let graph = self::graph(server, &[("run", RUN), ("tag", tag), ("conceptual", "true")]);
        for part in parts {
            assert!(graph.contains(part), "{part} is not in\n{graph}");
        }
    }
}

fn graph(server: &Server, query: &[(&str, &str)]) -> String {
    String::from_utf8(server.get("graphs/graph", query).body).unwrap()
}
