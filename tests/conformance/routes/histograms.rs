//! Pages Histograms and Distributions, and the histograms of Time Series.

use std::path::Path;

use convscope::{Bucket, Summary, SummaryWriter};
use serde_json::{Value as Json, json};

use super::{at, clock, server::Server};

const RUN: &str = "histograms";
const TAG: &str = "weights/conv1";
/// Between which the page Distributions draws its bands, in hundredths of a percent.
const BASIS_POINTS: [f64; 9] = [0.0, 668.0, 1587.0, 3085.0, 5000.0, 6915.0, 8413.0, 9332.0, 10_000.0];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for step in 0..4 {
        let described = |summary: Summary| {
            summary.with_display_name("Weights").with_description("Of the *first* convolution.")
        };
        at(&writer, step).add(TAG, described(Summary::histogram_raw(buckets(step)).unwrap()), step).unwrap();
    }
    at(&writer, 0).add_histogram_raw("even", &[even()], 0).unwrap();
    writer.close().unwrap();
}

/// Edges that are exact in few digits. One bucket is a single value, one is empty.
fn buckets(step: i64) -> Vec<Bucket> {
    let edges = [-1.5, -0.25, 0.0, 0.0, 0.5, 64.0].map(|edge| edge * (step + 1) as f64);
    let counts = [3, 40, 500, 0, 1];
    edges
        .windows(2)
        .zip(counts)
        .map(|(edge, count)| Bucket { left: edge[0], right: edge[1], count })
        .collect()
}

/// Spread evenly: any share of the values lies where it says.
fn even() -> Bucket {
    Bucket { left: -1.0, right: 3.0, count: 1_000 }
}

pub fn check(server: &Server) {
    for page in ["histograms", "distributions"] {
        let description = "<p>Of the <em>first</em> convolution.</p>";
        let tags = json!({
            TAG: {"displayName": "Weights", "description": description},
            "even": {"displayName": "", "description": ""},
        });
        server.shows(&format!("{page}/tags"), &[], RUN, tags);
    }
    let rows = |step| -> Vec<Json> {
        buckets(step).iter().map(|bucket| json!([bucket.left, bucket.right, bucket.count])).collect()
    };
    let expected: Vec<Json> = (0..4).map(|step| json!([clock(step), step, rows(step)])).collect();
    server.shows("histograms/histograms", &[("run", RUN), ("tag", TAG)], "", json!(expected));
    check_distribution(server);

    let request = json!([{"plugin": "histograms", "tag": "even", "run": RUN}]).to_string();
    let bins = json!([{"min": -1.0, "max": 3.0, "count": 1_000}]);
    let points = json!([{"wallTime": clock(0), "step": 0, "bins": bins}]);
    let series = json!([{"plugin": "histograms", "tag": "even", "run": RUN, "runToSeries": {RUN: points}}]);
    server.shows("timeseries/timeSeries", &[("requests", &request)], "", series);
}

fn check_distribution(server: &Server) {
    let told = server.json("distributions/distributions", &[("run", RUN), ("tag", "even")], "");
    let bands = told[0][2].as_array().unwrap();
    assert_eq!(bands.len(), BASIS_POINTS.len());
    for (band, share) in bands.iter().zip(BASIS_POINTS) {
        let value = band[1].as_f64().unwrap();
        let expected = -1.0 + 4.0 * share / 10_000.0;
        assert!(band[0] == json!(share) && (value - expected).abs() < 1e-9, "{band} is not at {expected}");
    }
}
