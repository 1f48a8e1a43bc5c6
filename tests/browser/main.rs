//! A run of the training program, seen in a browser: stock TensorBoard serves it, headless Chromium opens the pages
//! Time Series, Scalars, Images, Histograms, Distributions and Text, and each of them shows our tags.
//!
//! TensorBoard and the driver of the browser come from the Python environment `.venv` that `cargo xtask test` makes
//! (`CONVSCOPE_TEST_PYTHON` names another interpreter). The browser is `/usr/bin/chromium` with
//! `/usr/bin/chromedriver`: `apt-get install chromium chromium-driver`.
//!
//! `tests/browser/pages.py LOGDIR --screenshots FOLDER` takes pictures of the same pages.

#![cfg(all(feature = "cli", feature = "tch"))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/python.rs"]
mod python;
#[path = "../support/small_run.rs"]
mod small_run;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::{Value as Json, json};

/// Above the limit of `pages.py` itself, which then cleans up.
const LIMIT: Duration = Duration::from_secs(480);

#[test]
fn every_page_shows_our_tags() {
    let folder = tempfile::tempdir().unwrap();
    let logdir = folder.path().join("logs");
    small_run::train(&logdir);
    let expect = folder.path().join("expect.json");
    fs::write(&expect, expected_tags().to_string()).unwrap();

    let finished = python::run(
        "tests/browser/pages.py",
        [logdir.as_path(), Path::new("--expect"), expect.as_path()],
        LIMIT,
    );
    assert!(finished.status.success(), "{}", finished.stderr);
    let seen: Json = serde_json::from_str(&finished.stdout).unwrap();
    let cards: BTreeMap<&str, usize> = seen
        .as_object()
        .unwrap()
        .iter()
        .map(|(page, cards)| (&**page, cards.as_array().unwrap().len()))
        .collect();
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

/// The runs of each tag, by plugin.
fn expected_tags() -> Json {
    let mut plugins: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for group in &small_run::TAGS {
        for tag in group.tags {
            plugins.entry(group.plugin).or_default().entry(tag).or_default().push(group.run);
        }
    }
    json!(plugins)
}
