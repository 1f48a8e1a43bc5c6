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
    /// Rows whose event went back behind the event before it, in a file that had not told its version by then. Of several
    /// rows of one event the first.
    pub backward: Vec<usize>,
    /// Whether the first row belongs to the first event with values of a file that had not told its version by then.
    pub leads: bool,
    /// What the values take in the file.
    pub bytes: u64,
    /// Whether rows were added since the run took stock.
    pub changed: bool,
    /// Number of the event of the last row, in its file.
    last_event: u64,
    /// How the first value stands in the file.
    pub form: Form,
    /// The first metadata of the file.
    pub metadata: Option<Box<SummaryMetadata>>,
}

impl Column {
    /// An empty one, whose first value will stand in this form.
    pub fn of(form: Form) -> Column {
        Column { form, ..Column::default() }
    }

    /// Adds a value of the `event`-th event of the file, after its `starts`-th session start.
    pub fn push(&mut self, row: Row, event: u64, starts: u32, backward: bool) {
        if starts != self.epochs.last().map_or(0, |&(epoch, _)| epoch) {
            self.epochs.push((starts, self.rows.len()));
        }
        if backward && (self.rows.is_empty() || self.last_event != event) {
            self.backward.push(self.rows.len());
        }
        self.last_event = event;
        self.changed = true;
        self.rows.push(row);
    }
}
