//! Losses of labelled images one by one: what changed models are compared by.

use std::{cell::RefCell, collections::BTreeMap};

use tch::{Device, Kind, Tensor};

use super::{
    classifier::Classifier,
    study::{Evidence, Subject},
};
use crate::{
    data::{Dataset, Normalization},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Bytes of normalised images that are made at a time.
const PIECE: i64 = 32 << 20;
/// The part of the classifier's memory that pieces may take which are kept for the next time: one in so many.
const KEPT: u64 = 4;

/// The first labelled images of every class, made the model's input piece by piece. Pieces are kept as far as they fit:
/// many changed models are asked about the same images.
pub(super) struct Labelled<'a> {
    images: Dataset,
    normalization: &'a Normalization,
    device: Device,
    /// By their first images.
    kept: RefCell<BTreeMap<i64, Tensor>>,
}

/// Loss and answer of every image, in the order of the images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Losses {
    /// Cross-entropy, in nats.
    pub losses: Vec<f64>,
    /// The class with the largest logit.
    pub answers: Vec<i64>,
    /// The share of right answers, 0 to 1.
    pub accuracy: f64,
}

impl<'a> Labelled<'a> {
    /// At most `most` images, as [`Dataset::probe`] takes them.
    pub fn of(evidence: &Evidence<'a>, most: usize, device: Device) -> Result<Labelled<'a>> {
        let images = evidence.images.probe(most)?;
        let kept = RefCell::default();
        Ok(Labelled { images, normalization: evidence.normalization, device, kept })
    }

    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// The first images as the model's input.
    pub fn first(&self, count: i64) -> Result<Tensor> {
        self.piece(0, count.min(self.len() as i64))
    }

    pub fn losses(&self, classifier: &Classifier<'_>) -> Result<Losses> {
        let [channels, height, width] = self.images.image_shape();
        let step = (PIECE / (4 * channels * height * width)).max(1);
        let count = self.len() as i64;
        let (mut losses, mut answers) = (Vec::new(), Vec::new());
        let mut start = 0;
        while start < count {
            let images = self.kept_piece(start, step.min(count - start), classifier.memory_bytes() / KEPT)?;
            let log_probabilities = classifier.log_probabilities(&images)?;
            let labels = &self.images.labels()[start as usize..][..images.size()[0] as usize];
            let classes = log_probabilities.size()[1];
            if let Some(label) = labels.iter().find(|label| **label >= classes) {
                let why = format!("label {label} found; the model has {classes} classes, counted from 0");
                return Err(Error::invalid("validation data", why));
            }
            let of_piece = || {
                let labels = Tensor::f_from_slice(labels)?.f_to_device(log_probabilities.device())?;
                let picked = log_probabilities.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
                let losses =
                    picked.f_reshape([-1])?.f_neg()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
                Ok((Vec::try_from(&losses)?, Vec::try_from(&log_probabilities.f_argmax(1, false)?)?))
            };
            let found: Result<(Vec<f64>, Vec<i64>), tch::TchError> = tch::no_grad(of_piece);
            let (of_losses, of_answers) = found.context(|| "losses of the validation data".to_owned())?;
            losses.extend(of_losses);
            answers.extend(of_answers);
            start += step;
        }
        let right =
            answers.iter().zip(self.images.labels()).filter(|(answer, label)| answer == label).count();
        Ok(Losses { losses, answers, accuracy: right as f64 / count as f64 })
    }

    /// A piece that is kept for the next time where all that are kept take `room` bytes at most.
    fn kept_piece(&self, start: i64, count: i64, room: u64) -> Result<Tensor> {
        if let Some(kept) = self.kept.borrow().get(&start) {
            return Ok(kept.shallow_clone());
        }
        let piece = self.piece(start, count)?;
        let mut kept = self.kept.borrow_mut();
        let bytes = |piece: &Tensor| (piece.numel() * piece.kind().elt_size_in_bytes()) as u64;
        if kept.values().chain([&piece]).map(bytes).sum::<u64>() <= room {
            kept.insert(start, piece.shallow_clone());
        }
        Ok(piece)
    }

    fn piece(&self, start: i64, count: i64) -> Result<Tensor> {
        let images = self.images.images().f_narrow(0, start, count);
        let images = images.context(|| format!("images from {start} on"))?;
        self.normalization.apply(&images, self.device)
    }
}

impl Losses {
    /// The mean loss, in nats.
    pub fn mean(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}

/// Where the model lies.
pub(super) fn device(subject: &Subject<'_>) -> Device {
    let of_variable = subject.variables.first().map(|(_, variable)| variable.device());
    let of_case = || subject.cases.first().map(|case| case.sample.input.device());
    of_variable.or_else(of_case).unwrap_or(Device::Cpu)
}
