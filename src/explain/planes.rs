//! One image of any shape as channels, rows and columns.

use tch::{Device, Kind, Tensor};

use super::classifier::{Classifier, select_class};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// One image whose values are replaced place by place: `[1, C, H, W]` as it is, any other shape `[1, …]` as one channel of
/// one row.
#[derive(Debug)]
pub(super) struct Planes {
    /// `[1, C, H, W]`.
    pub image: Tensor,
    /// Shape of the model's input, for one image.
    original: Vec<i64>,
}

impl Planes {
    pub fn of(image: &Tensor) -> Result<Planes> {
        let original = if image.defined() { image.size() } else { Vec::new() };
        let floating = || matches!(image.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
        if original.len() < 2 || original[0] != 1 || original.contains(&0) || !floating() {
            return Err(Error::invalid(
                "image",
                format!(
                    "shape {original:?} found; one image of floating-point numbers expected, [1, C, H, W] or [1, …]"
                ),
            ));
        }
        let planes = match original.as_slice() {
            &[_, c, h, w] => [1, c, h, w],
            other => [1, 1, 1, other.iter().product()],
        };
        let image = image.f_detach().and_then(|image| image.f_reshape(planes));
        Ok(Planes { image: image.context(|| "channels of the image".to_owned())?, original })
    }

    /// Rows and columns.
    pub fn sides(&self) -> [usize; 2] {
        let size = self.image.size();
        [size[2], size[3]].map(|side| side.unsigned_abs() as usize)
    }

    pub fn pixels(&self) -> usize {
        self.sides().iter().product()
    }

    /// `[N, C, H, W]` in the shape that the model takes.
    pub fn restore(&self, images: &Tensor) -> Result<Tensor> {
        let mut shape = self.original.clone();
        shape[0] = images.size()[0];
        images.f_reshape(shape).context(|| "images for the model".to_owned())
    }

    /// A tensor for comparing with places, on the image's device: the numbers along dimension 0 of four.
    pub fn column(&self, numbers: &[i64]) -> Result<Tensor> {
        let column =
            || Tensor::f_from_slice(numbers)?.f_reshape([-1, 1, 1, 1])?.f_to_device(self.image.device());
        column().context(|| "places in the image".to_owned())
    }

    /// How many variants of the image are made at a time.
    pub fn at_a_time(&self, classifier: &Classifier<'_>) -> Result<usize> {
        let images = classifier.images_at_a_time(&self.restore(&self.image)?)?;
        Ok(usize::try_from(images).unwrap_or(1).max(1))
    }
}

/// What a model says to one variant of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answer {
    pub logit: f64,
    pub log_probability: f64,
}

/// Answers of the model for a class. The images are few enough to exist at once.
pub(super) fn answers(classifier: &Classifier<'_>, images: &Tensor, class: i64) -> Result<Vec<Answer>> {
    answers_of(&classifier.logits(images)?, class)
}

/// What logits `[N, classes]` say of a class, in double precision.
pub(super) fn answers_of(logits: &Tensor, class: i64) -> Result<Vec<Answer>> {
    drop(select_class(logits, class)?); // says which classes there are
    let read = || {
        let logits = logits.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let of_class = |values: &Tensor| Vec::<f64>::try_from(&values.f_select(1, class)?);
        Ok((of_class(&logits)?, of_class(&logits.f_log_softmax(1, Kind::Double)?)?))
    };
    let (logits, log_probabilities) = tch::no_grad(read).context(|| "answers for a class".to_owned())?;
    let answer = |(logit, log_probability)| Answer { logit, log_probability };
    Ok(logits.into_iter().zip(log_probabilities).map(answer).collect())
}
