//! Which values a restart of the training made obsolete.

use super::{column::Row, file::LogFile};

/// What becomes of values that a training logged, and then, after it was resumed at an earlier step, logged again.
///
/// TensorBoard has two loaders, and they disagree. The difference shows only where a series goes back to a step that it
/// had passed; a writer that begins each file with the start of a session at its first step, as
/// [`SummaryWriter`](crate::SummaryWriter) does, and cuts off what is obsolete when it resumes, looks the same to all.
///
/// Old forms of values are turned into new ones as the same loader does it: see [`LogDir`](super::LogDir).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restarts {
    /// As TensorBoard's data server, the loader that `tensorboard --logdir` uses by itself: a value at step `s` takes the
    /// place of all earlier values of its tag at `s` and later steps. Starts of sessions mean nothing, so a tag that is
    /// not logged again keeps its obsolete end.
    #[default]
    DataServer,
    /// As TensorBoard's Python loader (`--load_fast=false`, and always on Windows): each start of a session but the
    /// first of a run, at step `s`, removes what all tags of the run had at `s` and later steps. Values that are logged
    /// twice without a start between are both kept, in their order. (Files older than version 2, which know no starts:
    /// an event behind the one before it removes what its own tags had at its step and later ones.) Of pictures, sounds
    /// and graphs the first of each step is kept, in the order of steps.
    Python,
    /// Everything that the files hold, in their order.
    KeepAll,
}

/// Values of a tag that count, each with the number of its file, in their order.
///
/// A value is obsolete where a later event of the run purges its step, whether that event's own values are obsolete or
/// not. So one pass from the last value to the first suffices: what is at or after the smallest purging step is out.
pub(super) fn surviving<'a>(files: &'a [LogFile], tag: &str, restarts: Restarts) -> Vec<(usize, &'a Row)> {
    match restarts {
        Restarts::KeepAll => simple(files, tag, |_| None),
        Restarts::DataServer => simple(files, tag, |row| Some(row.step)),
        Restarts::Python => python(files, tag),
    }
}

/// A rule by which each row purges by itself, or none does.
fn simple<'a>(files: &'a [LogFile], tag: &str, purge: fn(&Row) -> Option<i64>) -> Vec<(usize, &'a Row)> {
    let mut pass = Pass { barrier: None, kept: Vec::new() };
    for (number, file) in files.iter().enumerate().rev() {
        let Some(column) = file.columns.get(tag) else { continue };
        for row in column.rows.iter().rev() {
            pass.offer(number, row);
            pass.lower(purge(row));
        }
    }
    pass.kept.reverse();
    pass.kept
}

/// A pass over the values of a tag from the last to the first.
struct Pass<'a> {
    /// Smallest step that a later event purges.
    barrier: Option<i64>,
    kept: Vec<(usize, &'a Row)>,
}

impl<'a> Pass<'a> {
    fn offer(&mut self, file: usize, row: &'a Row) {
        if self.barrier.is_none_or(|barrier| row.step < barrier) {
            self.kept.push((file, row));
        }
    }

    fn lower(&mut self, step: Option<i64>) {
        if let Some(step) = step {
            self.barrier = Some(self.barrier.map_or(step, |barrier| barrier.min(step)));
        }
    }
}

/// The Python loader's rules.
fn python<'a>(files: &'a [LogFile], tag: &str) -> Vec<(usize, &'a Row)> {
    let starts = Starts::of(files);
    let mut pass = Pass { barrier: None, kept: Vec::new() };
    for (number, file) in files.iter().enumerate().rev() {
        // Session starts that are behind the row that is looked at.
        let mut ahead = file.starts.len();
        let mut lower_to = |pass: &mut Pass<'a>, epoch: usize| {
            while ahead > epoch {
                ahead -= 1;
                pass.lower(starts.purge(number, ahead));
            }
        };
        if let Some(column) = file.columns.get(tag) {
            let mut epochs = column.epochs.iter().rev().peekable();
            let mut backward = column.backward.iter().rev().peekable();
            for (index, row) in column.rows.iter().enumerate().rev() {
                while epochs.peek().is_some_and(|&&(_, from)| index < from) {
                    epochs.next();
                }
                let epoch = epochs.peek().map_or(0, |&&(epoch, _)| epoch);
                lower_to(&mut pass, epoch as usize);
                pass.offer(number, row);
                let went_back = backward.next_if(|&&at| at == index).is_some()
                    || (index == 0 && column.leads && starts.went_back(number));
                if went_back && number <= starts.versioned {
                    pass.lower(Some(row.step));
                }
            }
        }
        lower_to(&mut pass, 0);
    }
    pass.kept.reverse();
    pass.kept
}

/// The session starts of a run.
struct Starts<'a> {
    files: &'a [LogFile],
    /// The first file that tells version 2: starts count from there on, and order of steps does not any more.
    versioned: usize,
    /// File and number of the first start that counts. It is no restart.
    first: Option<(usize, usize)>,
}

impl<'a> Starts<'a> {
    fn of(files: &'a [LogFile]) -> Starts<'a> {
        let versioned = files.iter().position(|file| file.versioned).unwrap_or(files.len());
        let starts = Starts { files, versioned, first: None };
        let first = (versioned..files.len()).find_map(|file| {
            let number = starts.unheeded(file);
            (number < files[file].starts.len()).then_some((file, number))
        });
        Starts { first, ..starts }
    }

    /// How many starts of a file mean nothing because no version was told before.
    fn unheeded(&self, file: usize) -> usize {
        if file > self.versioned { 0 } else { self.files[file].unheeded_starts }
    }

    /// The step from which on a start purges, where it does.
    fn purge(&self, file: usize, number: usize) -> Option<i64> {
        let heeded = file >= self.versioned && number >= self.unheeded(file);
        (heeded && Some((file, number)) != self.first).then(|| self.files[file].starts[number])
    }

    /// Whether the first event with values of a file is behind the last one of the files before it.
    fn went_back(&self, file: usize) -> bool {
        let last = self.files[..file].iter().rev().find_map(|before| before.last_step);
        self.files[file].first_step.zip(last).is_some_and(|(first, last)| first < last)
    }
}
