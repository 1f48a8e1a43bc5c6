//! Page PR Curves.

use std::path::Path;

use convscope::{PrCurve, Summary, SummaryWriter};
use serde_json::json;

use super::{at, clock, server::Server};

const RUN: &str = "pr_curves";
const LABELS: [bool; 6] = [true, true, true, false, false, false];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for step in 0..2 {
        let summary = Summary::pr_curve(curve(step));
        let summary = summary.with_display_name("Shirts").with_description("Shirts *against* the rest.");
        at(&writer, step).add("shirt", summary, step).unwrap();
    }
    writer.close().unwrap();
}

/// Separated in the first step; in the second one in three is wrong on either side.
fn curve(step: i64) -> PrCurve {
    let scores = if step == 0 { [0.9, 0.8, 0.7, 0.3, 0.2, 0.1] } else { [0.9, 0.8, 0.3, 0.7, 0.2, 0.1] };
    PrCurve::new(&LABELS, &scores, 5).unwrap()
}

pub fn check(server: &Server) {
    let description = "<p>Shirts <em>against</em> the rest.</p>";
    server.shows(
        "pr_curves/tags",
        &[],
        RUN,
        json!({"shirt": {"displayName": "Shirts", "description": description}}),
    );
    // Counted by hand. At the threshold 1 nothing is called a shirt: TensorBoard leaves that point out.
    let curves = json!([
        {
            "step": 0, "wall_time": clock(0), "thresholds": [0.0, 0.25, 0.5, 0.75],
            "true_positives": [3, 3, 3, 2], "false_positives": [3, 1, 0, 0],
            "true_negatives": [0, 2, 3, 3], "false_negatives": [0, 0, 0, 1],
            "precision": [0.5, 0.75, 1.0, 1.0], "recall": [1.0, 1.0, 1.0, third(2)],
        },
        {
            "step": 1, "wall_time": clock(1), "thresholds": [0.0, 0.25, 0.5, 0.75],
            "true_positives": [3, 3, 2, 2], "false_positives": [3, 1, 1, 0],
            "true_negatives": [0, 2, 2, 3], "false_negatives": [0, 0, 1, 1],
            "precision": [0.5, 0.75, third(2), 1.0], "recall": [1.0, 1.0, third(2), third(2)],
        },
    ]);
    server.shows("pr_curves/pr_curves", &[("run", RUN), ("tag", "shirt")], RUN, curves);
}

/// In 32 bits, as it is written.
fn third(count: u8) -> f64 {
    f64::from(f32::from(count) / 3.0)
}
