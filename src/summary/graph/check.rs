//! What the page Graphs cannot show, or shows as something else.

use std::collections::HashMap;

use super::node::GraphNode;
use crate::error::{Error, Result};

/// What every object of the page's language has: a node of that name breaks the page.
const JAVASCRIPT: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Whether a node of this name breaks the page.
pub(crate) fn breaks_page(name: &str) -> bool {
    JAVASCRIPT.contains(&name)
}

/// Refuses nodes that are no graph.
pub(super) fn nodes(nodes: &[GraphNode]) -> Result<()> {
    if nodes.is_empty() {
        return invalid("it has no node; TensorBoard shows an error for an empty graph");
    }
    let mut by_name: HashMap<&str, &GraphNode> = HashMap::with_capacity(nodes.len());
    for node in nodes {
        name(node.name())?;
        shapes(node)?;
        if by_name.insert(node.name(), node).is_some() {
            return invalid(format!("two nodes are called `{}`; a name belongs to one node", node.name()));
        }
    }
    inner_names(nodes, &by_name)?;
    nodes.iter().try_for_each(|node| node.inputs().iter().try_for_each(|given| input(node, given, &by_name)))
}

fn name(name: &str) -> Result<()> {
    let why = if name.split('/').any(str::is_empty) {
        "has an empty part; use a name such as `conv1`, or `block1/conv1` in a box"
    } else if name.starts_with('^') {
        "begins with `^`, which marks an input where nothing flows"
    } else if name.contains(':') {
        "holds `:`, which stands before the number of an output"
    } else if name.chars().any(char::is_control) {
        "holds a control character"
    } else if breaks_page(name) {
        "breaks TensorBoard's page; use another one"
    } else {
        return Ok(());
    };
    invalid(format!("the node name `{}` {why}", name.escape_debug()))
}

/// TensorBoard shows a node `a` beside a node `a/b` as `a/(a)`: no other node may have that name.
fn inner_names(nodes: &[GraphNode], by_name: &HashMap<&str, &GraphNode>) -> Result<()> {
    for node in nodes {
        let Some((outer, inner)) = node.name().rsplit_once('/') else { continue };
        let last = outer.rsplit('/').next().unwrap_or(outer);
        if inner.strip_prefix('(').and_then(|name| name.strip_suffix(')')) == Some(last)
            && by_name.contains_key(outer)
        {
            return invalid(format!(
                "TensorBoard would show both `{outer}` and `{}` as the second; rename one",
                node.name()
            ));
        }
    }
    Ok(())
}

fn input(node: &GraphNode, given: &str, by_name: &HashMap<&str, &GraphNode>) -> Result<()> {
    let (name, output) = match (given.strip_prefix('^'), given.rsplit_once(':')) {
        (Some(name), _) => (name, None),
        (None, None) => (given, Some(0)),
        (None, Some((name, output))) => match output.parse::<usize>() {
            Ok(output) => (name, Some(output)),
            Err(_) => {
                return invalid(format!(
                    "node `{}` has the input `{given}`; behind `:` stands the number of an output, such as 1",
                    node.name()
                ));
            }
        },
    };
    if name == node.name() {
        return invalid(format!("node `{name}` is its own input; TensorBoard would leave that out"));
    }
    let Some(source) = by_name.get(name) else {
        return invalid(format!("node `{}` has the input `{given}`, but no node has that name", node.name()));
    };
    let known = source.output_shapes().len();
    match output {
        Some(output) if known > 0 && output >= known => invalid(format!(
            "node `{}` has the input `{given}`, but `{name}` has {known} output shapes, counted from 0",
            node.name()
        )),
        _ => Ok(()),
    }
}

fn shapes(node: &GraphNode) -> Result<()> {
    match node.output_shapes().iter().flatten().find(|size| **size < -1) {
        Some(size) => {
            invalid(format!("node `{}` has an output of size {size}; -1 is an unknown size", node.name()))
        }
        None => Ok(()),
    }
}

fn invalid(why: impl Into<String>) -> Result<()> {
    Err(Error::invalid("graph", why))
}
