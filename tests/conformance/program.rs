//! A run of the training program.

use std::collections::BTreeMap;

use crate::{
    own_reader,
    series::{AllSeries, LOADERS, assert_same, load},
    small_run,
};

#[test]
fn a_training_run_holds_what_is_documented_and_is_read_as_we_read_it() {
    let logdir = tempfile::tempdir().unwrap();
    small_run::train(logdir.path());
    let ours = own_reader::read(logdir.path());
    let mut said = plugins_and_steps(&ours);
    let documented = documented();
    for (key, (_, steps)) in &mut said {
        if documented.get(key).is_some_and(|(_, of_it)| of_it == small_run::NOT_SAID) {
            steps.clear();
        }
    }
    assert_eq!(said, documented);
    for loader in LOADERS {
        let mut expected = ours.clone();
        if loader == "accumulator" {
            // It keeps the graph beside the tags.
            expected.retain(|(_, tag), _| tag != own_reader::RUN_GRAPH);
        }
        assert_same(loader, &load(loader, logdir.path()), &expected);
    }
}

type PluginsAndSteps<'a> = BTreeMap<(&'a str, &'a str), (&'a str, Vec<i64>)>;

fn plugins_and_steps(all: &AllSeries) -> PluginsAndSteps<'_> {
    all.iter()
        .map(|((run, tag), series)| {
            let steps = series.points.iter().map(|point| point.step).collect();
            ((run.as_str(), tag.as_str()), (series.plugin.as_str(), steps))
        })
        .collect()
}

fn documented() -> PluginsAndSteps<'static> {
    let one = |tags: &small_run::Tags, tag| ((tags.run, tag), (tags.plugin, tags.steps.to_vec()));
    small_run::TAGS.iter().flat_map(|tags| tags.tags.iter().map(move |tag| one(tags, *tag))).collect()
}
