//! Graphs and conceptual graphs: what stands in the file, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/system.rs"]
mod system;

use std::path::Path;

use convscope::{
    Kind, MemorySink, Step, SummarySink, SummaryWriter,
    proto::{
        AttrValue, DataClass, Event, GraphDef, NodeDef, TensorShapeProto, VersionDef,
        attr_value::{ListValue, Value},
        event::What,
        summary::value::Value as Wire,
        tensor_shape_proto::Dim,
    },
    summary::{ConceptualGraph, ConceptualLayer, Graph, GraphNode},
};
use prost::Message as _;
use serde_json::json;
use system::events;

fn graphs(dir: &Path) -> Vec<GraphDef> {
    let graph = |event: Event| match event.what {
        Some(What::GraphDef(bytes)) => Some(GraphDef::decode(bytes.as_slice()).unwrap()),
        _ => None,
    };
    events(dir).into_iter().filter_map(graph).collect()
}

fn attr(value: Value) -> AttrValue {
    AttrValue { value: Some(value) }
}

fn list(list: ListValue) -> AttrValue {
    attr(Value::List(list))
}

fn shape(sizes: &[i64]) -> TensorShapeProto {
    let dim = |&size: &i64| Dim { size, ..Default::default() };
    TensorShapeProto { dim: sizes.iter().map(dim).collect(), ..Default::default() }
}

#[test]
fn nodes_are_written_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let node = GraphNode::new("block/conv", "Conv2d")
        .input("input:1")
        .input("^ready")
        .device("cuda:0")
        .attribute("text", "3 x 3")
        .attribute("int", -4)
        .attribute("float", 0.5)
        .attribute("bool", true)
        .attribute("ints", vec![2, 3])
        .output_shape(&[-1, 8, 28, 28]);
    let input = GraphNode::new("input", "Input").output_shape(&[]).output_shape(&[0, 3]);
    let graph = Graph::new(vec![node, input, GraphNode::new("ready", "NoOp")]).unwrap();
    writer.add_graph(&graph).unwrap();
    writer.close().unwrap();

    let attrs = [
        ("_output_shapes", list(ListValue { shape: vec![shape(&[-1, 8, 28, 28])], ..Default::default() })),
        ("text", attr(Value::S(b"3 x 3".to_vec()))),
        ("int", attr(Value::I(-4))),
        ("float", attr(Value::F(0.5))),
        ("bool", attr(Value::B(true))),
        ("ints", list(ListValue { i: vec![2, 3], ..Default::default() })),
    ];
    let shapes = ListValue { shape: vec![shape(&[]), shape(&[0, 3])], ..Default::default() };
    let expected = GraphDef {
        node: vec![
            NodeDef {
                name: "block/conv".to_owned(),
                op: "Conv2d".to_owned(),
                input: vec!["input:1".to_owned(), "^ready".to_owned()],
                device: "cuda:0".to_owned(),
                attr: attrs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            },
            NodeDef {
                name: "input".to_owned(),
                op: "Input".to_owned(),
                attr: [("_output_shapes".to_owned(), list(shapes))].into(),
                ..Default::default()
            },
            NodeDef { name: "ready".to_owned(), op: "NoOp".to_owned(), ..Default::default() },
        ],
        versions: Some(VersionDef { producer: 22 }),
    };
    assert_eq!(graphs(dir.path()), [expected]);
}

#[test]
fn a_graph_of_a_sub_run_is_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SummaryWriter::open(dir.path()).unwrap();
    let graph = |name: &str| Graph::new(vec![GraphNode::new(name, "Op")]).unwrap();
    let sink: &mut dyn SummarySink = &mut writer;
    sink.sub_run("train").add_graph(&graph("first")).unwrap();
    sink.sub_run("train").add_scalar("loss", 0.5, Step::new(1)).unwrap();
    sink.sub_run("train").add_graph(&graph("second")).unwrap();
    writer.close().unwrap();
    let names: Vec<String> =
        graphs(&dir.path().join("train")).iter().map(|g| g.node[0].name.clone()).collect();
    assert_eq!(names, ["first", "second"], "the last one counts");
    assert!(graphs(dir.path()).is_empty());
}

#[test]
fn sinks_keep_the_graph_itself() {
    let graph = Graph::new(vec![GraphNode::new("a", "Op")]).unwrap();
    let layers = ConceptualGraph::sequential("net", vec![ConceptualLayer::new("a", "Dense")]).unwrap();
    let mut sink = MemorySink::default();
    sink.add_graph(&graph).unwrap();
    sink.add_conceptual_graph("keras", &layers).unwrap();
    assert_eq!(sink.entries[0].summary.kind(), Kind::Graph);
    assert_eq!(sink.entries[0].summary.as_graph(), Some(&graph));
    assert_eq!(sink.entries[1].summary.kind(), Kind::ConceptualGraph);
    assert_eq!(sink.entries[1].summary.as_conceptual_graph(), Some(&layers));
}

/// Name and inputs.
type Node<'a> = (&'a str, &'a [&'a str]);

/// Why these nodes are no graph.
fn refused(nodes: &[Node]) -> String {
    let node = |(name, inputs): &(&str, &[&str])| {
        inputs.iter().fold(GraphNode::new(*name, "Op").output_shape(&[1]), |node, input| node.input(*input))
    };
    Graph::new(nodes.iter().map(node).collect()).unwrap_err().to_string()
}

#[test]
fn what_the_page_cannot_show_is_refused() {
    let cases: &[(&[Node], &str)] = &[
        (&[], "graph: it has no node; TensorBoard shows an error for an empty graph"),
        (&[("a", &[]), ("b", &[]), ("a", &[])], "two nodes are called `a`"),
        (&[("a", &["b"])], "node `a` has the input `b`, but no node has that name"),
        (&[("a", &["^b"])], "node `a` has the input `^b`, but no node has that name"),
        (&[("a", &["a:0"])], "node `a` is its own input"),
        (&[("a", &[]), ("b", &["a:1"])], "node `b` has the input `a:1`, but `a` has 1 output shapes"),
        (&[("a", &[]), ("b", &["a:x"])], "behind `:` stands the number of an output"),
        (&[("", &[])], "the node name `` has an empty part"),
        (&[("a//b", &[])], "the node name `a//b` has an empty part"),
        (&[("a/", &[])], "the node name `a/` has an empty part"),
        (&[("^a", &[])], "begins with `^`"),
        (&[("a:0", &[])], "holds `:`"),
        (&[("a\nb", &[])], "the node name `a\\nb` holds a control character"),
        (&[("toString", &[])], "the node name `toString` breaks TensorBoard's page"),
        (&[("x/a", &[]), ("x/a/b", &[]), ("x/a/(a)", &[])], "show both `x/a` and `x/a/(a)`"),
    ];
    for (nodes, expected) in cases {
        let error = refused(nodes);
        assert!(error.starts_with("graph: ") && error.contains(expected), "{nodes:?}: {error}");
    }
    let error = Graph::new(vec![GraphNode::new("a", "Op").output_shape(&[-2])]).unwrap_err().to_string();
    assert_eq!(error, "graph: node `a` has an output of size -2; -1 is an unknown size");
}

#[test]
fn boxes_loops_and_doubled_inputs_are_fine() {
    let node = |name: &str, inputs: &[&str]| {
        inputs.iter().fold(GraphNode::new(name, "Op"), |node, input| node.input(*input))
    };
    let nodes = vec![
        node("a", &["b"]),
        node("a/b", &["a", "a", "a:3"]), // `a` says nothing of its outputs
        node("b", &["a/b"]),
        node("(b)", &[]),
    ];
    assert_eq!(Graph::new(nodes).unwrap().nodes().len(), 4);
}

/// The JSON of a conceptual graph in a file, with its step.
fn written(graph: &ConceptualGraph) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    writer.add_conceptual_graph("keras", graph).unwrap();
    writer.close().unwrap();
    let Some(What::Summary(summary)) = events(dir.path()).pop().unwrap().what else { panic!("no summary") };
    let value = &summary.value[0];
    let metadata = value.metadata.as_ref().unwrap();
    let plugin = metadata.plugin_data.as_ref().unwrap();
    assert_eq!((plugin.plugin_name.as_str(), plugin.content.as_slice()), ("graph_keras_model", &b"1"[..]));
    assert_eq!(metadata.data_class(), DataClass::BlobSequence);
    let Some(Wire::Tensor(tensor)) = &value.value else { panic!("no tensor") };
    assert_eq!(tensor.tensor_shape.as_ref().unwrap().dim.len(), 1);
    serde_json::from_slice(&tensor.string_val[0]).unwrap()
}

#[test]
fn a_chain_is_a_sequential_model() {
    let layers =
        vec![ConceptualLayer::new("conv", "Conv2D").dtype("float32"), ConceptualLayer::new("re\"lu", "ReLU")];
    let expected = json!({
        "class_name": "Sequential",
        "config": {
            "name": "net",
            "layers": [
                { "class_name": "Conv2D", "config": { "name": "conv", "dtype": "float32" } },
                { "class_name": "ReLU", "config": { "name": "re\"lu" } },
            ],
        },
    });
    assert_eq!(written(&ConceptualGraph::sequential("net", layers).unwrap()), expected);
}

#[test]
fn other_layers_are_a_functional_model() {
    let layers = vec![
        ConceptualLayer::new("in", "InputLayer"),
        ConceptualLayer::new("block/conv", "Conv2D").input("in"),
        ConceptualLayer::new("block/add", "Add").input("block/conv").input("in"),
    ];
    let history = |name: &str| json!({ "config": { "keras_history": [name, 0, 0] } });
    let expected = json!({
        "class_name": "Functional",
        "config": {
            "name": "net",
            "layers": [
                { "class_name": "InputLayer", "config": { "name": "in" }, "inbound_nodes": [{ "args": [] }] },
                {
                    "class_name": "Conv2D",
                    "config": { "name": "block/conv" },
                    "inbound_nodes": [{ "args": [history("in")] }],
                },
                {
                    "class_name": "Add",
                    "config": { "name": "block/add" },
                    "inbound_nodes": [{ "args": [history("block/conv"), history("in")] }],
                },
            ],
            "input_layers": [["in", 0, 0]],
            "output_layers": [["block/add", 0, 0]],
        },
    });
    assert_eq!(written(&ConceptualGraph::functional("net", layers).unwrap()), expected);
}

#[test]
fn layers_that_are_no_model_are_refused() {
    let layer = |name: &str| ConceptualLayer::new(name, "Dense");
    let error =
        |layers: Vec<ConceptualLayer>| ConceptualGraph::functional("net", layers).unwrap_err().to_string();
    let cases = [
        (error(vec![]), "it has no node"),
        (error(vec![layer("a"), layer("a")]), "two nodes are called `a`"),
        (error(vec![layer("a").input("b")]), "has the input `b`, but no node has that name"),
        (error(vec![layer("a"), layer("b").input("a:0")]), "give the name of a layer alone"),
        (error(vec![layer("a"), layer("b").input("^a")]), "give the name of a layer alone"),
        (error(vec![layer("a").input("b"), layer("b").input("a")]), "there is no output"),
        (
            error(vec![layer("a").dtype("f32")]),
            "layer `a` is of type `f32`, which is none of bfloat16, bool,",
        ),
        (error(vec![ConceptualLayer::new("a", "Dichte ≥ 1")]), "TensorBoard takes ASCII there"),
        (
            ConceptualGraph::functional("a/b", vec![layer("a")]).unwrap_err().to_string(),
            "the model's name is `a/b`",
        ),
        (
            ConceptualGraph::sequential("net", vec![layer("a"), layer("b").input("a")])
                .unwrap_err()
                .to_string(),
            "layer `b` of a sequential model has inputs",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}");
    }
}
