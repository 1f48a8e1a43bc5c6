//! A run of the training program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::{seen, small_run};

const PAGES: &[&str] = &["timeseries", "scalars", "images", "histograms", "distributions", "text"];

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
        ("histograms", 14),
        ("images", 4),
        ("scalars", 18),
        ("text", 2),
        ("timeseries", 36),
    ];
    assert_eq!(cards, BTreeMap::from(expected));
}

/// The runs of each tag, by plugin. Of sets, which have the order of the names and not that of the table.
fn expected_tags() -> Json {
    let mut plugins: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for group in &small_run::TAGS {
        for tag in group.tags {
            plugins.entry(group.plugin).or_default().entry(tag).or_default().insert(group.run);
        }
    }
    json!(plugins)
}
