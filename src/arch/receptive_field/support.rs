//! The exact set of positions that a unit sees along one axis, holes included.

use std::{ops::Range, sync::Arc};

/// A set of more separate runs is given up: no network made to see well has so many holes, and ten thousand layers of
/// such sets would fill the memory.
const MOST_RUNS: usize = 2048;

/// Positions next to each other: `start` is among them, `end` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// A set of positions as its runs, in order, with a hole between each two. Clones share their memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Support(Arc<[Run]>);

impl Support {
    /// Every position from `start` to before `end`.
    pub(super) fn run(start: i64, end: i64) -> Support {
        Support(Arc::new([Run { start, end }]))
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.0
    }

    /// From the first position to the one after the last; 0..0 if there is none.
    pub(super) fn hull(&self) -> Range<i64> {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Number of positions.
    pub(super) fn count(&self) -> i64 {
        self.0.iter().map(|run| run.end - run.start).sum()
    }

    /// The union of `copies` sets, each `spacing` further than the one before (the Minkowski sum with the taps of a
    /// kernel). `None` if that has too many runs or leaves the numbers.
    ///
    /// The copies double with each union, so that a kernel of a billion taps takes 30.
    pub(super) fn spread(&self, copies: i64, spacing: i64) -> Option<Support> {
        let mut spread = self.clone();
        let mut done = 1;
        while done < copies {
            let more = done.min(copies - done);
            spread = spread.union(&spread.shift(more.checked_mul(spacing)?)?)?;
            done += more;
        }
        Some(spread)
    }

    /// The set, each position `by` further.
    pub(super) fn shift(&self, by: i64) -> Option<Support> {
        if by == 0 {
            return Some(self.clone());
        }
        let moved =
            |run: &Run| Some(Run { start: run.start.checked_add(by)?, end: run.end.checked_add(by)? });
        self.0.iter().map(moved).collect::<Option<_>>().map(Support)
    }

    /// What is in either set. `None` if that has too many runs.
    pub(super) fn union(&self, other: &Support) -> Option<Support> {
        if self.covers(other) {
            return Some(self.clone());
        }
        if other.covers(self) {
            return Some(other.clone());
        }
        let mut union: Vec<Run> = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.start <= b.start => left.next(),
                (Some(_), None) => left.next(),
                _ => right.next(),
            };
            let Some(run) = next else { break };
            match union.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => union.push(*run),
            }
        }
        (union.len() <= MOST_RUNS).then(|| Support(union.into()))
    }

    /// What lies from `start` to before `end`.
    pub(super) fn clip(&self, start: i64, end: i64) -> Support {
        let cut = |run: &Run| Run { start: run.start.max(start), end: run.end.min(end) };
        Support(self.0.iter().map(cut).filter(|run| run.start < run.end).collect())
    }

    /// Whether one run holds all of `other`: the usual case, and it costs no memory.
    fn covers(&self, other: &Support) -> bool {
        match (&*self.0, other.0.first(), other.0.last()) {
            ([own], Some(first), Some(last)) => own.start <= first.start && last.end <= own.end,
            (_, None, _) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn support(positions: &BTreeSet<i64>) -> Support {
        positions.iter().fold(Support(Arc::new([])), |set, &p| set.union(&Support::run(p, p + 1)).unwrap())
    }

    fn positions(support: &Support) -> BTreeSet<i64> {
        support.runs().iter().flat_map(|run| run.start..run.end).collect()
    }

    fn has_holes_between_runs(support: &Support) -> bool {
        support.runs().windows(2).all(|pair| pair[0].end < pair[1].start)
    }

    fn sets() -> impl Strategy<Value = BTreeSet<i64>> {
        btree_set(-40_i64..40, 0..40)
    }

    proptest! {
        #[test]
        fn sets_of_runs_are_sets_of_positions(
            a in sets(), b in sets(), copies in 1_i64..9, spacing in 0_i64..9, by in -9_i64..9,
        ) {
            let (set, other) = (support(&a), support(&b));
            prop_assert_eq!(positions(&set), a.clone());
            prop_assert_eq!(set.count(), a.len() as i64);
            let union = set.union(&other).unwrap();
            prop_assert!(has_holes_between_runs(&union));
            prop_assert_eq!(positions(&union), a.union(&b).copied().collect::<BTreeSet<_>>());
            let spread = set.spread(copies, spacing).unwrap();
            prop_assert!(has_holes_between_runs(&spread));
            let taps: BTreeSet<i64> =
                a.iter().flat_map(|p| (0..copies).map(move |copy| p + copy * spacing)).collect();
            prop_assert_eq!(positions(&spread), taps);
            prop_assert_eq!(positions(&set.shift(by).unwrap()), a.iter().map(|p| p + by).collect::<BTreeSet<_>>());
            let clipped = a.iter().copied().filter(|p| (by..by + 20).contains(p)).collect::<BTreeSet<_>>();
            prop_assert_eq!(positions(&set.clip(by, by + 20)), clipped);
        }
    }

    #[test]
    fn too_many_runs_and_too_far_are_given_up() {
        let most = MOST_RUNS as i64;
        assert_eq!(Support::run(0, 1).spread(most, 2).unwrap().count(), most);
        assert_eq!(Support::run(0, 1).spread(most + 1, 2), None);
        assert_eq!(Support::run(0, 1).spread(i64::from(i32::MAX), 2), None);
        assert_eq!(Support::run(0, 1).spread(i64::from(i32::MAX), 1).unwrap().count(), i64::from(i32::MAX));
        assert_eq!(Support::run(0, 1).shift(i64::MAX), None);
    }
}
