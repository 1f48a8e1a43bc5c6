//! What is known of every time series: what TensorBoard would drop or refuse is found here, before it is queued.

use std::{collections::HashMap, sync::Arc};

use crate::{
    error::{Error, ErrorKind, Result},
    event::check_run_name,
    summary::{Kind, Step, Summary, Tag},
};

/// Number of a run of one writer. 0 is the run itself, the others are sub-runs.
pub(super) type RunId = usize;

/// The runs of one writer and their time series.
pub(super) struct Runs {
    by_name: HashMap<Arc<str>, RunId>,
    runs: Vec<Run>,
}

struct Run {
    name: Arc<str>,
    tags: HashMap<Tag, Seen>,
}

struct Seen {
    kind: Kind,
    /// What no later value may change: see [`Summary::fixed`].
    fixed: Box<[u8]>,
    last: Step,
    warned: bool,
}

impl Default for Runs {
    /// With the run itself.
    fn default() -> Runs {
        let mut runs = Runs { by_name: HashMap::new(), runs: Vec::new() };
        runs.insert("");
        runs
    }
}

impl Runs {
    /// The number of a run, new or known.
    pub(super) fn id(&mut self, name: &str) -> Result<RunId> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(*id);
        }
        check_run_name(name)?;
        Ok(self.insert(name))
    }

    fn insert(&mut self, name: &str) -> RunId {
        let name: Arc<str> = name.into();
        let id = self.runs.len();
        self.by_name.insert(name.clone(), id);
        self.runs.push(Run { name, tags: HashMap::new() });
        id
    }

    /// The name of a run, relative to the run itself.
    pub(super) fn name(&self, id: RunId) -> &Arc<str> {
        &self.runs[id].name
    }

    /// Names of the runs from number `from` on.
    pub(super) fn names_from(&self, from: RunId) -> Vec<Arc<str>> {
        self.runs.iter().skip(from).map(|run| run.name.clone()).collect()
    }

    /// The tag, if this value may be added to it. Allocates for new tags and large values only.
    pub(super) fn check(&self, id: RunId, tag: &str, summary: &Summary) -> Result<Tag> {
        let run = &self.runs[id];
        let Some((tag, seen)) = run.tags.get_key_value(tag) else { return Tag::new(tag) };
        let kind = summary.kind();
        if seen.kind != kind {
            let (run, tag) = (run.name.to_string(), tag.to_string());
            return Err(Error::new(ErrorKind::TagKind { run, tag, first: seen.kind, second: kind }));
        }
        if *seen.fixed != *summary.fixed() {
            return Err(Error::invalid(format!("tag `{tag}` of run `{}`", run.name), fixed_by_first(kind)));
        }
        Ok(tag.clone())
    }

    /// Notes a value that was taken. Returns the step before it if that is no smaller, the first time of each tag.
    pub(super) fn note(&mut self, id: RunId, tag: &Tag, summary: &Summary, step: Step) -> Option<Step> {
        let Some(seen) = self.runs[id].tags.get_mut(tag.as_str()) else {
            let fixed = summary.fixed().into_boxed_slice();
            let seen = Seen { kind: summary.kind(), fixed, last: step, warned: false };
            self.runs[id].tags.insert(tag.clone(), seen);
            return None;
        };
        let before = seen.last;
        seen.last = step;
        let warn = step <= before && !seen.warned;
        seen.warned |= warn;
        warn.then_some(before)
    }
}

/// Why a value is refused that differs from the first of its tag in what readers keep of that one alone.
fn fixed_by_first(kind: Kind) -> &'static str {
    match kind {
        Kind::HParams => {
            "it was written before, and TensorBoard keeps the first of a run alone. Use a new run for other \
             hyperparameters"
        }
        _ => {
            "it differs from the first value in samples, in whether there are colours or faces, or in the scene. \
             TensorBoard keeps these of the first value alone: use another tag"
        }
    }
}

/// Says what TensorBoard makes of a value whose step is not greater than the one before.
pub(super) fn warn_of_step(run: &str, tag: &Tag, before: Step, step: Step) {
    let at = if run.is_empty() { String::new() } else { format!(" of run `{run}`") };
    if before == step {
        tracing::warn!(
            "tag `{tag}`{at}: step {step} was given twice; TensorBoard shows only the last value of a step. \
             Give each value of the tag its own step"
        );
    } else {
        tracing::warn!(
            "tag `{tag}`{at}: step {step} follows step {before}; TensorBoard drops every value of this tag from step \
             {step} on that was written before. Steps of a tag should increase"
        );
    }
}
