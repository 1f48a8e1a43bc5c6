//! Which units were active, over enough samples to be trusted.

use tch::{Kind, TchError, Tensor, no_grad_guard};

use super::{
    packed::{Fetched, Packed, Slot},
    pieces::{describe, real_kind, wide_kind},
};
use crate::{
    error::{Error, Result},
    rules::{SilentUnit, UnitActivity},
    summary::Step,
    tch_context::TchContext as _,
};

/// In the tensor of steps: not active so far.
const NEVER: i64 = -1;

/// Looks at the output of one layer, batch by batch, until it has seen enough images to tell which units are silent.
///
/// A unit (channel of a map, feature of a vector) is active in an image where its output is not exactly 0 at some
/// position; so the output should be that of a ReLU, before dropout. One batch is not enough: a channel that fires for 1 %
/// of the images is silent in a batch of 32 with a probability of 0.99³² = 72 %, in 500 images with 0.7 %.
///
/// Everything stays on the output's device until the window closes; then one small copy comes to the host. The step at
/// which a unit was active last is remembered from window to window.
///
/// ```
/// use convscope::{Step, stats::UnitWindow};
/// use tch::Tensor;
///
/// let mut window = UnitWindow::new(4);
/// window.add(&Tensor::from_slice(&[0.0f32, 1.0, 0.0, 0.0, 2.0, 0.0]).view([2, 3]), Step::new(1))?;
/// window.add(&Tensor::from_slice(&[0.0f32, 0.0, 0.0, 0.0, 1.0, 0.0]).view([2, 3]), Step::new(2))?;
/// let units = window.close()?.expect("four images are enough");
/// assert_eq!(units.silent.iter().map(|unit| unit.index).collect::<Vec<_>>(), [0, 2]);
/// assert_eq!(units.silent[0].last_active, None); // never
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct UnitWindow {
    wanted: u64,
    samples: u64,
    /// The first step of the window.
    start: i64,
    /// Of each channel, the last step at which it was active.
    last_active: Option<Tensor>,
    /// Of each position of the map, whether it was active in the window. `None` before the first batch, and where maps
    /// differ in size.
    positions: Option<Tensor>,
    one_size: bool,
}

impl UnitWindow {
    /// A window of at least `samples` images; 500 is a good number. 0 counts as 1.
    pub fn new(samples: u64) -> UnitWindow {
        UnitWindow {
            wanted: samples.max(1),
            samples: 0,
            start: 0,
            last_active: None,
            positions: None,
            one_size: true,
        }
    }

    /// Looks at a layer's output `[N, C, ...]` for the N images of the batch `step`.
    ///
    /// # Errors
    /// An output without a dimension 1 or with another number of channels than before; complex or quantised values; an
    /// undefined tensor.
    pub fn add(&mut self, output: &Tensor, step: impl Into<Step>) -> Result<()> {
        let _no_grad = no_grad_guard();
        real_kind(output)?;
        let size = output.size();
        let known = self.last_active.as_ref().map(|steps| steps.numel() as i64);
        match size[..] {
            [images, channels, ..] if known.is_none_or(|known| known == channels) => {
                let step = step.into().get();
                self.look(output, channels, step).context(|| describe("activity of units", output))?;
                self.samples += images.unsigned_abs();
                Ok(())
            }
            _ => Err(Error::invalid(
                "activity of units",
                format!(
                    "the output has the shape {size:?}; [N, {}, ...] is expected",
                    known.map_or_else(|| "C".to_owned(), |known| known.to_string())
                ),
            )),
        }
    }

    fn look(&mut self, output: &Tensor, channels: i64, step: i64) -> Result<(), TchError> {
        if self.samples == 0 {
            (self.start, self.positions, self.one_size) = (step, None, true);
        }
        let device = output.device();
        let positions = output.f_detach()?.f_ne(0)?.f_any_dim(0, false)?;
        let active = positions.f_reshape([channels, -1])?.f_any_dim(1, false)?;
        let last = match self.last_active.take() {
            Some(last) => last.f_to_device(device)?,
            None => Tensor::f_full([channels], NEVER, (Kind::Int64, device))?,
        };
        self.last_active = Some(last.f_masked_fill(&active, step)?);
        self.positions = match self.positions.take() {
            _ if !self.one_size => None,
            None => Some(positions),
            Some(before) if before.size() == positions.size() => {
                Some(before.f_to_device(device)?.f_logical_or(&positions)?)
            }
            Some(_) => {
                self.one_size = false;
                None
            }
        };
        Ok(())
    }

    /// Images in the window so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Whether it has seen enough to close.
    pub fn is_full(&self) -> bool {
        self.samples >= self.wanted
    }

    /// Which units were silent, where the window is full, and begins the next window; `None` where it is not.
    /// [`SilentUnit::cause`] is left open.
    ///
    /// # Errors
    /// A result that cannot be fetched from its device.
    pub fn close(&mut self) -> Result<Option<UnitActivity>> {
        let mut packed = Packed::default();
        let Some(pending) = self.queue(&mut packed)? else { return Ok(None) };
        let fetched = packed.fetch()?;
        Ok(Some(pending.finish(&fetched)))
    }

    /// As [`close`](UnitWindow::close), with the result left on its device.
    pub(crate) fn queue(&mut self, packed: &mut Packed) -> Result<Option<PendingActivity>> {
        let (true, Some(last)) = (self.is_full(), &self.last_active) else { return Ok(None) };
        let _no_grad = no_grad_guard();
        let mut queue = || -> Result<PendingActivity, TchError> {
            // A step is far below 2^53, and on devices without `f64` far below 2^24.
            let last_active = packed.push(last)?;
            let silent = |positions: &Tensor| -> Result<Slot, TchError> {
                packed.push(&positions.f_logical_not()?.f_sum(wide_kind(positions.device()))?)
            };
            let silent_positions = self.positions.as_ref().map(silent).transpose()?;
            Ok(PendingActivity { samples: self.samples, start: self.start, last_active, silent_positions })
        };
        let pending = queue().context(|| describe("activity of units", last))?;
        self.samples = 0;
        Ok(Some(pending))
    }
}

/// A closed window whose result is not yet fetched.
#[derive(Debug)]
pub(crate) struct PendingActivity {
    samples: u64,
    start: i64,
    last_active: Slot,
    silent_positions: Option<Slot>,
}

impl PendingActivity {
    pub(crate) fn finish(&self, fetched: &Fetched) -> UnitActivity {
        let last_active = fetched.get(&self.last_active);
        let silent = (0..).zip(last_active).filter(|&(_, &last)| last < self.start as f64);
        let silent = silent.map(|(index, &last)| SilentUnit {
            index,
            last_active: (last >= 0.0).then(|| Step::new(last as i64)),
            cause: None,
        });
        UnitActivity {
            samples: self.samples,
            units: last_active.len() as u64,
            silent: silent.collect(),
            silent_positions: self.silent_positions.as_ref().map(|slot| fetched.number(slot) as u64),
        }
    }
}
