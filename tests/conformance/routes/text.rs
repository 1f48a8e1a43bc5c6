//! Page Text: Markdown and tables.

use std::path::Path;

use convscope::{SummaryWriter, Table};
use serde_json::json;

use super::{at, clock, server::Server};

const RUN: &str = "text";

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    at(&writer, 0).add_text("note", "It **works**.", 0).unwrap();
    at(&writer, 1).add_text("note", "größer, 図 & <b>no tag</b>", 1).unwrap();
    let mut table = Table::new(["layer", "size"]);
    table.row(["conv1", "150"]).row(["a|b", "2"]);
    at(&writer, 0).add_table("layers", &table, 0).unwrap();
    writer.close().unwrap();
}

pub fn check(server: &Server) {
    server.shows_names("text/tags", RUN, &["layers", "note"]);
    let text = |step, html: &str| json!({"wall_time": clock(step), "step": step, "text": html});
    let notes = json!([
        text(0, "<p>It <strong>works</strong>.</p>"),
        text(1, "<p>größer, 図 &amp; &lt;b&gt;no tag&lt;/b&gt;</p>"),
    ]);
    server.shows("text/text", &[("run", RUN), ("tag", "note")], "", notes);

    let layers = server.json("text/text", &[("run", RUN), ("tag", "layers")], "");
    let html = layers[0]["text"].as_str().unwrap();
    for cell in ["<th>layer</th>", "<td>conv1</td>", "<td>a|b</td>"] {
        assert!(html.contains(cell), "{html}");
    }
    assert!(html.contains(">150</td>"), "{html}"); // on the right
}
