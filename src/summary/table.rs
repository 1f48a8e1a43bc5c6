//! Rows and columns of text, for the page Text and for the terminal.

use std::fmt::Write as _;

/// A column of text is no wider: one long cell would else widen every line.
const WIDEST: usize = 60;

/// A head and rows of cells. Cells are plain text: what Markdown or HTML would take for a mark is shown as it is
/// written. Columns that hold numbers alone are aligned on the right. Shorter rows end in empty cells.
///
/// ```
/// use convscope::summary::Table;
///
/// let mut table = Table::new(["layer", "shape", "mean"]);
/// table.row(["conv1", "[6, 1, 5, 5]", "-0.012"]);
/// table.row(["a|b", "*any*", "3.5e-7"]);
/// assert_eq!(table.to_text(), "  layer  shape           mean\n  conv1  [6, 1, 5, 5]  -0.012\n  a|b    *any*         3.5e-7\n");
/// assert!(table.to_markdown().ends_with("| a\\|b | \\*any\\* | 3.5e-7 |\n"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head and no rows yet.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        let mut table = Table { rows: Vec::new() };
        table.row(head);
        table
    }

    /// Adds a row below the others.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Table {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// The table in Markdown, as TensorBoard and many others understand it. A line break in a cell stays one.
    pub fn to_markdown(&self) -> String {
        let columns = self.columns();
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            let cell = |column: usize| row.get(column).map_or_else(String::new, |cell| escape(cell));
            let cells: Vec<String> = (0..columns).map(cell).collect();
            writeln!(text, "| {} |", cells.join(" | ")).ok();
            if i == 0 {
                // Only once: it looks through the whole column.
                let rule = |column| if self.is_numeric(column) { "--:" } else { "---" };
                let rules: Vec<&str> = (0..columns).map(rule).collect();
                writeln!(text, "|{}|", rules.join("|")).ok();
            }
        }
        text
    }

    /// The table in columns of one width, each line indented by two spaces. Control characters become spaces. Cells of
    /// more than 60 characters are whole, but no column gets wider for them: they move the rest of their own line.
    pub fn to_text(&self) -> String {
        let columns: Vec<(usize, bool)> =
            (0..self.columns()).map(|column| (self.width(column), self.is_numeric(column))).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, &(width, is_numeric)) in row.iter().zip(&columns) {
                let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                // By hand: a width in a format string ends at 65,535, and beyond it panics.
                let blank = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, behind) = if is_numeric { (blank.as_str(), "") } else { ("", blank.as_str()) };
                write!(line, "  {before}{cell}{behind}").ok();
            }
            writeln!(text, "{}", line.trim_end()).ok();
        }
        text
    }

    fn columns(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0)
    }

    /// Whether there are cells below the head and all of them hold a number or nothing.
    fn is_numeric(&self, column: usize) -> bool {
        let cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
        let mut filled = cells.filter(|cell| !cell.is_empty()).peekable();
        filled.peek().is_some() && filled.all(|cell| is_number(cell))
    }
}

/// `1234567` as `1,234,567`: how a count stands in a [`Table`].
///
/// ```
/// use convscope::summary::thousands;
///
/// assert_eq!(thousands(&1_234_567), "1,234,567");
/// assert_eq!(thousands(&123), "123");
/// ```
pub fn thousands(count: &impl ToString) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `-1.5e-3` is one, and so is `1,234`.
fn is_number(cell: &str) -> bool {
    cell.replace(',', "").parse::<f64>().is_ok()
}

/// A cell that Markdown shows as it is written.
fn escape(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut before = ' ';
    let mut chars = cell.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' | '`' | '*' | '[' | ']' | '|' => text.extend(['\\', char]),
            // Between letters it is none of Markdown's marks: names of settings stay readable in the file.
            '_' if !(before.is_alphanumeric() && chars.peek().is_some_and(|c| c.is_alphanumeric())) => {
                text.push_str("\\_");
            }
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => text.push_str("<br>"),
            char if char.is_control() => text.push(' '),
            char => text.push(char),
        }
        before = char;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        assert_eq!([0, 12, 1234, 123_456].map(|n| thousands(&n)), ["0", "12", "1,234", "123,456"]);
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let mut table = Table::new(["layer", "parameters"]);
        table.row(["a|b", "1,234"]);
        table.row(["total", ""]);
        assert_eq!(table.to_text(), "  layer  parameters\n  a|b         1,234\n  total\n");
        assert_eq!(
            table.to_markdown(),
            "| layer | parameters |\n|---|--:|\n| a\\|b | 1,234 |\n| total |  |\n"
        );
    }

    #[test]
    fn a_long_cell_stays_whole_and_widens_no_other_line() {
        let long = "n".repeat(70_000); // more than a width in a format string can be
        let mut table = Table::new(["layer", "count"]);
        table.row([&long, "1"]).row(["conv1", "20"]).row([&"9".repeat(61), "3"]);
        let text = table.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2]), ("  layer  count", "  conv1     20"));
        assert_eq!(lines[1], format!("  {long}      1"));
        assert_eq!(lines[3].len(), 2 + 61 + 2 + 5);
    }

    #[test]
    fn long_tables_are_made_in_one_pass() {
        let mut table = Table::new(["tag", "values"]);
        for row in 0..100_000 {
            table.row([format!("tag{row}"), row.to_string()]);
        }
        let text = table.to_text();
        assert_eq!(text.lines().count(), 100_001);
        assert_eq!(text.lines().last(), Some("  tag99999   99999"));
        assert!(text.starts_with("  tag       values\n  tag0           0\n"), "{}", &text[..40]);
    }

    #[test]
    fn cells_stay_cells() {
        let mut table = Table::new(["a"]);
        table.row(["one\ntwo\r\nthree", "more"]);
        table.row(["batch_size _x_ Vec<f32> & `code`"]);
        assert_eq!(
            table.to_markdown(),
            "| a |  |\n|---|---|\n| one<br>two<br>three | more |\n\
             | batch_size \\_x\\_ Vec&lt;f32&gt; &amp; \\`code\\` |  |\n"
        );
        assert_eq!(table.to_text().lines().count(), 3);
    }
}
