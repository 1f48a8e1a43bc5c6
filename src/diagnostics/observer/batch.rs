//! What goes into a batch, and what comes out.

use std::collections::BTreeMap;

use tch::{Kind, TchError, Tensor};

use crate::{
    callback::BatchView,
    error::Result,
    rules::{BatchObservation, ChannelStats, LabelStats, PredictionStats, TensorStats},
    stats::{Fetched, Packed, PendingStats, Quantiles, Slot},
    tch_context::TchContext as _,
};

/// Channels of the input that are told apart. Of inputs with more, such as features, all values are taken together.
const CHANNELS: i64 = 16;

/// What is computed of a batch and not yet fetched.
#[derive(Debug)]
pub(super) struct PendingBatch {
    images: u64,
    classes: u64,
    channels: Vec<PendingStats>,
    /// Per image, 1 where all of its values are finite.
    whole: Slot,
    labels: Slot,
    predicted: Slot,
    /// Mean squared distance of the logits from their image's mean, and mean probability of the predicted class.
    scale: Slot,
}

impl PendingBatch {
    pub fn queue(batch: &BatchView, packed: &mut Packed) -> Result<PendingBatch> {
        let BatchView { images, labels, logits } = batch;
        let size = images.size();
        let channels = match size[..] {
            [_, channels, _, ..] if channels <= CHANNELS => {
                let channel =
                    |index| images.f_select(1, index).context(|| format!("channel {index} of the input"));
                (0..channels).map(channel).collect::<Result<Vec<_>>>()?
            }
            _ => vec![images.shallow_clone()],
        };
        let channels = channels.iter().map(|channel| PendingStats::queue(channel, Quantiles::No, packed));
        let channels = channels.collect::<Result<Vec<_>>>()?;
        let mut queue = || -> Result<[Slot; 4], TchError> {
            tch::no_grad(|| {
                let rows = images.size().first().copied().unwrap_or(0);
                let whole = images.f_isfinite()?.f_reshape([rows, images.size().iter().skip(1).product()])?;
                let (predicted, scale) = predictions(logits)?;
                Ok([
                    packed.push(&whole.f_all_dim(1, false)?)?,
                    packed.push(labels)?,
                    packed.push(&predicted)?,
                    packed.push(&scale)?,
                ])
            })
        };
        let [whole, labels, predicted, scale] = queue().context(|| "statistics of the batch".to_owned())?;
        let classes = logits.size().get(1).copied().unwrap_or(0).unsigned_abs();
        let images = size.first().copied().unwrap_or(0).unsigned_abs();
        Ok(PendingBatch { images, classes, channels, whole, labels, predicted, scale })
    }

    pub fn finish(&self, fetched: &Fetched) -> BatchObservation {
        let whole = fetched.get(&self.whole);
        let labels: Vec<i64> = fetched.get(&self.labels).iter().map(|&label| label as i64).collect();
        let mut counts = BTreeMap::<i64, u64>::new();
        for &label in &labels {
            *counts.entry(label).or_default() += 1;
        }
        BatchObservation {
            images: self.images,
            channels: self.channels.iter().map(|channel| channel_stats(&channel.finish(fetched))).collect(),
            bad_images: (0..)
                .zip(whole)
                .filter(|&(_, &whole)| whole == 0.0)
                .map(|(index, _)| index)
                .collect(),
            labels: Some(LabelStats {
                counts: counts.into_iter().collect(),
                classes: (self.classes > 0).then_some(self.classes),
            }),
            predictions: self.predictions(&labels, fetched),
        }
    }

    fn predictions(&self, labels: &[i64], fetched: &Fetched) -> Option<PredictionStats> {
        let &[spread, confidence] = fetched.get(&self.scale) else { return None };
        let mut counts = vec![0; self.classes as usize];
        let mut wrong = counts.clone();
        for (&label, &predicted) in labels.iter().zip(fetched.get(&self.predicted)) {
            if let Some(count) = counts.get_mut(predicted as usize) {
                *count += 1;
            }
            let missed = usize::try_from(label).ok().filter(|_| predicted != label as f64);
            if let Some(wrong) = missed.and_then(|label| wrong.get_mut(label)) {
                *wrong += 1;
            }
        }
        Some(PredictionStats { counts, wrong, logit_scale: spread.sqrt(), confidence })
    }
}

/// The class of the largest logit of each image; mean square of the logits about their image's mean, and mean of the
/// largest probability.
fn predictions(logits: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    if logits.numel() == 0 {
        let none = Tensor::f_zeros([0], (Kind::Float, logits.device()))?;
        return Ok((none.shallow_clone(), none));
    }
    let logits = logits.f_to_kind(Kind::Float)?;
    let spread = logits.f_sub(&logits.f_mean_dim([1].as_slice(), true, None)?)?.f_square()?.f_mean(None)?;
    let confidence = logits.f_softmax(1, None)?.f_amax([1], false)?.f_mean(None)?;
    Ok((logits.f_argmax(1, false)?, Tensor::f_stack(&[spread, confidence], 0)?))
}

fn channel_stats(stats: &TensorStats) -> ChannelStats {
    let &TensorStats { mean, std, min, max, .. } = stats;
    ChannelStats { mean, std, min, max }
}
