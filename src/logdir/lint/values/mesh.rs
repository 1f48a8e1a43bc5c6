//! Meshes: one tag each for vertices, faces and colours.

use prost::Message as _;

use super::{
    super::{
        Rule, Severity,
        finding::{Findings, Place},
    },
    tensor::{describe, dims, integers},
};
use crate::proto::{DataType, MeshPluginData, TensorProto, mesh_plugin_data::ContentType};

#[derive(Debug, Default)]
pub(super) struct MeshCheck {
    part: Option<MeshPluginData>,
}

impl MeshCheck {
    pub fn metadata(&mut self, findings: &mut Findings, place: Place<'_>, content: &[u8]) {
        match MeshPluginData::decode(content) {
            Ok(part) => self.part = Some(part),
            Err(error) => findings.add(Rule::MeshShape, place, || format!("metadata: {error}")),
        }
    }

    pub fn check(&self, findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
        let Some(part) = &self.part else { return };
        let (name, expected) = match part.content_type() {
            ContentType::Vertex => ("vertices", DataType::DtFloat),
            ContentType::Face => ("faces", DataType::DtInt32),
            ContentType::Color => ("colours", DataType::DtUint8),
            ContentType::Undefined => {
                return findings.add(Rule::MeshShape, place, || {
                    "the metadata does not say whether it is vertices, faces or colours".to_owned()
                });
            }
        };
        // Other writers' numbers of another type are there all the same: a warning.
        let is_table = matches!(dims(tensor)[..], [_, _, 3]);
        if !is_table || tensor.dtype != expected as i32 {
            let severity = if is_table { Severity::Warning } else { Severity::Error };
            return findings.add_as(severity, Rule::MeshShape, place, || {
                format!(
                    "{name} in a tensor {}, [batch, n, 3] of {} expected",
                    describe(tensor),
                    expected.as_str_name()
                )
            });
        }
        if expected == DataType::DtInt32
            && let Some(bad) = integers(tensor).and_then(|faces| faces.into_iter().find(|&vertex| vertex < 0))
        {
            findings.add(Rule::MeshFace, place, || format!("a face of vertex {bad}"));
        }
    }

    pub fn finish(&self, findings: &mut Findings, place: Place<'_>, is_tag: impl Fn(&str) -> bool) {
        let Some(part) = &self.part else { return };
        let vertices = format!("{}_VERTEX", part.name);
        if part.content_type() != ContentType::Vertex && !is_tag(&vertices) {
            findings.add(Rule::MeshWithoutVertices, place, || format!("the run has no tag `{vertices}`"));
        }
    }
}
