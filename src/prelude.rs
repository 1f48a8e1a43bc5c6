//! What most programs import: `use convscope::prelude::*`.

pub use crate::{Histogram, Image, Step, Summary, SummarySink, SummaryWriter};

#[cfg(feature = "tch")]
pub use crate::{
    callback::{Callback, CallbackList, Schedule, TensorBoard},
    capture::Tap,
    session::Session,
};
