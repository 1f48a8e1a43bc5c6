//! Results of many computations, fetched from their device with one copy.

use std::ops::Range;

use tch::{Kind, TchError, Tensor};

use super::pieces::to_host;
use crate::{error::Result, tch_context::TchContext as _};

/// Results that wait on their device.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    parts: Vec<Tensor>,
    len: usize,
}

/// Where a result will lie.
#[derive(Debug, Clone)]
pub(crate) struct Slot(Range<usize>);

/// Results on the host.
#[derive(Debug)]
pub(crate) struct Fetched(Vec<f64>);

impl Packed {
    /// Takes the values of a tensor of any shape, in their order.
    pub(crate) fn push(&mut self, values: &Tensor) -> Result<Slot, TchError> {
        let values = values.f_detach()?.f_reshape([-1])?;
        let start = self.len;
        self.len += values.numel();
        self.parts.push(values);
        Ok(Slot(start..self.len))
    }

    /// Takes tensors of one value each.
    pub(crate) fn push_scalars(&mut self, values: &[&Tensor]) -> Result<Slot, TchError> {
        let start = self.len;
        for value in values {
            self.push(value)?;
        }
        Ok(Slot(start..self.len))
    }

    /// Everything on the host: one copy where all of it is on one device.
    pub(crate) fn fetch(self) -> Result<Fetched> {
        let fetch = || -> Result<Vec<f64>, TchError> {
            let Some(first) = self.parts.first() else { return Ok(Vec::new()) };
            let (device, wide) = (first.device(), super::pieces::wide_kind(first.device()));
            // Joined before they are converted: each conversion is work of its own for the device.
            let alike = |a: &Tensor, b: &Tensor| a.kind() == b.kind() && a.device() == b.device();
            let join = |run: &[Tensor]| Tensor::f_cat(run, 0)?.f_to_device(device)?.f_to_kind(wide);
            let parts: Vec<Tensor> = self.parts.chunk_by(alike).map(join).collect::<Result<_, _>>()?;
            Vec::try_from(&to_host(&Tensor::f_cat(&parts, 0)?)?.f_to_kind(Kind::Double)?)
        };
        tch::no_grad(fetch).map(Fetched).context(|| "statistics: copy to the host".to_owned())
    }
}

impl Fetched {
    /// What was pushed into `slot`.
    pub(crate) fn get(&self, slot: &Slot) -> &[f64] {
        self.0.get(slot.0.clone()).unwrap_or_default()
    }

    /// The one value of `slot`; NaN where it has none.
    pub(crate) fn number(&self, slot: &Slot) -> f64 {
        self.get(slot).first().copied().unwrap_or(f64::NAN)
    }

    /// The sum of the single values of `slots`.
    pub(crate) fn sum(&self, slots: &[Slot]) -> f64 {
        slots.iter().map(|slot| self.number(slot)).sum()
    }
}
