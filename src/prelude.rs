//! What most programs import: `use convscope::prelude::*`.
pub use crate::SummarySink;
