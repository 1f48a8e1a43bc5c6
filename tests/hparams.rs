//! Hyperparameters: what stands in the file, and that it is said once.

#![allow(clippy::unwrap_used, clippy::panic)] // in helpers of tests

#[path = "support/system.rs"]
mod system;

use std::path::Path;

use convscope::{
    HParam, HParams, MemorySink, SessionStatus, Step, Summary, SummarySink, SummaryWriter, WallTime,
    proto::{
        Event, HParamsPluginData, SessionEndInfo, SessionStartInfo,
        event::What,
        h_params_plugin_data::Data,
        session_end_info::Status,
        session_start_info::hyperparameter_value::Kind,
        summary::{Value, value},
    },
};
use prost::Message as _;

const START: &str = "_hparams_/session_start_info";
const END: &str = "_hparams_/session_end_info";

/// All values in the event file of a run.
fn values(run: &Path) -> Vec<Value> {
    let summary = |event: Event| match event.what {
        Some(What::Summary(summary)) => Some(summary.value),
        _ => None,
    };
    system::events(run).into_iter().filter_map(summary).flatten().collect()
}

fn data(value: &Value) -> Data {
    let plugin = value.metadata.as_ref().unwrap().plugin_data.as_ref().unwrap();
    assert_eq!(plugin.plugin_name, "hparams");
    let Some(value::Value::Tensor(tensor)) = &value.value else { panic!("{value:?}") };
    assert_eq!(tensor.tensor_shape.as_ref().unwrap().dim[0].size, 0, "a null tensor");
    HParamsPluginData::decode(plugin.content.as_slice()).unwrap().data.unwrap()
}

fn start(value: &Value) -> SessionStartInfo {
    match data(value) {
        Data::SessionStartInfo(info) => info,
        other @ Data::SessionEndInfo(_) => panic!("{other:?}"),
    }
}

#[test]
fn start_and_end_stand_in_the_run_itself() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let hparams = HParams::new()
        .with("rate", 1e-3)
        .with("layers", 4)
        .with("optimizer", "adam")
        .with("augmentation", true)
        .group("seeds")
        .started_at(WallTime::new(1.5e9).unwrap());
    writer.add_hparams(&hparams).unwrap();
    let before = WallTime::now().secs();
    writer.finish_hparams(SessionStatus::Failure).unwrap();
    writer.close().unwrap();

    let values = values(dir.path());
    assert_eq!(values.iter().map(|value| value.tag.as_str()).collect::<Vec<_>>(), [START, END]);
    let SessionStartInfo { hparams, group_name, start_time_secs, .. } = start(&values[0]);
    assert_eq!((group_name.as_str(), start_time_secs), ("seeds", 1.5e9));
    let hparams: Vec<_> =
        hparams.iter().map(|(name, value)| (name.as_str(), value.kind.clone().unwrap())).collect();
    let expected = [
        ("augmentation", Kind::BoolValue(true)),
        ("layers", Kind::NumberValue(4.0)),
        ("optimizer", Kind::StringValue("adam".into())),
        ("rate", Kind::NumberValue(1e-3)),
    ];
    assert_eq!(hparams, expected);
    let Data::SessionEndInfo(SessionEndInfo { status, end_time_secs }) = data(&values[1]) else {
        panic!("{values:?}")
    };
    assert_eq!(status, Status::Failure as i32);
    assert!((before..=WallTime::now().secs()).contains(&end_time_secs));
}

#[test]
fn each_value_keeps_its_type_and_digits() {
    let cases = [
        (HParam::from(true), HParam::Bool(true)),
        (HParam::from(0.1_f32), HParam::Number(0.1)),
        (HParam::from(3e38_f32), HParam::Number(3e38)),
        (HParam::from(-3_i8), HParam::Number(-3.0)),
        (HParam::from(7_usize), HParam::Number(7.0)),
        (HParam::from(1_u64 << 53), HParam::Number(9_007_199_254_740_992.0)),
        (HParam::from((1_u64 << 53) + 1), HParam::Text("9007199254740993".into())),
        (HParam::from(i64::MIN), HParam::Text("-9223372036854775808".into())),
        (HParam::from(f64::NAN), HParam::Text("NaN".into())),
        (HParam::from(f64::NEG_INFINITY), HParam::Text("-inf".into())),
        (HParam::from("a"), HParam::Text("a".into())),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

/// The page leaves out numbers that JSON cannot hold.
#[test]
fn a_number_that_is_not_finite_is_written_as_a_text() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    writer.add_hparams(&HParams::new().with("clip", HParam::Number(f64::INFINITY))).unwrap();
    writer.close().unwrap();
    let info = start(&values(dir.path())[0]);
    assert_eq!(info.hparams["clip"].kind, Some(Kind::StringValue("inf".into())));
    assert!(info.start_time_secs > 1.5e9, "now");
}

#[test]
fn a_second_start_or_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let hparams = HParams::new().with("rate", 1e-3).started_at(WallTime::new(1.5e9).unwrap());
    writer.add_hparams(&hparams).unwrap();
    let error = writer.add_hparams(&hparams.clone().with("momentum", 0.9)).unwrap_err().to_string();
    assert_eq!(
        error,
        "tag `_hparams_/session_start_info` of run ``: it was written before, and TensorBoard keeps the first of a \
         run alone. Use a new run for other hyperparameters"
    );
    writer.add_hparams(&hparams).unwrap(); // the same again changes nothing
    writer.finish_hparams(SessionStatus::Success).unwrap();
    writer.finish_hparams(SessionStatus::Failure).unwrap_err();
    writer.sub_run("second").unwrap().add_hparams(&HParams::new().with("rate", 1e-2)).unwrap();
    writer.close().unwrap();
}

#[test]
fn the_same_start_again_is_no_other_though_time_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let hparams = HParams::new().with("rate", 1e-3);
    writer.add_hparams(&hparams).unwrap();
    let begin = WallTime::now();
    while WallTime::now() == begin {}
    writer.add_hparams(&hparams).unwrap();
    writer.add_hparams(&hparams.clone().with("momentum", 0.9)).unwrap_err();
    writer.add_hparams(&hparams.clone().group("a")).unwrap_err();
    writer.add_hparams(&hparams.started_at(WallTime::new(1.5e9).unwrap())).unwrap_err();
    writer.close().unwrap();
    assert!(start(&values(dir.path())[0]).start_time_secs <= begin.secs(), "the first");
}

#[test]
fn hyperparameters_need_names_and_values() {
    let message = |hparams: HParams| Summary::hparams(&hparams).unwrap_err().to_string();
    assert_eq!(message(HParams::new()), "hyperparameters: none found, at least one expected");
    assert_eq!(
        message(HParams::new().with("", 1)),
        "hyperparameters: a name is empty; the page needs it for the column"
    );
    assert_eq!(message([("a", 1), ("a", 1)].into_iter().collect()), "hyperparameter `a`: it was given twice");
}

#[test]
fn callbacks_write_the_same() {
    let mut memory = MemorySink::default();
    let sink: &mut dyn SummarySink = &mut memory;
    sink.add_hparams(&HParams::new().with("rate", 1e-3)).unwrap();
    sink.sub_run("fold_1").finish_hparams(SessionStatus::Success).unwrap();
    let found: Vec<_> =
        memory.entries.iter().map(|entry| (entry.run.as_str(), entry.tag.as_str(), entry.step)).collect();
    assert_eq!(found, [("", START, Step::new(0)), ("fold_1", END, Step::new(0))]);
}
