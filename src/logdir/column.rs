//! The values of one tag in one file.

use super::skim::Form;
use crate::{proto::SummaryMetadata, summary::WallTime};

/// A value: when and where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub step: i64,
    pub wall_time: WallTime,
    pub cell: Cell,
}

/// Numbers are kept; everything else is read from the file when somebody asks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    Stored {
        /// Where its record begins, in bytes from the start of the file.
        offset: u64,
        /// Which of the event's values it is.
        index: u32,
    },
}

/// The values of one tag in one file, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    pub rows: Vec<Row>,
    /// Where the values of a new epoch begin: the number of session starts before them in the file, and the first row.
    /// Only epochs with values are listed; rows before the first entry are of epoch 0.
    pub epochs: Vec<(u32, usize)>,
    /// Rows whose event went back behind the event before it, in a file that had not told its version by then.
    pub backward: Vec<usize>,
    /// How the first value stands in the file.
    pub form: Form,
    /// The first metadata of the file.
    pub metadata: Option<Box<SummaryMetadata>>,
}

impl Column {
    /// Adds a value after the `starts`-th session start of the file.
    pub fn push(&mut self, row: Row, starts: u32) {
        if starts != self.epochs.last().map_or(0, |&(epoch, _)| epoch) {
            self.epochs.push((starts, self.rows.len()));
        }
        self.rows.push(row);
    }
}
