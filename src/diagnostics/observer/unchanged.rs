//! Which parameters do not change.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::{error::Result, rules::TensorStats, stats::fingerprint, summary::Step};

/// What every parameter was at the observation before.
#[derive(Debug, Default)]
pub(super) struct Unchanged(BTreeMap<String, Last>);

#[derive(Debug)]
struct Last {
    stats: TensorStats,
    /// Taken only once the statistics stay the same, because it brings the values to the host.
    fingerprint: Option<u32>,
    since: Step,
}

impl Unchanged {
    /// The first observation since which the bits of `param` are the same; `None` where they changed since the one before.
    pub fn since(
        &mut self,
        name: &str,
        param: &Tensor,
        stats: &TensorStats,
        step: Step,
    ) -> Result<Option<Step>> {
        let new = Last { stats: TensorStats { quantiles: None, ..*stats }, fingerprint: None, since: step };
        let Some(last) = self.0.get_mut(name) else {
            self.0.insert(name.to_owned(), new);
            return Ok(None);
        };
        if !same(&last.stats, &new.stats) {
            *last = new;
            return Ok(None);
        }
        let print = fingerprint(param)?;
        match last.fingerprint.replace(print) {
            Some(before) if before != print => {
                *last = Last { fingerprint: Some(print), ..new };
                Ok(None)
            }
            _ => Ok(Some(last.since)),
        }
    }
}

/// Whether all figures agree bit for bit; NaN is like NaN.
fn same(a: &TensorStats, b: &TensorStats) -> bool {
    let counts = |stats: &TensorStats| [stats.count, stats.zeros, stats.nan, stats.infinite];
    let figures = |stats: &TensorStats| {
        [stats.mean, stats.std, stats.min, stats.max, stats.l1, stats.l2].map(f64::to_bits)
    };
    counts(a) == counts(b) && figures(a) == figures(b)
}
