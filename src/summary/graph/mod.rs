//! Values of the page Graphs: nodes, their connections, and what is known of each.
//!
//! `node` holds one node and its attributes, `check` what the page could not show.

mod check;
mod node;

use std::sync::Arc;

use prost::Message as _;

pub(crate) use self::check::breaks_page;
pub use self::node::{Attribute, GraphNode};
use super::{Summary, Value};
use crate::{
    error::Result,
    proto::{DataClass, GraphDef, VersionDef},
};

pub(super) const PLUGIN: &str = "graphs";
pub(super) const DATA_CLASS: DataClass = DataClass::BlobSequence;
/// The tag under which readers keep the graph of a run. It is not in the file.
pub(crate) const TAG: &str = "__run_graph__";
/// Version of the operations, as PyTorch writes it. The page does not look at it.
const PRODUCER: i32 = 22;

/// A graph of operations for the page Graphs: boxes that open, connections with the shape of what flows, attributes
/// beside the selected node. Checked when it is made; cheap to clone.
///
/// A `/` in a name puts the node into a box: `block1/conv` and `block1/relu` lie in the box `block1`. A node that has
/// the name of a box is shown in it, as `block1/(block1)`.
///
/// ```
/// use convscope::summary::{Graph, GraphNode};
///
/// let graph = Graph::new(vec![
///     GraphNode::new("input", "Input").output_shape(&[-1, 3, 32, 32]),
///     GraphNode::new("block1/conv", "Conv2d")
///         .input("input")
///         .attribute("kernel_size", 3)
///         .output_shape(&[-1, 8, 30, 30]),
///     GraphNode::new("block1/relu", "ReLU").input("block1/conv").output_shape(&[-1, 8, 30, 30]),
/// ])?;
/// assert_eq!(graph.nodes()[1].inputs(), ["input"]);
///
/// let error = Graph::new(vec![GraphNode::new("relu", "ReLU").input("conv")]).unwrap_err();
/// assert_eq!(error.to_string(), "graph: node `relu` has the input `conv`, but no node has that name");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Graph(Arc<Vec<GraphNode>>);

impl Graph {
    /// Checks the nodes. Their order does not matter.
    ///
    /// # Errors
    /// No node at all; two nodes of one name; a name that is empty, has an empty part between `/`, begins with `^`,
    /// holds `:` or a control character, or is one of the few that break the page, such as `constructor`; an input that
    /// no node has, that is the node itself, or an output that its node does not have; an output shape with a size below
    /// -1.
    pub fn new(nodes: Vec<GraphNode>) -> Result<Graph> {
        check::nodes(&nodes)?;
        Ok(Graph(Arc::new(nodes)))
    }

    /// The nodes.
    pub fn nodes(&self) -> &[GraphNode] {
        &self.0
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(GraphNode::size).sum()
    }
}

impl Summary {
    /// A graph, shown on the page Graphs. A run has one: the last one counts. Its tag in a file is none, and
    /// TensorBoard has no place for a display name and a description of it.
    pub fn graph(graph: &Graph) -> Summary {
        Summary::new(Value::Graph(graph.clone()))
    }

    /// The graph, where it is one.
    pub fn as_graph(&self) -> Option<&Graph> {
        match &self.value {
            Value::Graph(graph) => Some(graph),
            _ => None,
        }
    }
}

/// A serialized `GraphDef`.
pub(super) fn encode(graph: &Graph) -> Vec<u8> {
    let node = graph.nodes().iter().map(GraphNode::to_proto).collect();
    GraphDef { node, versions: Some(VersionDef { producer: PRODUCER }) }.encode_to_vec()
}
