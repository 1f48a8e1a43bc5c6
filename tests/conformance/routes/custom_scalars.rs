//! Page Custom Scalars.

use std::path::Path;

use convscope::{
    SummaryWriter,
    summary::{Category, Chart, Layout},
};
use serde_json::json;

use super::{at, clock, server::Server, single};

const RUN: &str = "custom_scalars";
const TAGS: [&str; 4] = ["loss", "loss[low]", "loss[high]", "loss.other"];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    writer.add_custom_scalars(&layout()).unwrap();
    for step in 0..4 {
        for (at_tag, tag) in TAGS.into_iter().enumerate() {
            at(&writer, step).add_scalar(tag, value(at_tag, step), step).unwrap();
        }
    }
    writer.close().unwrap();
}

fn value(tag: usize, step: i64) -> f64 {
    tag as f64 / 10.0 + step as f64
}

fn layout() -> Layout {
    let curves = Chart::multiline("curves", ["loss.*", "accuracy"]);
    let exact = Chart::tags("exactly these", ["loss[low]"]);
    let band = Chart::margin("band", [("loss", "loss[low]", "loss[high]")]);
    Layout::new(vec![
        Category::new("First", vec![curves, exact]),
        Category::new("Second", vec![band]).closed(),
    ])
    .unwrap()
}

pub fn check(server: &Server) {
    let layout = json!([
        {"title": "First", "closed": false, "chart": [
            {"title": "curves", "multiline": {"tag": ["loss.*", "accuracy"]}},
            {"title": "exactly these", "multiline": {"tag": [EXACTLY]}},
        ]},
        {"title": "Second", "closed": true, "chart": [
            {"title": "band", "margin": {"series": [{"value": "loss", "lower": "loss[low]", "upper": "loss[high]"}]}},
        ]},
    ]);
    server.shows("custom_scalars/layout", &[], "category", layout);
    // What the page asks for each entry: the tags that it matches from their start.
    for (regex, matching) in [("loss.*", &[0, 1, 2, 3][..]), (EXACTLY, &[1]), ("accuracy", &[])] {
        let told = server.json("custom_scalars/scalars", &[("run", RUN), ("tag", regex)], "");
        assert_eq!(told["regex_valid"], true);
        let series = told["tag_to_events"].as_object().unwrap();
        let expected = matching.iter().map(|&tag| {
            let points = (0..4).map(|step| json!([clock(step), step as f64, single(value(tag, step))]));
            (TAGS[tag].to_owned(), points.collect())
        });
        assert_eq!(*series, expected.collect(), "{regex}");
    }
}

/// `loss[low]` and nothing longer, as a regular expression.
const EXACTLY: &str = r"loss\[low\]$";
