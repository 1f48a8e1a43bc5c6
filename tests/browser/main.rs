//! What we write, seen in a browser: stock TensorBoard serves it, headless Chromium opens its pages, and each of them
//! shows our tags, with something drawn and no complaint.
//!
//! TensorBoard and the driver of the browser come from the Python environment `.venv` that `cargo xtask test` makes
//! (`CONVSCOPE_TEST_PYTHON` names another interpreter). The browser is `/usr/bin/chromium` with
//! `/usr/bin/chromedriver`: `apt-get install chromium chromium-driver`.
//!
//! `tests/browser/pages.py LOGDIR --screenshots FOLDER` takes pictures of the same pages.

#![allow(clippy::unwrap_used, clippy::panic)]

mod dashboards;
#[cfg(feature = "tch")]
#[path = "../support/diagnosed_run.rs"]
mod diagnosed_run;
#[cfg(feature = "tch")]
mod diagnosis;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/python.rs"]
mod python;
#[cfg(all(feature = "cli", feature = "tch"))]
#[path = "../support/small_run.rs"]
mod small_run;
#[cfg(all(feature = "cli", feature = "tch"))]
mod training;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value as Json;

/// Above the limit of `pages.py` itself, which then cleans up.
const LIMIT: Duration = Duration::from_secs(480);

/// One browser at a time: they take all of a small machine.
static BROWSER: Mutex<()> = Mutex::new(());

/// Tag and run of every card, by page. Panics where a page does not show what is expected: without `expected`, what
/// TensorBoard's server lists.
fn seen(logdir: &Path, pages: &[&str], expected: Option<&Json>) -> BTreeMap<String, Vec<(String, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let pages = pages.join(",");
    let mut arguments = vec![logdir.to_owned(), "--pages".into(), pages.into()];
    if let Some(expected) = expected {
        let file = folder.path().join("expect.json");
        fs::write(&file, expected.to_string()).unwrap();
        arguments.extend(["--expect".into(), file]);
    }
    let _alone = BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
    let finished = python::run("tests/browser/pages.py", &arguments, LIMIT);
    assert!(finished.status.success(), "{}", finished.stderr);
    let seen: BTreeMap<String, Vec<BTreeMap<String, String>>> =
        serde_json::from_str(&finished.stdout).unwrap();
    let card =
        |mut card: BTreeMap<String, String>| (card.remove("tag").unwrap(), card.remove("run").unwrap());
    seen.into_iter().map(|(page, cards)| (page, cards.into_iter().map(card).collect())).collect()
}
