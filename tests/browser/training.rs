//! A run of the training program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::{seen, small_run};

const PAGES: &[&str] = &["timeseries", "scalars", "images", "histograms", "distributions", "text", "graphs"];

#[test]
fn every_page_shows_our_tags() {
    let folder = tempfile::tempdir().unwrap();
    let logdir = folder.path().join("logs");
    small_run::train(&logdir);
    let pages = seen(&logdir, PAGES, Some(&expected_tags()));
    let cards: BTreeMap<&str, usize> = pages.iter().map(|(page, cards)| (&**page, cards.len())).collect();
    // Scalars of all runs share a card.
    let expected = [
        ("distributions", 14),
        ("graphs", 7),
        ("histograms", 14),
        ("images", 19),
        ("scalars", 106),
        ("text", 6),
        ("timeseries", 139),
    ];
    assert_eq!(cards, BTreeMap::from(expected));
}

/// Top-level boxes of the run's graph, and that of its conceptual graph.
const BOXES: [(&str, &str); 7] = [
    ("input", "small"),
    ("conv", "small"),
    ("relu", "small"),
    ("pool", "small"),
    ("flatten", "small"),
    ("out", "small"),
    ("small", "small, keras"),
];

/// The runs of each tag, by plugin; the views of each box for the page Graphs. Of sets, which have the order of the names and not that of the table.
fn expected_tags() -> Json {
    let mut plugins: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (name, view) in BOXES {
        plugins.entry("graphs").or_default().entry(name).or_default().insert(view);
    }
    // The graphs have boxes for tags; the pages of the others are not opened here.
    let elsewhere = ["graphs", "graph_keras_model", "custom_scalars", "pr_curves"];
    for group in small_run::TAGS.iter().filter(|group| !elsewhere.contains(&group.plugin)) {
        for tag in group.tags {
            plugins.entry(group.plugin).or_default().entry(tag).or_default().insert(group.run);
        }
    }
    json!(plugins)
}
