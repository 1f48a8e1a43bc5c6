//! Which units are silent, over windows of observations.

use std::collections::BTreeMap;

use crate::{
    capture::Activation,
    error::Result,
    stats::{Packed, PendingActivity, UnitWindow},
    summary::Step,
};

/// A window for each layer whose exact zeros mean silence.
#[derive(Debug)]
pub(super) struct Windows {
    images: u64,
    layers: BTreeMap<String, UnitWindow>,
}

impl Windows {
    pub fn new(images: u64) -> Windows {
        Windows { images, layers: BTreeMap::new() }
    }

    /// Looks at a layer's output; a result where its window is full with it.
    pub fn queue(
        &mut self,
        layer: &Activation,
        step: Step,
        packed: &mut Packed,
    ) -> Result<Option<PendingActivity>> {
        if !layer.role.is_silent_at_zero() || layer.tensor.dim() < 2 {
            return Ok(None);
        }
        let window = self.layers.entry(layer.name.clone()).or_insert_with(|| UnitWindow::new(self.images));
        window.add(&layer.tensor, step)?;
        window.queue(packed)
    }
}
