//! Labels of points: a table of tab-separated texts.

use std::collections::BTreeSet;

use super::invalid;
use crate::error::Result;

/// Stands in a row that is blank.
const BLANK: &str = "-";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Metadata {
    pub(super) fn new(columns: &[&str], rows: Vec<Vec<String>>, points: usize) -> Result<Metadata> {
        let columns: Vec<String> = columns.iter().map(|name| plain(name)).collect();
        if columns.is_empty() {
            return invalid("metadata has no column; give the name of at least one");
        }
        let mut seen = BTreeSet::new();
        for name in &columns {
            if is_blank(name) || !seen.insert(name) {
                return invalid(format!(
                    "the column name `{name}` is blank or given twice; columns need own names"
                ));
            }
        }
        if rows.len() != points {
            return invalid(format!(
                "{} rows of metadata for {points} points; give one for each",
                rows.len()
            ));
        }
        if let Some((index, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != columns.len()) {
            return invalid(format!(
                "row {index} of the metadata has {} cells for {} columns",
                row.len(),
                columns.len()
            ));
        }
        Ok(Metadata { columns, rows })
    }

    pub(super) fn size(&self) -> usize {
        let row =
            |row: &Vec<String>| size_of_val(row.as_slice()) + row.iter().map(String::len).sum::<usize>();
        self.rows.iter().map(row).sum()
    }

    /// The file. TensorBoard takes the first line for the names of columns where it holds a tab, and only there: a single
    /// column has no name. Each line ends, also the last: the page waits for ever for the end of a file of one line.
    pub(super) fn encode<'a, I>(&'a self, shown: impl FnOnce(&'a [Vec<String>]) -> I) -> Vec<u8>
    where
        I: Iterator<Item = &'a Vec<String>>,
    {
        let mut tsv = String::new();
        if self.columns.len() > 1 {
            tsv.push_str(&self.columns.join("\t"));
            tsv.push('\n');
        }
        for row in shown(&self.rows) {
            let mut cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
            if let Some(first) = cells.first().filter(|_| cells.iter().all(|cell| is_blank(cell))) {
                cells[0] = format!("{BLANK}{first}");
            }
            tsv.push_str(&cells.join("\t"));
            tsv.push('\n');
        }
        tsv.into_bytes()
    }
}

/// Without tabs and line ends, which separate cells.
fn plain(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether the page takes it for nothing.
fn is_blank(cell: &str) -> bool {
    cell.chars().all(|c| c.is_whitespace() || c == '\u{feff}')
}
