//! Layouts of the page Custom Scalars, and several numbers in one chart.

#![allow(clippy::unwrap_used, clippy::panic)] // in helpers of tests

use std::fs;

use convscope::{
    MemorySink, Step, Summary, SummarySink as _, SummaryWriter,
    event::EventFileReader,
    proto::{CustomScalarLayout, custom_scalar_layout::chart::Content, event::What, summary::value},
    summary::{Category, Chart, Layout},
};
use prost::Message as _;

/// The layout in the file of a run that holds nothing else.
fn written(layout: &Layout) -> CustomScalarLayout {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    writer.add_custom_scalars(layout).unwrap();
    writer.close().unwrap();
    let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let last = EventFileReader::open(file).unwrap().last().unwrap().unwrap();
    let Some(What::Summary(summary)) = last.what else { panic!("{last:?}") };
    assert_eq!(summary.value[0].tag, "custom_scalars__config__");
    let metadata = summary.value[0].metadata.as_ref().unwrap();
    assert_eq!(metadata.plugin_data.as_ref().unwrap().plugin_name, "custom_scalars");
    let Some(value::Value::Tensor(tensor)) = &summary.value[0].value else { panic!("{summary:?}") };
    assert!(tensor.tensor_shape.as_ref().unwrap().dim.is_empty(), "a scalar");
    CustomScalarLayout::decode(tensor.string_val[0].as_slice()).unwrap()
}

#[test]
fn categories_and_charts_stand_in_the_file() {
    let training = vec![
        Chart::multiline("losses", ["loss", r"penalty/\w+"]),
        Chart::tags("exactly", ["loss", "a.b[0] c|d"]),
    ];
    let folds = vec![Chart::margin("folds", [("mean", "min", "max"), ("mean2", "min2", "max2")])];
    let layout =
        Layout::new(vec![Category::new("Training", training), Category::new("Folds", folds).closed()])
            .unwrap();
    let layout = written(&layout);

    let [training, folds] = &layout.category[..] else { panic!("{layout:?}") };
    assert_eq!((training.title.as_str(), training.closed), ("Training", false));
    assert_eq!((folds.title.as_str(), folds.closed), ("Folds", true));
    let titles: Vec<_> = training.chart.iter().map(|chart| chart.title.as_str()).collect();
    assert_eq!(titles, ["losses", "exactly"]);
    let patterns = |chart: usize| match &training.chart[chart].content {
        Some(Content::Multiline(content)) => content.tag.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(patterns(0), ["loss", r"penalty/\w+"]);
    assert_eq!(patterns(1), ["loss$", r"a\.b\[0\] c\|d$"]);
    let Some(Content::Margin(margin)) = &folds.chart[0].content else { panic!("{folds:?}") };
    let series: Vec<_> = margin.series.iter().map(|s| [&*s.value, &*s.lower, &*s.upper]).collect();
    assert_eq!(series, [["mean", "min", "max"], ["mean2", "min2", "max2"]]);
}

#[test]
fn what_the_page_could_not_show_is_refused() {
    let message = |categories| Layout::new(categories).unwrap_err().to_string();
    let chart = || Chart::multiline("losses", ["loss"]);
    assert_eq!(message(vec![]), "layout: no category found, at least one expected");
    assert_eq!(
        message(vec![Category::new("", vec![chart()])]),
        "category of the layout: its title is empty; give it one to fold it by"
    );
    assert_eq!(
        message(vec![Category::new("A", vec![])]),
        "category `A` of the layout: no chart found, at least one expected"
    );
    assert_eq!(
        message(vec![Category::new("A", vec![chart()]), Category::new("A", vec![chart()])]),
        "category `A` of the layout: there are two; give all charts to one of them"
    );
    let of_chart = |chart| message(vec![Category::new("A", vec![chart])]);
    assert_eq!(
        of_chart(Chart::margin("m", [("a", "", "c")])),
        "chart `m` in category `A` of the layout: a tag is empty; a band has a value, a lower and an upper edge"
    );
    for chart in [Chart::tags("m", ["loss (raw)"]), Chart::margin("m", [("a", "b", "loss (raw)")])] {
        assert!(of_chart(chart).ends_with("TensorBoard's page cannot draw tags with `(`; rename it"));
    }
    for empty in [
        Chart::multiline("", ["loss"]),
        Chart::multiline("m", Vec::<String>::new()),
        Chart::tags("m", Vec::<String>::new()),
        Chart::margin("m", []),
    ] {
        assert!(of_chart(empty).contains("chart `"));
    }
}

/// Python's `re.compile` takes the first and refuses the others.
#[test]
fn slips_in_regular_expressions_are_found() {
    let layout =
        |pattern: &str| Layout::new(vec![Category::new("A", vec![Chart::multiline("m", [pattern])])]);
    for pattern in [
        "loss",
        "(a|b)+c?",
        "(?:a)*",
        "(?i)loss",
        "(?=loss)l",
        "[]*(]",
        "[^]]",
        r"\)",
        r"[\(]",
        r"a\\",
        "a{2,3}",
        "^loss$",
        ".*?",
        "]",
        "a|",
        "()",
    ] {
        layout(pattern).unwrap();
    }
    for pattern in ["", "*loss", "a|*b", "(*)", "^*", "+", "?x", "(a", "a)", "[a", "[]", "[^]", "a\\", r"[\]"]
    {
        layout(pattern).unwrap_err();
    }
}

#[test]
fn each_of_several_scalars_has_its_sub_run() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path().join("run")).unwrap();
    for step in 0..3 {
        writer.add_scalars("loss/total", &[("train", 0.5), ("validation", 1.5)], step).unwrap();
    }
    writer.close().unwrap();
    for (key, expected) in [("train", 0.5), ("validation", 1.5)] {
        let run = dir.path().join(format!("run/loss_total_{key}"));
        let files: Vec<_> = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "one live file");
        let points: Vec<_> = EventFileReader::open(&files[0])
            .unwrap()
            .filter_map(|event| {
                let event = event.unwrap();
                let Some(What::Summary(summary)) = event.what else { return None };
                Some((event.step, summary.value[0].tag.clone(), summary.value[0].value.clone().unwrap()))
            })
            .collect();
        let point = |step| (step, "loss/total".to_owned(), value::Value::SimpleValue(expected));
        assert_eq!(points, [point(0), point(1), point(2)]);
    }
}

#[test]
fn several_scalars_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let error = writer.add_scalars("loss", &[("good", 1.0), ("", 2.0)], 0).unwrap_err().to_string();
    assert_eq!(error, "key of a scalar of `loss`: it is empty; it names the curve");
    writer.add_scalars("loss", &[("good", 1.0), ("../../elsewhere", 2.0)], 0).unwrap_err();
    writer.add_scalars("", &[("good", 1.0)], 0).unwrap_err();
    writer.close().unwrap();
    let entries: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 1, "only the run's own file: {entries:?}");
}

#[test]
fn callbacks_write_the_same() {
    let mut memory = MemorySink::default();
    memory.add_scalars("loss/total", &[("train", 0.5), ("validation", 1.5)], Step::new(3)).unwrap();
    memory.add_scalars("loss", &[("good", 1.0), ("", 2.0)], Step::new(3)).unwrap_err();
    let found: Vec<_> = memory
        .entries
        .iter()
        .map(|entry| (entry.run.as_str(), entry.tag.as_str(), entry.summary.as_scalar()))
        .collect();
    let expected =
        [("loss_total_train", "loss/total", Some(0.5)), ("loss_total_validation", "loss/total", Some(1.5))];
    assert_eq!(found, expected);

    let layout = Layout::new(vec![Category::new("A", vec![Chart::tags("c", ["loss"])])]).unwrap();
    memory.add_custom_scalars(&layout).unwrap();
    assert_eq!(memory.entries[2].summary.as_layout(), Some(&layout));
    assert!(Summary::scalar(1.0).as_layout().is_none());
}
