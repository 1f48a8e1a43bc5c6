//! Which units are silent, over windows of observations.

use std::collections::BTreeMap;

use crate::{
    callback::Position,
    capture::{Activation, Activations},
    error::Result,
    stats::{Packed, PendingActivity, UnitWindow},
    summary::Step,
};

/// In so many steps of a training at most the first windows are filled from every batch.
const OPENING: i64 = 50;

/// A window for each layer whose exact zeros mean silence.
#[derive(Debug)]
pub(super) struct Windows {
    images: u64,
    layers: BTreeMap<String, UnitWindow>,
    /// Whether windows have been full, or there are none.
    opened: bool,
}

impl Windows {
    pub fn new(images: u64) -> Windows {
        Windows { images, layers: BTreeMap::new(), opened: false }
    }

    /// Whether this batch is to be looked at although no observation is due. At the beginning of a training it is, until
    /// the windows are full: units that are dead from the start are known after some hundred images then, and not only
    /// after as many observations.
    pub fn are_opening(&self, position: &Position) -> bool {
        !self.opened && !position.over_budget && position.step.get() <= OPENING
    }

    /// Looks at the outputs of a batch of which no more is measured.
    pub fn add(&mut self, activations: &Activations, step: Step) -> Result<()> {
        for layer in activations.iter() {
            if let Some(window) = self.window(layer) {
                window.add(&layer.tensor, step)?;
            }
        }
        self.opened = self.layers.values().all(UnitWindow::is_full);
        Ok(())
    }

    /// Looks at a layer's output; a result where its window is full with it.
    pub fn queue(
        &mut self,
        layer: &Activation,
        step: Step,
        packed: &mut Packed,
    ) -> Result<Option<PendingActivity>> {
        let Some(window) = self.window(layer) else { return Ok(None) };
        window.add(&layer.tensor, step)?;
        let pending = window.queue(packed)?;
        self.opened |= pending.is_some();
        Ok(pending)
    }

    fn window(&mut self, layer: &Activation) -> Option<&mut UnitWindow> {
        let silent_at_zero = layer.role.is_silent_at_zero() && layer.tensor.dim() >= 2;
        let window = || UnitWindow::new(self.images);
        silent_at_zero.then(|| self.layers.entry(layer.name.clone()).or_insert_with(window))
    }
}
