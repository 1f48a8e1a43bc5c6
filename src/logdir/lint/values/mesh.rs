//! Meshes: one tag each for vertices, faces and colours.

use std::collections::BTreeSet;

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
    /// Name of the mesh, and which part of it this is.
    part: Option<(String, ContentType)>,
}

impl MeshCheck {
    pub fn metadata(&mut self, findings: &mut Findings, place: Place<'_>, content: &[u8]) {
        match MeshPluginData::decode(content) {
            Ok(part) => self.part = Some((part.name.clone(), part.content_type())),
            Err(error) => findings.add(Rule::MeshShape, place, || format!("metadata: {error}")),
        }
    }

    pub fn check(&self, findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
        let Some((_, part)) = &self.part else { return };
        let (name, expected) = match part {
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

    /// Name of the mesh, where these are its vertices.
    pub fn vertices(&self) -> Option<&str> {
        self.part.as_ref().filter(|(_, part)| *part == ContentType::Vertex).map(|(name, _)| name.as_str())
    }

    /// Parts of a mesh belong together by the name in their metadata, whatever their tags are.
    pub fn finish(&self, findings: &mut Findings, place: Place<'_>, vertices: &BTreeSet<&str>) {
        let Some((name, _)) = &self.part else { return };
        if !vertices.contains(name.as_str()) {
            findings.add(Rule::MeshWithoutVertices, place, || {
                format!("the run has no vertices of the mesh `{name}`")
            });
        }
    }
}
