//! What is a ReLU, and where its gradient goes.

use tch::{TchError, Tensor};

use crate::{capture::Role, explain::values};

/// How the gradient passes a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// relu(g), where the input was positive: the function's own derivative does the second.
    Guided,
    /// relu(g), past the function.
    Deconvolution,
}

/// Whether an output is that of a ReLU or ReLU6. Where the model's author did not say, it is taken for one unless a negative
/// value shows that it is none.
pub(super) fn is_relu(role: Role, output: &Tensor) -> Result<bool, TchError> {
    match role {
        Role::Relu => Ok(true),
        Role::Activation => Ok(values::scalar(&output.f_min()?)? >= 0.0),
        _ => Ok(false),
    }
}

/// The latest of the outputs so far that a ReLU or ReLU6 makes `output` of: its input. `None` where that was not observed, or
/// was changed in place, so that it is gone.
pub(super) fn input_of(output: &Tensor, before: &[Tensor]) -> Result<Option<Tensor>, TchError> {
    // NaN equals nothing; a network that has run away still has its ReLUs.
    let same =
        |made: Tensor| made.f_nan_to_num(0.0, None, None)?.f_equal(&output.f_nan_to_num(0.0, None, None)?);
    for input in before.iter().rev() {
        let fits = input.size() == output.size()
            && input.kind() == output.kind()
            && input.data_ptr() != output.data_ptr()
            && (same(input.f_relu()?)? || same(input.f_relu6()?)?);
        if fits {
            return Ok(Some(input.shallow_clone()));
        }
    }
    Ok(None)
}
