//! Floor 3: the writer that training talks to.

mod add;
mod builder;
mod elements;
mod failure;
#[cfg(test)]
mod failure_tests;
mod lane;
mod queue;
mod resume;
mod run_file;
mod run_folder;
mod runs;
mod scalars;
mod sink;
mod stats;
mod summary_writer;
#[cfg(feature = "tensorboard-rs")]
mod tensorboard_rs;
mod worker;

pub use self::{
    builder::{BackPressure, OnError, SummaryWriterBuilder},
    elements::Element,
    sink::{Entry, MemorySink, SubRun, SummarySink},
    stats::WriterStats,
    summary_writer::SummaryWriter,
};
