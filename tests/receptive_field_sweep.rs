//! The example `receptive_field_sweep`, quickly run: what stock TensorBoard reads of it.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/example.rs"]
mod example;
#[path = "support/python.rs"]
#[allow(dead_code, reason = "the server runs beside the test")]
mod python;
#[path = "conformance/routes/server.rs"]
#[allow(dead_code, reason = "not every route is asked")]
mod server;

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::{Value as Json, json};
use server::Server;

const TAG: &str = "accuracy_over_receptive_field";
const WAYS: [(&str, &[f64]); 3] = [
    ("kernel", &[4.0, 8.0, 12.0, 20.0, 28.0, 44.0]),
    ("depth", &[4.0, 8.0, 12.0, 20.0, 28.0, 44.0]),
    ("dilation", &[4.0, 12.0, 20.0, 28.0, 44.0]),
];
/// Networks that are trained: two belong to all ways.
const NETWORKS: usize = 13;
/// Columns of the page HParams.
const COLUMNS: [&str; 9] =
    ["depth", "dilation", "field (px)", "growth", "kernel", "parameters", "rf_density", "seed", "width"];

#[test]
fn the_curves_and_the_table_are_there() {
    let logs = tempfile::tempdir().unwrap();
    let finished = sweep(&["--epochs", "1", "--seeds", "1", "--images", "60"], logs.path());
    assert!(finished.0, "{}", finished.1);
    let folders: Vec<_> =
        std::fs::read_dir(logs.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [logdir] = folders.as_slice() else { panic!("one run folder expected: {folders:?}") };

    let server = Server::start(logdir, &[]);
    for (way, fields) in WAYS {
        server.shows_names("scalars/tags", way, &[TAG]);
        let points = server.json("scalars/scalars", &[("run", way), ("tag", TAG)], "");
        let steps: Vec<f64> =
            points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).collect();
        assert_eq!(steps, fields, "{way}");
    }
    server.shows_names("images/tags", ".", &[TAG]);
    server.shows_names("text/tags", ".", &["results"]);
    check_networks(&networks(&server));
    server.stop();
}

/// Settings and metrics of a row of the page HParams.
struct Network {
    settings: BTreeMap<String, Json>,
    metrics: Vec<String>,
}

fn networks(server: &Server) -> Vec<Network> {
    let request = json!({
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": COLUMNS.map(|column| json!({"hparam": column})),
        "startIndex": 0,
        "sliceSize": 100,
    });
    let told = server.post("hparams/session_groups", "application/json", &request.to_string());
    let rows = told["sessionGroups"].as_array().unwrap();
    let network = |row: &Json| Network {
        settings: row["hparams"].as_object().unwrap().clone().into_iter().collect(),
        metrics: row["metricValues"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value["name"]["tag"].as_str().unwrap().to_owned())
            .collect(),
    };
    rows.iter().map(network).collect()
}

fn check_networks(networks: &[Network]) {
    assert_eq!(networks.len(), NETWORKS);
    let params: Vec<f64> =
        networks.iter().map(|network| network.settings["parameters"].as_f64().unwrap()).collect();
    let (least, most) =
        params.iter().fold((f64::MAX, 0.0_f64), |(least, most), &n| (least.min(n), most.max(n)));
    assert!(most / least <= 1.02, "budgets differ: {params:?}");
    for Network { settings, metrics } in networks {
        assert!(settings.keys().eq(COLUMNS), "{settings:?}");
        let number = |name: &str| settings[name].as_f64().unwrap();
        // The stem of 3x3 and its pool of 2x2 see 4 pixels; behind them a step is 2 pixels.
        let lecture = 4.0 + number("depth") * (number("kernel") - 1.0) * number("dilation") * 2.0;
        assert_eq!(number("field (px)"), lecture, "{settings:?}");
        // Blocks of 4 pixels, a dilated step apart from each other.
        let step = 2.0 * number("dilation");
        let density = if step <= 4.0 { 1.0 } else { 4.0 * ((lecture - 4.0) / step + 1.0) / lecture };
        assert!((number("rf_density") - density).abs() < 1e-9, "{settings:?}");
        let mut metrics = metrics.clone();
        metrics.retain(|metric| metric != "overhead_fraction"); // the session's own
        metrics.sort();
        assert_eq!(metrics, ["accuracy", "loss", "train/accuracy", "train/loss"]);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let logs = tempfile::tempdir().unwrap();
    for (arguments, complaint) in [
        (&["--epochs", "0"][..], "--epochs: `0` found; a number from 1 on is expected"),
        (&["--seeds"], "--seeds: a value is missing"),
        (&["--color", "red"], "--color: use --epochs, --seeds, --images or --logdir"),
    ] {
        let (success, output) = sweep(arguments, logs.path());
        assert!(!success && output.contains(complaint), "{output}");
    }
    assert_eq!(std::fs::read_dir(logs.path()).unwrap().count(), 0);
}

/// Whether it succeeded, and what it wrote to stderr.
fn sweep(arguments: &[&str], logdir: &Path) -> (bool, String) {
    let program = example::program("receptive_field_sweep");
    let output = Command::new(program).arg("--logdir").arg(logdir).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
