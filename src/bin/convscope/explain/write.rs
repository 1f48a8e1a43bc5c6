//! What is told of an explanation beside its values: as JSON, and in words for TensorBoard.

use std::path::Path;

use convscope::{
    data::Preprocessing,
    explain::{Case, Subject},
    summary::Table,
};
use serde_json::{Map, Value as Json, json};

use super::{model::Model, samples::Source, sink::Record};

/// What came of the studies.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: Vec<String>,
    pub skipped: Vec<(String, String)>,
    pub failed: Vec<(String, String)>,
    pub interrupted: bool,
}

/// What was explained.
pub struct About<'a> {
    pub checkpoint: &'a Path,
    pub model: &'a Model,
    pub preprocessing: &'a Preprocessing,
    /// Where the images came from, in the order of the cases.
    pub sources: &'a [Source],
}

/// All of `explain.json` but the values.
pub fn document(
    about: &About<'_>,
    subject: &Subject<'_>,
    outcome: &Outcome,
    record: &Record,
) -> Map<String, Json> {
    let reasons = |of: &[(String, String)]| -> Vec<Json> {
        of.iter().map(|(method, why)| json!({"method": method, "why": why})).collect()
    };
    let pictures: Vec<Json> = (record.pictures.iter())
        .map(|p| json!({"file": p.file, "tag": p.tag, "width": p.size[0], "height": p.size[1], "description": p.description}))
        .collect();
    let scalars: Map<String, Json> =
        record.scalars.iter().map(|(tag, value)| (tag.clone(), number(*value))).collect();
    let document = json!({
        "convscope": env!("CARGO_PKG_VERSION"),
        "checkpoint": about.checkpoint.display().to_string(),
        "model": about.model.spec.name,
        "input": about.model.spec.input,
        "step": about.model.card.step,
        "epoch": about.model.card.epoch,
        "classes": subject.classes,
        "preprocessing": about.preprocessing.to_toml(),
        "seed": subject.seed,
        "images": images(about, subject),
        "methods": outcome.done,
        "scalars": scalars,
        "texts": record.texts,
        "pictures": pictures,
        "skipped": reasons(&outcome.skipped),
        "failed": reasons(&outcome.failed),
        "interrupted": outcome.interrupted,
    });
    match document {
        Json::Object(document) => document,
        _ => Map::new(),
    }
}

fn images(about: &About<'_>, subject: &Subject<'_>) -> Vec<Json> {
    let class = |class: i64| json!({"class": class, "name": name(subject.classes, class)});
    let image = |(case, source): (&Case<'_>, &Source)| {
        json!({
            "name": case.sample.name,
            "tag": case.sample.tag(),
            "from": source.from,
            "rows": source.size[0],
            "columns": source.size[1],
            "label": case.sample.label.map(class),
            "prediction": class(case.prediction.class),
            "probability": number(case.prediction.probability()),
            "log_probability": number(case.prediction.log_probability),
            "explained": class(case.class),
        })
    };
    subject.cases.iter().zip(about.sources).map(image).collect()
}

/// What was explained, and what was left out: a text for the run.
pub fn markdown(about: &About<'_>, subject: &Subject<'_>, outcome: &Outcome) -> String {
    let mut table = Table::new(["", ""]);
    let mut row = |what: &str, words: String| {
        table.row([what.to_owned(), words]);
    };
    row("checkpoint", about.checkpoint.display().to_string());
    row("model", about.model.spec.name.clone());
    for (case, source) in subject.cases.iter().zip(about.sources) {
        row("image", format!("{} ({}): {}", case.sample.name, source.from, case.words(subject.classes)));
    }
    row("methods", outcome.done.join(", "));
    for (method, why) in &outcome.skipped {
        row("left out", format!("{method}: {why}"));
    }
    for (method, why) in &outcome.failed {
        row("failed", format!("{method}: {why}"));
    }
    table.to_markdown()
}

fn name(classes: &[String], class: i64) -> Option<&String> {
    classes.get(usize::try_from(class).ok()?)
}

/// JSON has no NaN: those become strings.
fn number(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { Json::String(value.to_string()) }
}
