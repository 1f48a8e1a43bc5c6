//! Sounds.

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims},
};
use crate::proto::{DataType, TensorProto};

/// Files, or pairs of file and label.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    let each = match dims(tensor)[..] {
        [_] => 1,
        [_, 2] => 2,
        _ => 0,
    };
    if each == 0 || tensor.dtype != DataType::DtString as i32 {
        return findings.add(Rule::AudioShape, place, || {
            format!("a tensor {}, [clips] or [clips, 2] of DT_STRING expected", describe(tensor))
        });
    }
    for clip in tensor.string_val.iter().step_by(each) {
        file(findings, place, clip);
    }
}

pub(super) fn file(findings: &mut Findings, place: Place<'_>, file: &[u8]) {
    if !(file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WAVE")) {
        findings
            .add(Rule::AudioType, place, || format!("a sound of {} bytes that is no WAV file", file.len()));
    }
}
