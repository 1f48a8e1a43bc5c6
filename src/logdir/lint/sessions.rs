//! Starts of sessions, and what is obsolete after them.

/// Most starts of a run that are heeded: a training has one for each time that it was begun.
const MAX_STARTS: u32 = 100_000;

/// Starts of sessions of a run that were seen.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    starts: u32,
    step: i64,
    /// Number and step of those restarts that no later one goes behind; both increase.
    restarts: Vec<(u32, i64)>,
}

impl Sessions {
    /// Notes a start; whether it is heeded.
    pub fn start(&mut self, step: i64) -> bool {
        if self.starts == MAX_STARTS {
            return false;
        }
        self.starts += 1;
        self.step = step;
        // The first of a run is no restart.
        if self.starts > 1 {
            while self.restarts.pop_if(|(_, before)| *before >= step).is_some() {}
            self.restarts.push((self.starts, step));
        }
        true
    }

    /// How many there were.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Step of the last one, if it is a restart after the first `seen`.
    pub fn restart_after(&self, seen: u32) -> Option<i64> {
        (self.starts > seen && self.starts > 1).then_some(self.step)
    }

    /// Smallest step of the restarts after the first `seen` starts.
    pub fn lowest_after(&self, seen: u32) -> Option<i64> {
        let first = self.restarts.partition_point(|(number, _)| *number <= seen);
        self.restarts.get(first).map(|(_, step)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_restart_is_that_of_a_search_through_all() {
        let steps = [9, 3, 7, 7, 5, 8, 1, 4, 4, 6, 0, 2];
        let mut sessions = Sessions::default();
        for count in 1..=steps.len() {
            assert!(sessions.start(steps[count - 1]));
            for seen in 0..=count {
                let after = &steps[seen.max(1).min(count)..count];
                assert_eq!(sessions.lowest_after(seen as u32), after.iter().min().copied(), "{count} {seen}");
                assert_eq!(sessions.restart_after(seen as u32), after.last().copied(), "{count} {seen}");
            }
        }
    }

    #[test]
    fn starts_without_end_are_not_heeded() {
        let mut sessions = Sessions::default();
        assert!((0..MAX_STARTS).all(|step| sessions.start(step.into())));
        assert!(!sessions.start(0));
        assert_eq!((sessions.starts(), sessions.lowest_after(1)), (MAX_STARTS, Some(1)));
    }
}
