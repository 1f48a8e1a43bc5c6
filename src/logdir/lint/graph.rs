//! Graphs of operations.

use prost::DecodeError;

use super::{
    Rule,
    decode::messages,
    finding::{Findings, Place},
};
use crate::logdir::wire::Fields;

/// Number of the field of a graph that holds its nodes.
const NODE: u32 = 1;
/// Numbers of the fields of a node that hold its name and its inputs.
const NAME: u32 = 1;
const INPUT: u32 = 3;
/// Most nodes whose names are compared.
const MAX_NAMES: usize = 1_000_000;

/// Looks at a serialized graph. It can take far more memory than bytes, so it is looked through and not unpacked.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, bytes: &[u8]) {
    match read(findings, place, bytes) {
        Ok(names) if names.is_empty() => {
            findings.add(Rule::GraphEmpty, place, || "a graph without nodes".to_owned());
        }
        Ok(names) => groups(findings, place, names),
        Err(error) => findings.add(Rule::GraphContent, place, || error.to_string()),
    }
}

/// The names of the nodes.
fn read<'a>(
    findings: &mut Findings,
    place: Place<'_>,
    bytes: &'a [u8],
) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut names = Vec::new();
    for node in messages(bytes, NODE) {
        let node = node?;
        Fields::of(node).try_for_each(|field| field.map(drop))?;
        let name = messages(node, NAME).last().transpose()?.unwrap_or_default();
        for input in messages(node, INPUT) {
            if source(input?) == name {
                findings.add(Rule::GraphSelfLoop, place, || {
                    format!("node `{}` is its own input", String::from_utf8_lossy(name))
                });
            }
        }
        if names.len() < MAX_NAMES {
            names.push(name);
        }
    }
    Ok(names)
}

/// The node that an input such as `name`, `name:1` or `^name` comes from.
fn source(input: &[u8]) -> &[u8] {
    let input = input.strip_prefix(b"^").unwrap_or(input);
    match input.iter().rposition(|&byte| byte == b':') {
        Some(colon) if input[colon + 1..].iter().all(u8::is_ascii_digit) => &input[..colon],
        _ => input,
    }
}

/// Looks for nodes that have the name of a group.
fn groups(findings: &mut Findings, place: Place<'_>, mut names: Vec<&[u8]>) {
    names.sort_unstable();
    for name in &names {
        // `name/` sorts behind `name`, but others such as `name-1` stand in between.
        let within = || name.iter().chain(b"/");
        let first = names.partition_point(|other| other.iter().lt(within()));
        let inner = names.get(first).filter(|inner| inner.iter().zip(within()).all(|(a, b)| a == b));
        if let Some(inner) = inner.filter(|inner| !name.is_empty() && inner.len() > name.len()) {
            findings.add(Rule::GraphNodeRenamed, place, || {
                format!(
                    "node `{}` beside `{}`",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(inner)
                )
            });
        }
    }
}
