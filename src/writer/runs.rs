//! What is known of every time series: what TensorBoard would drop or refuse is found here, before it is queued.

use std::{collections::HashMap, mem, sync::Arc};

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
    tag: Tag,
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

    /// Whether this value may be added to the tag.
    pub(super) fn check(&self, id: RunId, tag: &str, summary: &Summary) -> Result<()> {
        let run = &self.runs[id];
        match run.tags.get(tag) {
            Some(seen) => seen.check(&run.name, summary),
            None => Tag::new(tag).map(drop),
        }
    }

    /// Notes a value that is taken. Returns its tag, and the step before it if that is no smaller, the first time of each
    /// tag. Allocates for new tags and large values only.
    ///
    /// # Errors
    /// Those of `check`: nothing is noted then.
    pub(super) fn note(
        &mut self,
        id: RunId,
        tag: &str,
        summary: &Summary,
        step: Step,
    ) -> Result<(Tag, Option<Step>)> {
        let run = &mut self.runs[id];
        if let Some(seen) = run.tags.get_mut(tag) {
            seen.check(&run.name, summary)?;
            return Ok((seen.tag.clone(), seen.note(step)));
        }
        let tag = Tag::new(tag)?;
        let fixed = summary.fixed().into_boxed_slice();
        let seen = Seen { tag: tag.clone(), kind: summary.kind(), fixed, last: step, warned: false };
        run.tags.insert(tag.clone(), seen);
        Ok((tag, None))
    }
}

impl Seen {
    fn check(&self, run: &str, summary: &Summary) -> Result<()> {
        let (tag, kind) = (&self.tag, summary.kind());
        if self.kind != kind {
            let (run, tag) = (run.to_owned(), tag.to_string());
            return Err(Error::new(ErrorKind::TagKind { run, tag, first: self.kind, second: kind }));
        }
        if *self.fixed != *summary.fixed() {
            return Err(Error::invalid(format!("tag `{tag}` of run `{run}`"), fixed_by_first(kind)));
        }
        Ok(())
    }

    fn note(&mut self, step: Step) -> Option<Step> {
        let before = mem::replace(&mut self.last, step);
        let warn = step <= before && !self.warned && has_steps(self.kind);
        self.warned |= warn;
        warn.then_some(before)
    }
}

/// Whether values of this kind come step by step. The others say something of the whole run, at step 0.
fn has_steps(kind: Kind) -> bool {
    !matches!(kind, Kind::Graph | Kind::ConceptualGraph | Kind::CustomScalars | Kind::HParams)
}

/// Why a value is refused that differs from the first of its tag in what readers keep of that one alone.
fn fixed_by_first(kind: Kind) -> &'static str {
    match kind {
        Kind::HParams => {
            "it was written before, and TensorBoard keeps the first of a run alone. Use a new run for other \
             hyperparameters"
        }
        Kind::Tensor => {
            "its plugin, or what the plugin keeps of a tag, differs from the first value's. TensorBoard keeps these of \
             the first value alone: use another tag"
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
