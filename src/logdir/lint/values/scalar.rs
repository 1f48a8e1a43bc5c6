//! Numbers.

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims},
};
use crate::proto::{DataType, TensorProto};

/// The data server takes one 32-bit float of rank 0, in either field, and nothing else.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    if tensor.dtype != DataType::DtFloat as i32 {
        findings.add(Rule::ScalarType, place, || format!("a tensor {}, DT_FLOAT expected", describe(tensor)));
    } else if !dims(tensor).is_empty() {
        findings.add(Rule::ScalarShape, place, || format!("a tensor {}, rank 0 expected", describe(tensor)));
    } else if tensor.float_val.len() != 1
        && !(tensor.float_val.is_empty() && tensor.tensor_content.len() == 4)
    {
        findings.add(Rule::ScalarShape, place, || {
            format!(
                "{} numbers and {} bytes, one number expected",
                tensor.float_val.len(),
                tensor.tensor_content.len()
            )
        });
    }
}
