//! The conceptual graph of the page Graphs: layers and their classes, as Keras writes a model.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Summary, graph::GraphNode, tensor};
use crate::{
    error::{Error, Result},
    proto::{DataClass, summary::value::Value},
};

pub(super) const PLUGIN: &str = "graph_keras_model";
pub(super) const DATA_CLASS: DataClass = DataClass::BlobSequence;
/// What the page wants to find in the metadata: the version of the format.
pub(super) const CONTENT: &[u8] = b"1";

/// Names of element types that the page knows.
const DTYPES: [&str; 14] = [
    "bfloat16", "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "string",
    "uint16", "uint32", "uint64", "uint8",
];

/// One layer of a [`ConceptualGraph`].
///
/// ```
/// use convscope::summary::ConceptualLayer;
///
/// let layer = ConceptualLayer::new("block1/add", "Add").input("block1/conv2").input("stem").dtype("float32");
/// assert_eq!(layer.inputs(), ["block1/conv2", "stem"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConceptualLayer {
    name: String,
    class: String,
    dtype: Option<String>,
    inputs: Vec<String>,
}

impl ConceptualLayer {
    /// A layer. `name` is its own in the graph, with `/` between the boxes that it lies in; `class` says what it is,
    /// such as `Conv2D`.
    pub fn new(name: impl Into<String>, class: impl Into<String>) -> ConceptualLayer {
        ConceptualLayer { name: name.into(), class: class.into(), dtype: None, inputs: Vec::new() }
    }

    /// Adds the name of a layer whose output this one reads.
    #[must_use]
    pub fn input(mut self, layer: impl Into<String>) -> ConceptualLayer {
        self.inputs.push(layer.into());
        self
    }

    /// Sets the element type: `float32`, `float16`, `bfloat16`, `float64`, `bool`, `string`, or `int8` to `int64` and
    /// `uint8` to `uint64`. The default is not to say.
    #[must_use]
    pub fn dtype(mut self, dtype: impl Into<String>) -> ConceptualLayer {
        self.dtype = Some(dtype.into());
        self
    }

    /// The name, with `/` between the boxes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The layers that it reads.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }
}

/// The layers of a model for the page Graphs, which shows them under "Conceptual graph": names, classes, element types
/// and connections. The page takes no shapes and no attributes there; a [`Graph`](super::Graph) shows them. Checked when
/// it is made; cheap to clone.
///
/// All layers lie in a box that has the model's name; a `/` in the name of a layer puts it into another one in there.
///
/// ```
/// use convscope::summary::{ConceptualGraph, ConceptualLayer};
///
/// let chain = ConceptualGraph::sequential("net", vec![
///     ConceptualLayer::new("conv", "Conv2D").dtype("float32"),
///     ConceptualLayer::new("relu", "ReLU"),
/// ])?;
/// assert_eq!(chain.layers().len(), 2);
///
/// let wrong = vec![ConceptualLayer::new("add", "Add").input("conv")];
/// let error = ConceptualGraph::functional("net", wrong).unwrap_err();
/// assert_eq!(error.to_string(), "graph: node `add` has the input `conv`, but no node has that name");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConceptualGraph(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    name: String,
    sequential: bool,
    layers: Vec<ConceptualLayer>,
}

impl ConceptualGraph {
    /// A chain: each layer reads the one before it.
    ///
    /// # Errors
    /// A layer with inputs of its own, and as [`functional`](ConceptualGraph::functional).
    pub fn sequential(name: impl Into<String>, layers: Vec<ConceptualLayer>) -> Result<ConceptualGraph> {
        if let Some(layer) = layers.iter().find(|layer| !layer.inputs.is_empty()) {
            return invalid(format!(
                "layer `{}` of a sequential model has inputs; each layer reads the one before it. Use `functional`",
                layer.name
            ));
        }
        ConceptualGraph::new(name.into(), true, layers)
    }

    /// Layers that read the outputs of those that they name. Layers without inputs are the inputs of the model, layers
    /// that nobody reads its outputs.
    ///
    /// # Errors
    /// No layer at all, or none that nobody reads; two layers of one name; a name that is empty, has an empty part
    /// between `/`, begins with `^`, or holds `:` or a control character; an input that no layer has or that is the layer
    /// itself; a class that is not ASCII; a `dtype` that the page does not know.
    pub fn functional(name: impl Into<String>, layers: Vec<ConceptualLayer>) -> Result<ConceptualGraph> {
        ConceptualGraph::new(name.into(), false, layers)
    }

    fn new(name: String, sequential: bool, layers: Vec<ConceptualLayer>) -> Result<ConceptualGraph> {
        if name.is_empty() || name.contains('/') {
            return invalid(format!(
                "the model's name is `{name}`; use one such as `net`, not empty and without `/`"
            ));
        }
        layers.iter().try_for_each(check_layer)?;
        let nodes: Vec<GraphNode> = layers.iter().map(node).collect();
        super::Graph::new(nodes)?;
        let graph = Inner { name, sequential, layers };
        if graph.outputs().is_empty() {
            return invalid(
                "every layer is read by another one, so that there is no output; leave a layer that nobody reads",
            );
        }
        Ok(ConceptualGraph(Arc::new(graph)))
    }

    /// The layers.
    pub fn layers(&self) -> &[ConceptualLayer] {
        &self.0.layers
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        let size = |layer: &ConceptualLayer| {
            let inputs: usize = layer.inputs.iter().map(|input| size_of::<String>() + input.len()).sum();
            size_of::<ConceptualLayer>() + layer.name.len() + layer.class.len() + inputs
        };
        self.0.layers.iter().map(size).sum()
    }
}

fn check_layer(layer: &ConceptualLayer) -> Result<()> {
    let name = &layer.name;
    if !layer.class.is_ascii() {
        return invalid(format!(
            "layer `{name}` is of class `{}`; TensorBoard takes ASCII there",
            layer.class
        ));
    }
    if let Some(input) = layer.inputs.iter().find(|input| input.starts_with('^') || input.contains(':')) {
        return invalid(format!("layer `{name}` has the input `{input}`; give the name of a layer alone"));
    }
    match &layer.dtype {
        Some(dtype) if !DTYPES.contains(&dtype.as_str()) => {
            invalid(format!("layer `{name}` is of type `{dtype}`, which is none of {}", DTYPES.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The layer as a node of a graph, for which the same names are wrong.
fn node(layer: &ConceptualLayer) -> GraphNode {
    layer.inputs.iter().fold(GraphNode::new(&layer.name, &layer.class), GraphNode::input)
}

fn invalid<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::invalid("conceptual graph", why))
}

impl Inner {
    /// Layers that nobody reads.
    fn outputs(&self) -> Vec<&str> {
        let read: std::collections::BTreeSet<&String> =
            self.layers.iter().flat_map(|layer| &layer.inputs).collect();
        let unread = self.layers.iter().filter(|layer| !read.contains(&layer.name));
        unread.map(|layer| layer.name.as_str()).collect()
    }

    /// What `model.to_json()` of Keras 3 gives, as far as the page reads it.
    fn to_json(&self) -> Json {
        let layers: Vec<Json> = self.layers.iter().map(|layer| self.layer(layer)).collect();
        let mut config = json!({ "name": self.name, "layers": layers });
        if !self.sequential {
            let inputs = self.layers.iter().filter(|layer| layer.inputs.is_empty());
            config["input_layers"] = inputs.map(|layer| json!([layer.name, 0, 0])).collect();
            config["output_layers"] = self.outputs().into_iter().map(|name| json!([name, 0, 0])).collect();
        }
        json!({ "class_name": if self.sequential { "Sequential" } else { "Functional" }, "config": config })
    }

    fn layer(&self, layer: &ConceptualLayer) -> Json {
        let mut config = json!({ "name": layer.name });
        if let Some(dtype) = &layer.dtype {
            config["dtype"] = json!(dtype);
        }
        let mut json = json!({ "class_name": layer.class, "config": config });
        if !self.sequential {
            let history = |input: &String| json!({ "config": { "keras_history": [input, 0, 0] } });
            let arguments: Vec<Json> = layer.inputs.iter().map(history).collect();
            json["inbound_nodes"] = json!([{ "args": arguments }]);
        }
        json
    }
}

impl Summary {
    /// The layers of a model, shown on the page Graphs under "Conceptual graph". Keras uses the tag `keras`.
    pub fn conceptual_graph(graph: &ConceptualGraph) -> Summary {
        Summary::new(super::Value::ConceptualGraph(graph.clone()))
    }

    /// The conceptual graph, where it is one.
    pub fn as_conceptual_graph(&self) -> Option<&ConceptualGraph> {
        match &self.value {
            super::Value::ConceptualGraph(graph) => Some(graph),
            _ => None,
        }
    }
}

/// The JSON text in an array of one: TensorBoard's Python loader fails on the text alone, as Keras writes it, once the
/// storage class is given.
pub(super) fn encode(graph: &ConceptualGraph) -> Value {
    Value::Tensor(tensor::strings(vec![graph.0.to_json().to_string().into_bytes()], &[1]))
}
