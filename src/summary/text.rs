//! Values of the page Text: Markdown.

use super::tensor;
use crate::proto::{DataClass, summary::value::Value};

pub(super) const PLUGIN: &str = "text";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// A rank-0 string: TensorBoard renders it as one piece of Markdown.
pub(super) fn encode(markdown: &str) -> Value {
    Value::Tensor(tensor::strings(vec![markdown.as_bytes().to_vec()], &[]))
}
