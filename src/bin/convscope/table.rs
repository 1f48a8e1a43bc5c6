//! A table for the terminal and for TensorBoard's text page.

use std::fmt::Write as _;

/// Rows of equally many cells. Cells that are numbers stand at the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        let mut table = Table { rows: Vec::new() };
        table.row(head);
        table
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            writeln!(text, "| {} |", cells.join(" | ")).ok();
            if i == 0 {
                let rules: Vec<&str> = (0..row.len())
                    .map(|column| if self.is_numeric(column) { "--:" } else { "---" })
                    .collect();
                writeln!(text, "|{}|", rules.join("|")).ok();
            }
        }
        text
    }

    pub fn to_text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if self.is_numeric(column) {
                    write!(line, "  {cell:>width$}").ok();
                } else {
                    write!(line, "  {cell:<width$}").ok();
                }
            }
            writeln!(text, "{}", line.trim_end()).ok();
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    /// Whether all cells below the head hold a number or nothing.
    fn is_numeric(&self, column: usize) -> bool {
        let is_number = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || c == ',');
        self.rows.iter().skip(1).filter_map(|row| row.get(column)).all(is_number)
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: &impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right() {
        let mut table = Table::new(["layer", "parameters"]);
        table.row(["a|b".to_owned(), thousands(&1234)]);
        table.row(["total", ""]);
        assert_eq!(table.to_text(), "  layer  parameters\n  a|b         1,234\n  total\n");
        assert_eq!(
            table.to_markdown(),
            "| layer | parameters |\n|---|--:|\n| a\\|b | 1,234 |\n| total |  |\n"
        );
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(
            [0, 12, 123, 1234, 123_456, 1_234_567].map(|n| thousands(&n))[3..],
            ["1,234", "123,456", "1,234,567"]
        );
        assert_eq!(thousands(&123), "123");
    }
}
