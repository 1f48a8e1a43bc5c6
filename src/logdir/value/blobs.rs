//! Byte strings: pictures, sounds, graphs.

use crate::{
    logdir::{restarts::Restarts, stored::Stored},
    proto::{DataType, TensorProto, summary::value::Value},
};

/// The blobs of a value, as TensorBoard serves them.
pub(in crate::logdir) fn blobs(stored: Stored, _: Restarts) -> Option<Vec<Vec<u8>>> {
    match stored {
        Stored::Graph(bytes) | Stored::RunMetadata(bytes) => Some(vec![bytes]),
        Stored::Value(Some(Value::Image(image))) => Some(vec![
            image.width.to_string().into_bytes(),
            image.height.to_string().into_bytes(),
            image.encoded_image_string,
        ]),
        Stored::Value(Some(Value::Audio(audio))) => Some(vec![audio.encoded_audio_string]),
        // A rank-0 text is a blob too: the graph of layers is written so.
        Stored::Value(Some(Value::Tensor(tensor))) if rank(&tensor) <= 1 => strings(tensor),
        _ => None,
    }
}

/// The clips of a value. Rows of a clip and its label lose the label, as they do in TensorBoard.
pub(in crate::logdir) fn audio(stored: Stored, restarts: Restarts) -> Option<Vec<Vec<u8>>> {
    match stored {
        Stored::Value(Some(Value::Tensor(tensor))) if rank(&tensor) == 2 => {
            let columns = tensor.tensor_shape.as_ref()?.dim.get(1)?.size;
            (columns == 2).then_some(())?;
            Some(strings(tensor)?.into_iter().step_by(2).collect())
        }
        other => blobs(other, restarts),
    }
}

fn rank(tensor: &TensorProto) -> usize {
    tensor.tensor_shape.as_ref().map_or(0, |shape| shape.dim.len())
}

fn strings(tensor: TensorProto) -> Option<Vec<Vec<u8>>> {
    (tensor.dtype() == DataType::DtString).then_some(tensor.string_val)
}
