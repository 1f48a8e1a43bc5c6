//! Precision-recall curves.

use prost::Message as _;

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims},
};
use crate::proto::{DataType, PrCurvePluginData, TensorProto};

/// Rows of a curve: counts of true and false positives and negatives, precision, recall.
const ROWS: i64 = 6;

#[derive(Debug, Default)]
pub(super) struct PrCurveCheck {
    /// As declared in the metadata; 0 where it is not.
    thresholds: u32,
}

impl PrCurveCheck {
    pub fn metadata(&mut self, findings: &mut Findings, place: Place<'_>, content: &[u8]) {
        match PrCurvePluginData::decode(content) {
            Ok(data) => self.thresholds = data.num_thresholds,
            Err(error) => findings.add(Rule::PrCurveShape, place, || format!("metadata: {error}")),
        }
    }

    pub fn check(&self, findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
        let is_table =
            matches!(dims(tensor)[..], [ROWS, n] if self.thresholds == 0 || n == i64::from(self.thresholds));
        if !is_table || tensor.dtype != DataType::DtFloat as i32 {
            findings.add(Rule::PrCurveShape, place, || {
                let columns = if self.thresholds == 0 { "n".to_owned() } else { self.thresholds.to_string() };
                format!("a tensor {}, [{ROWS}, {columns}] of DT_FLOAT expected", describe(tensor))
            });
        }
    }
}
