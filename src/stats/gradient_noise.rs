//! How much the gradients of single images disagree.

use std::{
    borrow::Borrow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tch::{TchError, Tensor, no_grad_guard};

use super::{
    packed::Packed,
    pieces::{for_each_piece, real_kind, wide_kind},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// The gradient noise scale tr(Σ) / |G|² in images (McCandlish et al. 2018, "An empirical model of large-batch
/// training"): G is the true gradient, Σ the covariance of the gradients of single images. Batches much smaller are mostly
/// noise, batches much larger waste images.
///
/// It needs the gradients of parts of a batch, which only the training loop has: give each part's gradient of the **mean**
/// loss over the part's images to [`add`](GradientNoise::add), and say [`end_batch`](GradientNoise::end_batch) behind the
/// last. From n parts of b₁, … bₙ images with gradients gᵢ, B images in all and g = Σ bᵢgᵢ / B, the unbiased estimates of
/// appendix A.1 are, with b = B / n,
///
/// * |G|² ≈ (B·|g|² − b·Σ(bᵢ/B)|gᵢ|²) / (B − b),
/// * tr(Σ) ≈ (Σ(bᵢ/B)|gᵢ|² − |g|²) / (1/b − 1/B).
///
/// Single batches scatter widely, so both are averaged over batches, and only then divided. All clones are the same
/// measurement: the loop keeps one, an [`Observer`](crate::diagnostics::Observer) gets the other.
///
/// ```
/// use convscope::stats::GradientNoise;
/// use tch::{Device, Kind, Tensor};
///
/// let weight = Tensor::ones([2], (Kind::Double, Device::Cpu)).set_requires_grad(true);
/// let images = Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 2.0]).view([4, 2]);
/// let noise = GradientNoise::new();
/// for _ in 0..3 {
///     // The batch in two parts, as where gradients are accumulated.
///     for part in images.chunk(2, 0) {
///         let loss = part.matmul(&weight).square().mean(Kind::Double);
///         noise.add(&Tensor::run_backward(&[&loss], &[&weight], true, false), part.size()[0] as u64)?;
///         loss.backward();
///     }
///     noise.end_batch()?;
/// }
/// assert!(noise.scale().is_some_and(|scale| scale > 0.0));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GradientNoise(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    decay: f64,
    batch: Batch,
    /// Running means of the estimates, and the weight of the batches in them, 1 − decay^batches.
    squared_gradient: f64,
    trace: f64,
    weight: f64,
}

/// The batch whose parts come in.
#[derive(Debug, Default)]
struct Batch {
    parts: u64,
    images: u64,
    /// Σ bᵢgᵢ, by parameter, on the device of each.
    sums: Vec<Tensor>,
    /// bᵢ and the squared norms of the pieces of gᵢ, one tensor each.
    squares: Vec<(f64, Tensor)>,
}

impl Default for State {
    fn default() -> State {
        State { decay: 0.9, batch: Batch::default(), squared_gradient: 0.0, trace: 0.0, weight: 0.0 }
    }
}

impl GradientNoise {
    /// Without a batch. The running means forget a tenth at every batch.
    pub fn new() -> GradientNoise {
        GradientNoise::default()
    }

    /// How much the running means keep at every batch, from 0 (each batch alone) to below 1. The default is 0.9. Values
    /// outside are brought inside.
    #[must_use]
    pub fn decay(self, decay: f64) -> GradientNoise {
        self.lock().decay = decay.clamp(0.0, 1.0 - 1e-9);
        self
    }

    /// Adds a part of a batch: the gradients of its mean loss by each parameter, in the same order for every part, and
    /// how many images it has. A parameter that the loss does not reach may have an undefined tensor.
    ///
    /// The gradients are copied; nothing comes to the host.
    ///
    /// # Errors
    /// A part without images, or with another number of gradients, or gradients of other shapes than the batch's first.
    pub fn add(&self, gradients: &[impl Borrow<Tensor>], images: u64) -> Result<()> {
        let _no_grad = no_grad_guard();
        let gradients: Vec<&Tensor> = gradients.iter().map(Borrow::borrow).filter(|g| g.defined()).collect();
        let batch = &mut self.lock().batch;
        batch.check(&gradients, images)?;
        batch.add(&gradients, images as f64).context(|| "gradients of a part of a batch".to_owned())?;
        batch.images += images;
        batch.parts += 1;
        Ok(())
    }

    /// Ends a batch and takes it into the means. One of fewer than two parts says nothing and is left out, as is one whose
    /// gradients are not finite: a mean would never forget it. Waits for the device.
    ///
    /// # Errors
    /// A result that cannot be fetched from its device.
    pub fn end_batch(&self) -> Result<()> {
        let mut state = self.lock();
        let batch = std::mem::take(&mut state.batch);
        if batch.parts < 2 {
            return Ok(());
        }
        let (squared_gradient, trace) = batch.estimates()?;
        if !(squared_gradient.is_finite() && trace.is_finite()) {
            return Ok(());
        }
        let keep = state.decay;
        state.squared_gradient = keep * state.squared_gradient + (1.0 - keep) * squared_gradient;
        state.trace = keep * state.trace + (1.0 - keep) * trace;
        state.weight = keep * state.weight + (1.0 - keep);
        Ok(())
    }

    /// The noise scale in images, from the means so far: the estimate of tr(Σ) divided by that of |G|². `None` before the
    /// first batch, and while noise outweighs the gradient so much that the estimate of |G|² is not positive.
    pub fn scale(&self) -> Option<f64> {
        let (squared_gradient, trace) = (self.squared_gradient()?, self.trace()?);
        (squared_gradient > 0.0).then(|| trace / squared_gradient)
    }

    /// The estimate of |G|², the squared norm of the true gradient; `None` before the first batch. Unbiased, so it can be
    /// negative.
    pub fn squared_gradient(&self) -> Option<f64> {
        let state = self.lock();
        (state.weight > 0.0).then(|| state.squared_gradient / state.weight)
    }

    /// The estimate of tr(Σ), the variance of the gradients of single images summed over parameters; `None` before the
    /// first batch.
    pub fn trace(&self) -> Option<f64> {
        let state = self.lock();
        (state.weight > 0.0).then(|| state.trace / state.weight)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the state half changed, so a poisoned lock is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn check(&self, gradients: &[&Tensor], images: u64) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid("gradients of a part of a batch", why));
        if images == 0 {
            return refuse("the part has no images; leave it out".to_owned());
        }
        for gradient in gradients {
            real_kind(gradient)?;
        }
        let sizes = |tensors: &[&Tensor]| tensors.iter().map(|tensor| tensor.size()).collect::<Vec<_>>();
        let first: Vec<&Tensor> = self.sums.iter().collect();
        if self.parts > 0 && sizes(&first) != sizes(gradients) {
            return refuse(format!(
                "shapes {:?} found, {:?} expected, as in the batch's first part",
                sizes(gradients),
                sizes(&first)
            ));
        }
        Ok(())
    }

    fn add(&mut self, gradients: &[&Tensor], images: f64) -> Result<(), TchError> {
        let weighted = |gradient: &Tensor| {
            gradient.f_detach()?.f_to_kind(wide_kind(gradient.device()))?.f_mul_scalar(images)
        };
        let mut sums = Vec::with_capacity(gradients.len());
        for (place, gradient) in gradients.iter().enumerate() {
            let weighted = weighted(gradient)?;
            sums.push(match self.sums.get(place) {
                Some(sum) => sum.f_add(&weighted)?,
                None => weighted,
            });
        }
        for gradient in gradients {
            let of_pieces = squares(gradient)?;
            self.squares.extend(of_pieces.into_iter().map(|square| (images, square)));
        }
        self.sums = sums;
        Ok(())
    }

    /// |G|² and tr(Σ).
    fn estimates(&self) -> Result<(f64, f64)> {
        let images = self.images as f64;
        let mut packed = Packed::default();
        let mut queue = || -> Result<_, TchError> {
            let _no_grad = no_grad_guard();
            let mut small = Vec::new();
            for (part, square) in &self.squares {
                small.push((*part, packed.push(square)?));
            }
            let mut big = Vec::new();
            for square in self.sums.iter().map(squares).collect::<Result<Vec<_>, _>>()?.into_iter().flatten()
            {
                big.push(packed.push(&square)?);
            }
            Ok((small, big))
        };
        let (small, big) = queue().context(|| "gradient noise scale".to_owned())?;
        let fetched = packed.fetch()?;
        let small: f64 = small.iter().map(|(part, slot)| part / images * fetched.number(slot)).sum();
        let big = fetched.sum(&big) / (images * images);
        let part = images / self.parts as f64;
        Ok(((images * big - part * small) / (images - part), (small - big) / (1.0 / part - 1.0 / images)))
    }
}

/// Squared norms of the pieces of a tensor.
fn squares(tensor: &Tensor) -> Result<Vec<Tensor>, TchError> {
    let wide = wide_kind(tensor.device());
    let mut squares = Vec::new();
    for_each_piece(tensor, |piece| {
        squares.push(piece.f_to_kind(wide)?.f_norm_scalaropt_dtype(2.0, wide)?.f_square()?);
        Ok(())
    })?;
    Ok(squares)
}
