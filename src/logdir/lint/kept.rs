//! How many values of a tag TensorBoard keeps.

use std::{collections::BTreeMap, path::Path, rc::Rc};

use super::{
    Rule,
    finding::{Findings, Place},
};
use crate::logdir::SeriesKind;

/// What the data server and the Python loader keep of a tag, unless they are told otherwise.
fn defaults(kind: SeriesKind) -> Option<[u64; 2]> {
    Some(match kind {
        SeriesKind::Scalar => [1000, 1000],
        SeriesKind::Histogram => [100, 500],
        SeriesKind::Image | SeriesKind::Audio => [10, 10],
        SeriesKind::PrCurve => [100, 100],
        SeriesKind::Text | SeriesKind::Mesh => [100, 10],
        _ => return None,
    })
}

/// The longest series of each kind.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<SeriesKind, Longest>);

#[derive(Debug)]
struct Longest {
    plugin: String,
    values: u64,
    file: Rc<Path>,
    offset: Option<u64>,
    tag: String,
}

impl Kept {
    /// Counts a series.
    pub fn count(&mut self, plugin: &str, values: u64, file: &Rc<Path>, offset: Option<u64>, tag: &str) {
        let kind = SeriesKind::of_plugin(plugin);
        let fits = |kept: [u64; 2]| kept.into_iter().all(|kept| values <= kept);
        if defaults(kind).is_none_or(fits) || self.0.get(&kind).is_some_and(|of| of.values >= values) {
            return;
        }
        let (plugin, file, tag) = (plugin.to_owned(), Rc::clone(file), tag.to_owned());
        self.0.insert(kind, Longest { plugin, values, file, offset, tag });
    }

    /// Notes one finding for each kind, with the option that keeps all values.
    pub fn finish(&self, findings: &mut Findings) {
        for (&kind, longest) in &self.0 {
            let Some([data_server, python]) = defaults(kind) else { continue };
            let Longest { plugin, values, file, offset, tag } = longest;
            let place = Place { file, offset: *offset, tag: Some(tag), step: None };
            findings.add(Rule::MoreThanKept, place, || {
                format!(
                    "{values} values, the most of a tag for the page `{plugin}`; the data server keeps {data_server} and \
                     the Python loader {python}, unless they are told --samples_per_plugin {plugin}={values}"
                )
            });
        }
    }
}
