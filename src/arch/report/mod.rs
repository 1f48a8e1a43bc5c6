//! Everything that is known of a model before it is trained, for TensorBoard.
//!
//! | file | concept |
//! |---|---|
//! | `write` | [`ModelReport`]: which tags there are, and what is written under them |
//! | `pictures` | layers as they are drawn: which ones, which units, which kernels |
//! | `probe` | the image that is drawn on |

mod pictures;
mod probe;
mod write;

pub use self::write::ModelReport;
