//! Values of a series, one by one.

use std::vec;

use super::{
    column::{Cell, Row},
    point::Point,
    restarts::Restarts,
    stored::{Store, Stored},
};
use crate::{error::Result, proto::summary::value::Value};

/// Makes what is asked for of a value as it is stored; `None` where it is something else.
pub(super) type Convert<T> = fn(Stored, Restarts) -> Option<T>;

/// Values of a series in their order, each read from its file when it is taken: only one is in memory at a time.
///
/// A value that does not fit its tag, such as a text among histograms, is left out with a warning; TensorBoard does not
/// show it either. An error tells that a file cannot be read again or changed meanwhile; the iterator can go on after it.
///
/// ```
/// use convscope::{SummaryWriter, logdir::LogDir};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let writer = SummaryWriter::open(path)?;
/// writer.add_histogram("weights", &[0.0_f32, 1.0, 1.0], 7)?;
/// writer.close()?;
///
/// let logs = LogDir::open(path)?;
/// for point in logs.run(".")?.histograms("weights")? {
///     let point = point?;
///     assert_eq!(point.step.get(), 7);
///     assert_eq!(point.value.iter().map(|bucket| bucket.count).sum::<f64>(), 3.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Series<'a, T> {
    rows: vec::IntoIter<(usize, &'a Row)>,
    store: Store<'a>,
    tag: &'a str,
    restarts: Restarts,
    convert: Convert<T>,
}

impl<'a, T> Series<'a, T> {
    pub(super) fn new(
        rows: Vec<(usize, &'a Row)>,
        store: Store<'a>,
        tag: &'a str,
        restarts: Restarts,
        convert: Convert<T>,
    ) -> Series<'a, T> {
        Series { rows: rows.into_iter(), store, tag, restarts, convert }
    }

    fn read(&mut self, file: usize, row: &Row) -> Result<Option<Point<T>>> {
        let stored = match row.cell {
            Cell::Number(number) => Stored::Value(Some(Value::SimpleValue(number as f32))),
            Cell::Stored { offset, index } => self.store.read(file, self.tag, offset, index)?,
        };
        let value = (self.convert)(stored, self.restarts);
        if value.is_none() {
            tracing::warn!(
                "tag {:?}: the value at step {} does not fit its tag and is left out",
                self.tag,
                row.step
            );
        }
        Ok(value.map(|value| row.point(value)))
    }
}

impl<T> Iterator for Series<'_, T> {
    type Item = Result<Point<T>>;

    fn next(&mut self) -> Option<Result<Point<T>>> {
        loop {
            let (file, row) = self.rows.next()?;
            if let Some(point) = self.read(file, row).transpose() {
                return Some(point);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.rows.len()))
    }
}

impl<T> DoubleEndedIterator for Series<'_, T> {
    fn next_back(&mut self) -> Option<Result<Point<T>>> {
        loop {
            let (file, row) = self.rows.next_back()?;
            if let Some(point) = self.read(file, row).transpose() {
                return Some(point);
            }
        }
    }
}
