//! Markdown.

use std::str;

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims},
};
use crate::proto::{DataType, TensorProto};

/// A string, or a table of strings.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    if tensor.dtype != DataType::DtString as i32 {
        findings.add(Rule::TextType, place, || format!("a tensor {}, DT_STRING expected", describe(tensor)));
    } else if tensor.string_val.iter().any(|text| str::from_utf8(text).is_err()) {
        findings.add(Rule::TextType, place, || "a string that is not UTF-8".to_owned());
    } else if dims(tensor).len() > 2 {
        findings.add(Rule::TextRank, place, || format!("a tensor {}", describe(tensor)));
    }
}
