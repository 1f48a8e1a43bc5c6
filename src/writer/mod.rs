//! Floor 3: the writer that training talks to.

mod builder;
mod elements;
#[cfg(test)]
mod failure_tests;
mod queue;
mod run_file;
mod run_folder;
mod runs;
mod sink;
mod summary_writer;
mod worker;

pub use self::{
    builder::{BackPressure, OnError, SummaryWriterBuilder},
    elements::Element,
    sink::{Entry, MemorySink, SubRun, SummarySink},
    summary_writer::SummaryWriter,
};
