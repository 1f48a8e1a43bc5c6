//! TensorBoard shows the cells of a table as they were written.

#![allow(clippy::unwrap_used, clippy::panic)] // in helpers

#[path = "support/python.rs"]
mod python;

use std::{fs, time::Duration};

use convscope::Table;

/// What Markdown, HTML and tables use as marks.
const CELLS: [&str; 44] = [
    "a|b",
    "`x|y`",
    "\\",
    "a\\|b",
    "*a*",
    "_a_",
    "__init__",
    "a_b_c",
    "[l](http://x)",
    "![i](x)",
    "<script>alert(1)</script>",
    "Vec<f32>",
    "&lt;",
    "http://example.com",
    "# head",
    "- item",
    "1. item",
    "{x}",
    "~~s~~",
    "  lead",
    "trail  ",
    "x\\",
    "\\*",
    "line\nbreak",
    "$x$",
    "![x]: y",
    "a & b",
    "||",
    "+",
    "-",
    "--:",
    ":--",
    "\"q\"",
    "^x^",
    "***",
    "a***b***c",
    "a__b__c",
    "__",
    "_",
    "a\\_b",
    "foo_",
    "_foo",
    "ä_ö",
    "C:\\dir\\_x",
];

#[test]
fn cells_look_as_they_were_written() {
    let mut table = Table::new(["mark", "beside it"]);
    CELLS.iter().for_each(|cell| _ = table.row([cell, "x"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table.md");
    fs::write(&file, table.to_markdown()).unwrap();

    let shown = python::run("tests/media_table.py", [&file], Duration::from_secs(120));
    assert!(shown.status.success(), "{}", shown.stderr);
    let rows: Vec<[String; 2]> = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(rows.len(), 1 + CELLS.len());
    for (cell, [shown, beside]) in CELLS.iter().zip(&rows[1..]) {
        assert_eq!((shown.trim(), beside.trim()), (cell.trim(), "x"));
    }
}
