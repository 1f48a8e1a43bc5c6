//! What stock TensorBoard's dashboards get to see: each of their own routes, asked over HTTP, answers what was written,
//! with either loader.

mod audio;
mod custom_scalars;
mod graphs;
mod histograms;
mod hparams;
mod images;
mod mesh;
mod pr_curves;
mod projector;
mod scalars;
mod server;
mod text;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use convscope::{SummaryWriter, WallTime};

use server::Server;

/// What a dashboard is tried with: a run, or several, and a look at its routes.
struct Dashboard {
    name: &'static str,
    write: fn(&Path),
    check: fn(&Server),
}

const DASHBOARDS: [Dashboard; 11] = [
    Dashboard { name: "scalars", write: scalars::write, check: scalars::check },
    Dashboard { name: "histograms", write: histograms::write, check: histograms::check },
    Dashboard { name: "images", write: images::write, check: images::check },
    Dashboard { name: "text", write: text::write, check: text::check },
    Dashboard { name: "audio", write: audio::write, check: audio::check },
    Dashboard { name: "pr_curves", write: pr_curves::write, check: pr_curves::check },
    Dashboard { name: "custom_scalars", write: custom_scalars::write, check: custom_scalars::check },
    Dashboard { name: "mesh", write: mesh::write, check: mesh::check },
    Dashboard { name: "hparams", write: hparams::write, check: hparams::check },
    Dashboard { name: "graphs", write: graphs::write, check: graphs::check },
    Dashboard { name: "projector", write: projector::write, check: projector::check },
];

#[test]
fn the_routes_answer_what_was_written_with_the_data_server() {
    answer_what_was_written(&["--load_fast=true"]);
}

#[test]
fn the_routes_answer_what_was_written_with_the_python_loader() {
    answer_what_was_written(&["--load_fast=false", "--reload_interval=0", "--reload_task=blocking"]);
}

fn answer_what_was_written(options: &[&str]) {
    let logdir = tempfile::tempdir().unwrap();
    for dashboard in &DASHBOARDS {
        (dashboard.write)(logdir.path());
    }
    let server = Server::start(logdir.path(), options);
    let fails =
        |dashboard: &&Dashboard| catch_unwind(AssertUnwindSafe(|| (dashboard.check)(&server))).is_err();
    let failed: Vec<&str> = DASHBOARDS.iter().filter(fails).map(|dashboard| dashboard.name).collect();
    assert!(failed.is_empty(), "{options:?}: see above for {failed:?}");
    server.stop();
}

/// The time at which the tests write the values of a step.
fn clock(step: i64) -> f64 {
    1.75e9 + step as f64 / 8.0
}

/// A handle that writes at the time of a step.
fn at(writer: &SummaryWriter, step: i64) -> SummaryWriter {
    writer.at(WallTime::new(clock(step)).unwrap())
}

/// What is left of a number in 32 bits.
fn single(value: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)]
    f64::from(value as f32)
}
