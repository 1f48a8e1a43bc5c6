//! A training with a diagnosis.

use crate::{
    diagnosed_run::{self, BATCHES, EPOCHS},
    own_reader,
    series::{LOADERS, Value, assert_same, load},
};

#[test]
fn a_diagnosis_is_read_as_we_read_it() {
    let logdir = tempfile::tempdir().unwrap();
    let verdict = diagnosed_run::train(logdir.path());
    assert!(verdict.headline().starts_with("Training does not work: "), "{}", verdict.headline());
    let ours = own_reader::read(logdir.path());
    let series = |run: &str, tag: &str| {
        let key = (run.to_owned(), tag.to_owned());
        ours.get(&key).unwrap_or_else(|| panic!("no {tag} in {run}: {:?}", ours.keys()))
    };
    let last = series("sick", "diagnosis").points.last().unwrap();
    assert_eq!((last.step, &last.value), (BATCHES * EPOCHS, &Value::Text(verdict.to_markdown())));
    let ends: Vec<i64> = (1..=EPOCHS).map(|epoch| epoch * BATCHES).collect();
    let pictures = ["heat_map/gradient_rms", "heat_map/activation_rms", "heat_map/update_ratio", "layers"];
    for picture in pictures {
        let steps: Vec<i64> =
            series("sick", &format!("diagnosis/{picture}")).points.iter().map(|point| point.step).collect();
        assert!(ends.iter().all(|end| steps.contains(end)), "{picture}: {steps:?}");
    }
    let every_step: Vec<i64> = (1..=BATCHES * EPOCHS).collect();
    for curve in ["gradient_rms/conv1", "update_ratio/fc", "activation_rms/sigmoid8"] {
        let points = &series("sick/train", &format!("layers/{curve}")).points;
        assert_eq!(points.iter().map(|point| point.step).collect::<Vec<_>>(), every_step, "{curve}");
    }
    for run in ["sick", "sick/train"] {
        assert_eq!(series(run, "custom_scalars__config__").plugin, "custom_scalars");
    }
    for loader in LOADERS {
        assert_same(loader, &load(loader, logdir.path()), &ours);
    }
}
