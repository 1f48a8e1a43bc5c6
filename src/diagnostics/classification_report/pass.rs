//! What is gathered while the batches of a pass over the validation data go by.

use tch::{Device, Kind, TchError, Tensor};

use crate::{
    callback::BatchView,
    classification::Evaluation,
    error::{Error, Result},
    summary::Step,
    tch_context::TchContext as _,
};

/// A pass that is running.
#[derive(Debug)]
pub(super) struct Pass {
    /// The step that it evaluates.
    pub step: Step,
    pub evaluation: Evaluation,
    /// The images of the evaluation's mistakes, `[C, H, W]` on their device, by index of the sample.
    images: Vec<(u64, Tensor)>,
}

impl Pass {
    pub fn new(step: Step, evaluation: Evaluation) -> Pass {
        Pass { step, evaluation, images: Vec::new() }
    }

    /// Adds a batch. Logits and labels come to the host, in one copy; of the images only those of the worst mistakes are
    /// kept.
    pub fn add(&mut self, batch: &BatchView) -> Result<()> {
        let classes = self.evaluation.classes();
        let found = batch.logits.size()[1];
        if usize::try_from(found) != Ok(classes) {
            let why = format!("{found} classes found in a batch, {classes} in those before it");
            return Err(Error::invalid("logits of the validation", why));
        }
        let first = self.evaluation.given();
        let rows = fetch(batch).context(|| "fetch the logits of a validation batch".to_owned())?;
        let (mut labels, mut logits) = (Vec::new(), Vec::new());
        for row in rows.chunks_exact(classes + 1) {
            labels.push(row[classes] as i64);
            logits.extend_from_slice(&row[..classes]);
        }
        self.evaluation.add(&labels, &logits)?;
        self.keep_images(first, &batch.images).context(|| "keep the images of mistakes".to_owned())
    }

    /// Images of the mistakes that this batch made, which began with sample `first`; others make room.
    fn keep_images(&mut self, first: u64, images: &Tensor) -> Result<(), TchError> {
        let mistakes = self.evaluation.mistakes();
        self.images.retain(|(index, _)| mistakes.iter().any(|mistake| mistake.index == *index));
        for mistake in mistakes.iter().filter(|mistake| mistake.index >= first) {
            // A copy: a view would keep the whole batch.
            let image = images.f_select(0, (mistake.index - first).cast_signed())?.f_detach_copy()?;
            self.images.push((mistake.index, image));
        }
        Ok(())
    }

    /// The images of the mistakes in their order, `[N, C, H, W]`; `None` where there are none, or where what the model
    /// takes is no image of one or three channels.
    pub fn images_of_mistakes(&self) -> Result<Option<Tensor>> {
        let image = |index: u64| self.images.iter().find(|(of, _)| *of == index).map(|(_, image)| image);
        let images: Vec<&Tensor> =
            self.evaluation.mistakes().iter().filter_map(|mistake| image(mistake.index)).collect();
        if images.is_empty() || !images.iter().all(|image| is_image(image)) {
            return Ok(None);
        }
        Tensor::f_stack(&images, 0).map(Some).context(|| "images of mistakes".to_owned())
    }
}

/// Whether this can be drawn.
fn is_image(tensor: &Tensor) -> bool {
    matches!(tensor.size().as_slice(), [1 | 3, height, width] if *height > 0 && *width > 0)
}

/// Rows of logits, each with its label behind it. Labels are whole numbers: those of classes are exact in 32 bits.
fn fetch(batch: &BatchView) -> Result<Vec<f32>, TchError> {
    let logits = batch.logits.f_to_kind(Kind::Float)?;
    let labels = batch.labels.f_to_device(logits.device())?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
    let rows = Tensor::f_cat(&[logits, labels], 1)?.f_to_device(Device::Cpu)?;
    Vec::try_from(&rows.f_reshape([-1])?)
}
