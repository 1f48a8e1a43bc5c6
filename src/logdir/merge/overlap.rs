//! Which values are kept.

use std::collections::BTreeMap;

use super::index::{Index, ValueAt};

/// What becomes of steps that several sources have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overlap {
    /// A later file is a training that went on from an earlier step: from the first step that it has of a tag, earlier
    /// files' values of that tag are left out. A start of a session does so for all tags of its source, from its step
    /// on, except for the first start of a source. This is what TensorBoard's loaders do, each a half of it.
    #[default]
    Restart,
    /// All steps are kept: for files that hold parts of one training, such as those of several processes.
    All,
}

/// Leaves out the values that others take the place of, and puts the rest in order.
pub(super) fn keep(index: &mut Index, overlap: Overlap) {
    if overlap == Overlap::Restart {
        leave_out_obsolete(index);
    }
    // Of one tag and step, the one taken last; of one time, the last that was read.
    let mut last: BTreeMap<(u32, i64), usize> = BTreeMap::new();
    for (number, value) in index.values.iter().enumerate() {
        let best = last.entry((value.tag, value.step)).or_insert(number);
        if value.wall_time >= index.values[*best].wall_time {
            *best = number;
        }
    }
    let mut kept: Vec<usize> = last.into_values().collect();
    kept.sort_by(|&a, &b| {
        let (x, y) = (&index.values[a], &index.values[b]);
        x.step.cmp(&y.step).then(x.wall_time.total_cmp(&y.wall_time)).then(a.cmp(&b))
    });
    index.values = kept.into_iter().map(|number| index.values[number]).collect();
}

/// From the last value to the first: what is at or after the smallest step of its tag in later files is out, and so is
/// what is at or after the step of a later restart of its source.
fn leave_out_obsolete(index: &mut Index) {
    let mut tags: Vec<Barrier> = vec![Barrier::default(); index.tags.len()];
    let mut restarts = index.restarts.clone();
    let mut restarted: Option<(usize, i64)> = None; // from which value on, and step
    let mut kept = Vec::with_capacity(index.values.len());
    for (number, value) in index.values.iter().enumerate().rev() {
        while let Some(restart) = restarts.pop_if(|restart| restart.before > number) {
            let step = restarted
                .filter(|(from, _)| *from == restart.from)
                .map_or(restart.step, |(_, step)| step.min(restart.step));
            restarted = Some((restart.from, step));
        }
        let is_restarted = restarted.is_some_and(|(from, step)| number >= from && value.step >= step);
        if !tags[value.tag as usize].hides(value) && !is_restarted {
            kept.push(*value);
        }
    }
    kept.reverse();
    index.values = kept;
}

/// What later files say of a tag.
#[derive(Debug, Clone, Copy, Default)]
struct Barrier {
    /// The file that is being read, and its smallest step so far.
    file: Option<(u32, i64)>,
    /// Smallest step of files after it.
    step: Option<i64>,
}

impl Barrier {
    fn hides(&mut self, value: &ValueAt) -> bool {
        match &mut self.file {
            Some((file, step)) if *file == value.file => *step = (*step).min(value.step),
            before => {
                let later = before.replace((value.file, value.step)).map(|(_, step)| step);
                self.step = [self.step, later].into_iter().flatten().min();
            }
        }
        self.step.is_some_and(|step| value.step >= step)
    }
}
