//! Page HParams: runs with different hyperparameters, of all types, and different metrics.

use std::path::Path;

use convscope::{HParams, SessionStatus, SummaryWriter, WallTime};
use serde_json::{Value as Json, json};

use super::{at, server::Server, single};

const STARTED: f64 = 1.75e9;

pub fn write(logdir: &Path) {
    let started = |hparams: HParams| hparams.started_at(WallTime::new(STARTED).unwrap());
    let run = |name: &str, hparams: HParams, end: Option<SessionStatus>, metric: &str, value: f64| {
        let writer = SummaryWriter::open(logdir.join("hparams").join(name)).unwrap();
        writer.add_hparams(&started(hparams)).unwrap();
        for step in 0..3 {
            let share = step as f64 / 2.0;
            at(&writer, step).add_scalar(metric, value * share, step).unwrap();
            at(&writer.sub_run("validation").unwrap(), step).add_scalar("loss", 1.0 - share, step).unwrap();
        }
        if let Some(status) = end {
            writer.finish_hparams(status).unwrap();
        }
        writer.close().unwrap();
    };
    let first = HParams::new().with("lr", 0.1).with("batch_norm", true).with("optimizer", "adam");
    run("first", first.group("one"), Some(SessionStatus::Success), "accuracy", 0.9);
    let second = HParams::new().with("lr", 0.01).with("batch_norm", false).with("layers", 18);
    run("second", second.group("two"), Some(SessionStatus::Failure), "accuracy", 0.8);
    let third = HParams::new().with("lr", 1.0).with("note", "größer");
    run("third", third.group("three"), None, "f1", 0.5);
}

pub fn check(server: &Server) {
    let ask = |route: &str, request: &Json| {
        server.post(&format!("hparams/{route}"), "application/json", &request.to_string())
    };
    let everything = json!({"experimentName": ""});
    // It takes the runs that are there when it is asked.
    for run in ["first", "second", "third"] {
        server.shows_names("scalars/tags", &format!("hparams/{run}/validation"), &["loss"]);
    }
    let experiment = ask("experiment", &everything);

    let columns = by_name(&experiment["hparamInfos"]);
    let types: Vec<(&str, &str)> =
        columns.iter().map(|info| (text(&info["name"]), text(&info["type"]))).collect();
    let [flag, number, words] = ["DATA_TYPE_BOOL", "DATA_TYPE_FLOAT64", "DATA_TYPE_STRING"];
    assert_eq!(
        types,
        [("batch_norm", flag), ("layers", number), ("lr", number), ("note", words), ("optimizer", words)]
    );
    assert_eq!(columns[0]["domainDiscrete"], json!([false, true]));
    let metrics: Vec<(&str, &str)> = experiment["metricInfos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|info| (text(&info["name"]["group"]), text(&info["name"]["tag"])))
        .collect();
    let found = |name| metrics.contains(&name);
    assert!(
        metrics.len() == 3 && found(("", "accuracy")) && found(("", "f1")) && found(("validation", "loss"))
    );

    let request = json!({
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [
            {"hparam": "lr"}, {"hparam": "batch_norm"}, {"hparam": "optimizer"}, {"hparam": "layers"}, {"hparam": "note"},
            {"metric": {"tag": "accuracy"}}, {"metric": {"tag": "f1"}}, {"metric": {"tag": "loss", "group": "validation"}},
        ],
        "startIndex": 0,
        "sliceSize": 100,
    });
    let told = ask("session_groups", &request);
    assert_eq!(told["totalSize"], json!(3.0));
    let rows = by_name(&told["sessionGroups"]);
    let expected = [
        (
            "one",
            json!({"lr": 0.1, "batch_norm": true, "optimizer": "adam"}),
            "first",
            "SUCCESS",
            "accuracy",
            0.9,
        ),
        ("three", json!({"lr": 1.0, "note": "größer"}), "third", "UNKNOWN", "f1", 0.5),
        (
            "two",
            json!({"lr": 0.01, "batch_norm": false, "layers": 18.0}),
            "second",
            "FAILURE",
            "accuracy",
            0.8,
        ),
    ];
    assert_eq!(rows.len(), expected.len());
    for (row, (group, hparams, run, status, metric, value)) in rows.iter().zip(expected) {
        assert_eq!((&row["name"], &row["hparams"]), (&json!(group), &hparams));
        let session = &row["sessions"][0];
        assert_eq!(session["name"], json!(format!("hparams/{run}")));
        assert_eq!(session["status"], json!(format!("STATUS_{status}")));
        assert_eq!(session["startTimeSecs"], json!(STARTED));
        assert_eq!(session["endTimeSecs"].as_f64().unwrap() > STARTED, status != "UNKNOWN");
        let metrics: Vec<(&str, f64)> = row["metricValues"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| (text(&value["name"]["tag"]), value["value"].as_f64().unwrap()))
            .collect();
        assert!(metrics.len() == 2 && metrics.contains(&(metric, single(value))), "{metrics:?}");
        assert!(metrics.contains(&("loss", 0.0)), "{metrics:?}");
    }

    let evaluation = json!({"sessionName": "hparams/first", "metricName": {"tag": "accuracy"}});
    assert_eq!(ask("metric_evals", &evaluation)[2][2], json!(single(0.9)));
}

fn by_name(list: &Json) -> Vec<&Json> {
    let mut items: Vec<&Json> = list.as_array().unwrap().iter().collect();
    items.sort_by_key(|item| text(&item["name"]));
    items
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}
