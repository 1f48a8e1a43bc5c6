//! Floor 3: the writer that training talks to.

mod sink;

pub use self::sink::{Entry, MemorySink, SubRun, SummarySink};
