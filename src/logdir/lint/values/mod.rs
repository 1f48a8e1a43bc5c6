//! What values hold, page by page.

mod audio;
mod histogram;
mod image;
mod mesh;
mod pr_curve;
mod scalar;
mod tensor;
mod text;

use std::collections::BTreeSet;

pub use self::image::picture_extension;
pub(super) use self::image::png_size;
use self::tensor::check_size;
use super::{
    Rule,
    finding::{Findings, Place},
};
use crate::{
    logdir::SeriesKind,
    proto::{self, DataClass, SummaryMetadata, TensorProto, summary::value::Value},
    summary::LAYOUT_TAG,
};

/// Longest message of a page that makes sense; it can take more memory than bytes.
const MAX_MESSAGE: usize = 16 << 20;

/// The data class that a plugin of TensorBoard reads; `None` for plugins of others.
pub(super) fn data_class(plugin: &str) -> Option<DataClass> {
    let class = SeriesKind::of_plugin(plugin).data_class();
    (class != DataClass::Unknown).then_some(class)
}

/// What the values of one series are held against: what its metadata says, and what came before.
#[derive(Debug, Default)]
pub(super) struct ValueCheck {
    mesh: mesh::MeshCheck,
    pr_curve: pr_curve::PrCurveCheck,
}

impl ValueCheck {
    /// Looks at the metadata that counts, that of the first value.
    pub fn metadata(
        &mut self,
        plugin: &str,
        findings: &mut Findings,
        place: Place<'_>,
        metadata: Option<&SummaryMetadata>,
    ) {
        let content = metadata.and_then(|of| of.plugin_data.as_ref()).map_or(&[][..], |data| &data.content);
        match plugin {
            "mesh" => self.mesh.metadata(findings, place, content),
            "pr_curves" => self.pr_curve.metadata(findings, place, content),
            "hparams" => hparams(findings, place, content),
            "custom_scalars" if place.tag != Some(LAYOUT_TAG) => {
                findings.add(Rule::CustomScalarsLayout, place, || {
                    format!("a layout under another tag than `{LAYOUT_TAG}`")
                });
            }
            _ => {}
        }
    }

    /// Looks at one value.
    pub fn value(&mut self, plugin: &str, findings: &mut Findings, place: Place<'_>, value: Option<&Value>) {
        match value {
            None if plugin == "hparams" => {} // its metadata is the value
            None => findings.add(Rule::NoValue, place, || "a tag and no value".to_owned()),
            Some(Value::Tensor(tensor)) => self.tensor(plugin, findings, place, tensor),
            Some(Value::Histo(histogram)) => histogram::legacy(findings, place, histogram),
            Some(Value::Image(picture)) => image::legacy(findings, place, picture),
            Some(Value::Audio(sound)) => audio::file(findings, place, &sound.encoded_audio_string),
            Some(Value::SimpleValue(_)) => {}
        }
    }

    fn tensor(&mut self, plugin: &str, findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
        if plugin == "scalars" {
            return scalar::check(findings, place, tensor);
        }
        if !check_size(findings, place, tensor) {
            return;
        }
        match plugin {
            "histograms" => histogram::check(findings, place, tensor),
            "images" => image::check(findings, place, tensor),
            "audio" => audio::check(findings, place, tensor),
            "text" => text::check(findings, place, tensor),
            "pr_curves" => self.pr_curve.check(findings, place, tensor),
            "mesh" => self.mesh.check(findings, place, tensor),
            "custom_scalars" => layout(findings, place, tensor),
            _ => {}
        }
    }

    /// The name of the mesh of which these are the vertices.
    pub fn vertices(&self) -> Option<&str> {
        self.mesh.vertices()
    }

    /// What can be told at the end only. `vertices` are the names of the run's meshes.
    pub fn finish(&self, findings: &mut Findings, place: Place<'_>, vertices: &BTreeSet<&str>) {
        self.mesh.finish(findings, place, vertices);
    }
}

fn hparams(findings: &mut Findings, place: Place<'_>, content: &[u8]) {
    if let Some(why) = undecodable::<proto::HParamsPluginData>(content) {
        findings.add(Rule::HparamsContent, place, || why);
    }
}

/// Why bytes are no such message, if they are none.
fn undecodable<M: prost::Message + Default>(bytes: &[u8]) -> Option<String> {
    if bytes.len() > MAX_MESSAGE {
        return Some(format!("{} bytes, {MAX_MESSAGE} at most expected", bytes.len()));
    }
    M::decode(bytes).err().map(|error| error.to_string())
}

fn layout(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    let why = match &tensor.string_val[..] {
        [layout] => undecodable::<proto::CustomScalarLayout>(layout),
        strings => Some(format!("{} strings, 1 expected", strings.len())),
    };
    if let Some(why) = why {
        findings.add(Rule::CustomScalarsLayout, place, || why);
    }
}
