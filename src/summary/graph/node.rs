//! One node of a graph.

use std::collections::BTreeMap;

use crate::proto::{
    AttrValue, NodeDef, TensorShapeProto,
    attr_value::{ListValue, Value},
    tensor_shape_proto::Dim,
};

/// Attribute from which the page takes the shapes at the connections.
const OUTPUT_SHAPES: &str = "_output_shapes";

/// An operation, a layer, an input: a box of the page Graphs.
///
/// ```
/// use convscope::summary::{Attribute, GraphNode};
///
/// let node = GraphNode::new("head/fc", "Linear")
///     .input("head/flatten")
///     .attribute("out_features", 10)
///     .attribute("bias", true)
///     .output_shape(&[-1, 10]);
/// assert_eq!((node.name(), node.op()), ("head/fc", "Linear"));
/// assert_eq!(node.attributes()["bias"], Attribute::Bool(true));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNode {
    name: String,
    op: String,
    inputs: Vec<String>,
    device: String,
    attributes: BTreeMap<String, Attribute>,
    output_shapes: Vec<Vec<i64>>,
}

/// What is known of a node, shown beside it when it is selected. TensorBoard leaves values of more than 1,024 bytes out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number; TensorBoard keeps 32 bits of it.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Whole numbers, such as the strides of both directions.
    Ints(Vec<i64>),
}

impl GraphNode {
    /// A node without inputs. `name` is its own in the graph, with `/` between the boxes that it lies in; `op` says what
    /// it does, such as `Conv2d`.
    ///
    /// The page draws an operation called `Const` as a small mark at the node that reads it, and so one whose name ends
    /// in `Summary` at the node that it reads.
    pub fn new(name: impl Into<String>, op: impl Into<String>) -> GraphNode {
        GraphNode {
            name: name.into(),
            op: op.into(),
            inputs: Vec::new(),
            device: String::new(),
            attributes: BTreeMap::new(),
            output_shapes: Vec::new(),
        }
    }

    /// Adds an input: the name of a node; `name:1` for its second output; `^name` where nothing flows, but `name` comes
    /// first.
    #[must_use]
    pub fn input(mut self, node: impl Into<String>) -> GraphNode {
        self.inputs.push(node.into());
        self
    }

    /// Sets an attribute. `_output_shapes` is taken by [`output_shape`](GraphNode::output_shape).
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> GraphNode {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Adds the shape of an output, the first one first: sizes of its dimensions, -1 where a size is not known, such as
    /// that of the batch. The page shows it at the connections.
    #[must_use]
    pub fn output_shape(mut self, sizes: &[i64]) -> GraphNode {
        self.output_shapes.push(sizes.to_vec());
        self
    }

    /// Sets where the operation runs, such as `cuda:0`: the page can colour by it.
    #[must_use]
    pub fn device(mut self, device: impl Into<String>) -> GraphNode {
        self.device = device.into();
        self
    }

    /// The name, with `/` between the boxes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn op(&self) -> &str {
        &self.op
    }

    /// The inputs, as they were given.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The attributes by name.
    pub fn attributes(&self) -> &BTreeMap<String, Attribute> {
        &self.attributes
    }

    /// The shapes of the outputs, as far as they are known.
    pub fn output_shapes(&self) -> &[Vec<i64>] {
        &self.output_shapes
    }

    pub(super) fn to_proto(&self) -> NodeDef {
        let mut attr: BTreeMap<String, AttrValue> =
            self.attributes.iter().map(|(name, value)| (name.clone(), value.to_proto())).collect();
        if !self.output_shapes.is_empty() {
            let shape = self.output_shapes.iter().map(|sizes| shape(sizes)).collect();
            attr.insert(OUTPUT_SHAPES.to_owned(), list(ListValue { shape, ..Default::default() }));
        }
        NodeDef {
            name: self.name.clone(),
            op: self.op.clone(),
            input: self.inputs.clone(),
            device: self.device.clone(),
            attr,
        }
    }

    pub(super) fn size(&self) -> usize {
        let texts = self.name.len() + self.op.len() + self.device.len();
        let inputs: usize = self.inputs.iter().map(|input| size_of::<String>() + input.len()).sum();
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.size());
        let shapes: usize = self.output_shapes.iter().map(|sizes| size_of_val(sizes.as_slice())).sum();
        size_of::<GraphNode>() + texts + inputs + attributes.sum::<usize>() + shapes
    }
}

impl Attribute {
    fn to_proto(&self) -> AttrValue {
        let value = match self {
            Attribute::Text(text) => Value::S(text.clone().into_bytes()),
            Attribute::Int(number) => Value::I(*number),
            Attribute::Float(number) => Value::F(*number as f32),
            Attribute::Bool(yes) => Value::B(*yes),
            Attribute::Ints(numbers) => return list(ListValue { i: numbers.clone(), ..Default::default() }),
        };
        AttrValue { value: Some(value) }
    }

    fn size(&self) -> usize {
        size_of::<(String, Attribute)>()
            + match self {
                Attribute::Text(text) => text.len(),
                Attribute::Ints(numbers) => size_of_val(numbers.as_slice()),
                _ => 0,
            }
    }
}

fn list(list: ListValue) -> AttrValue {
    AttrValue { value: Some(Value::List(list)) }
}

fn shape(sizes: &[i64]) -> TensorShapeProto {
    let dim = |&size: &i64| Dim { size, ..Default::default() };
    TensorShapeProto { dim: sizes.iter().map(dim).collect(), ..Default::default() }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Attribute {
        Attribute::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Attribute {
        Attribute::Text(text)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Attribute {
        Attribute::Int(number)
    }
}

impl From<i32> for Attribute {
    fn from(number: i32) -> Attribute {
        Attribute::Int(number.into())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Attribute {
        Attribute::Int(number.into())
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Attribute {
        Attribute::Float(number)
    }
}

impl From<bool> for Attribute {
    fn from(yes: bool) -> Attribute {
        Attribute::Bool(yes)
    }
}

impl From<Vec<i64>> for Attribute {
    fn from(numbers: Vec<i64>) -> Attribute {
        Attribute::Ints(numbers)
    }
}
