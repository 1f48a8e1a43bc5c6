//! Texts.

use crate::{
    logdir::{restarts::Restarts, stored::Stored},
    proto::{DataType, summary::value::Value},
};

/// Markdown of one step: one piece, or a table of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedText {
    /// Sizes of the dimensions, outermost first; none for a single piece. TensorBoard shows a list of one dimension as a
    /// column, one of two as a table.
    pub shape: Vec<usize>,
    /// The pieces in row-major order. Bytes that are no UTF-8 are replaced.
    pub strings: Vec<String>,
}

impl LoggedText {
    /// The Markdown, where it is one piece.
    pub fn as_markdown(&self) -> Option<&str> {
        match self.strings.as_slice() {
            [markdown] => Some(markdown),
            _ => None,
        }
    }
}

/// The text of a value.
pub(in crate::logdir) fn text(stored: Stored, _: Restarts) -> Option<LoggedText> {
    let Stored::Value(Some(Value::Tensor(tensor))) = stored else { return None };
    (tensor.dtype() == DataType::DtString).then_some(())?;
    let dims = tensor.tensor_shape.unwrap_or_default().dim;
    let shape = dims.iter().map(|dim| usize::try_from(dim.size).ok()).collect::<Option<Vec<usize>>>()?;
    let strings = tensor.string_val.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    Some(LoggedText { shape, strings })
}
