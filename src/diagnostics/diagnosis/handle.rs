//! The verdict, seen from outside of the session.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rules::Verdict;

/// Where a [`Diagnosis`](super::Diagnosis) leaves its verdict: it is there while the training runs, after it, and after
/// it has failed.
#[derive(Debug, Clone, Default)]
pub struct VerdictHandle(Arc<Mutex<Verdict>>);

impl VerdictHandle {
    /// The verdict of the last observation. Before the first, nothing is known.
    pub fn get(&self) -> Verdict {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, verdict: Verdict) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
    }
}
