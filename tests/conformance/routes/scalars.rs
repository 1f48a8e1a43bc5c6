//! Pages Scalars and Time Series.

use std::path::Path;

use convscope::{Summary, SummaryWriter};
use serde_json::{Value as Json, json};

use super::{
    at, clock,
    server::{Server, quoted},
    single,
};

const RUN: &str = "scalars";
/// No other dashboard's run has it.
const TAG: &str = "train/loss, smoothed";
const VALUES: [f64; 8] = [1.0, -0.5, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-45];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for (step, value) in (0..).zip(VALUES) {
        let summary =
            Summary::scalar(value).with_display_name("The loss").with_description("Falls, *one hopes*.");
        at(&writer, step).add(TAG, summary, step).unwrap();
        // Written as 32 bits in 64, and as a plain number the other time.
        at(&writer, step).add_scalars("shares", &[("train", value), ("test", 0.25)], step).unwrap();
    }
    writer.close().unwrap();
}

pub fn check(server: &Server) {
    let description = "<p>Falls, <em>one hopes</em>.</p>";
    let tags = json!({TAG: {"displayName": "The loss", "description": description}});
    server.shows("scalars/tags", &[], RUN, tags);
    let expected: Vec<Json> =
        (0_i64..).zip(VALUES).map(|(step, value)| json!([clock(step), step as f64, told(value)])).collect();
    server.shows("scalars/scalars", &[("run", RUN), ("tag", TAG)], "", json!(expected));

    let csv = server.get("scalars/scalars", &[("run", RUN), ("tag", TAG), ("format", "csv")]);
    assert_eq!(csv.content_type, "text/csv; charset=utf-8");
    assert_eq!(String::from_utf8(csv.body).unwrap().lines().nth(1), Some("1750000000.0,0,1.0"));

    // Each key of `add_scalars` is a curve of its own in the chart of the tag.
    let runs = ["scalars/shares_test", "scalars/shares_train"];
    for run in runs {
        assert_eq!(server.json("scalars/tags", &[], run).as_object().unwrap().len(), 1);
    }
    let form = format!("tag=shares&runs={}&runs={}", quoted(runs[0]), quoted(runs[1]));
    let curves = server.post("scalars/scalars_multirun", "application/x-www-form-urlencoded", &form);
    assert_eq!(curves[runs[1]], json!(expected));
    assert_eq!(curves[runs[0]][7], json!([clock(7), 7.0, 0.25]));
    check_time_series(server, description, &expected);
}

fn check_time_series(server: &Server, description: &str, expected: &[Json]) {
    let tags = server.json("timeseries/tags", &[], "scalars");
    assert_eq!(tags["runTagInfo"][RUN], json!([TAG]));
    assert_eq!(tags["tagDescriptions"][TAG], json!(description));
    let request = json!([{"plugin": "scalars", "tag": TAG}]).to_string();
    let points: Vec<Json> = expected
        .iter()
        .map(|point| json!({"wallTime": point[0], "step": point[1], "value": point[2]}))
        .collect();
    let series = json!([{"plugin": "scalars", "tag": TAG, "runToSeries": {RUN: points}}]);
    server.shows("timeseries/timeSeries", &[("requests", &request)], "", series);
}

/// As JSON tells a number: what is not finite by its name.
pub fn told(value: f64) -> Json {
    let value = single(value);
    match value {
        _ if value.is_finite() => json!(value),
        _ if value.is_nan() => json!("NaN"),
        _ if value > 0.0 => json!("Infinity"),
        _ => json!("-Infinity"),
    }
}
