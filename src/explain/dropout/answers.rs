//! What the noise of dropout does to the answer.

use fastrand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::mask::{DropoutUnit, check_probability, dropout_mask, masked};
use crate::{
    error::{Error, Result},
    explain::Classifier,
    tch_context::TchContext as _,
};

/// Answers for one image with dropout at one layer, each with another mask.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisyAnswers {
    /// The probability of the class without dropout.
    pub clean: f64,
    /// The probability of the class with each mask.
    pub probabilities: Vec<f64>,
    /// With how many masks the class had the largest probability.
    pub won: usize,
}

impl NoisyAnswers {
    /// The mean of the probabilities with masks.
    pub fn mean(&self) -> f64 {
        self.probabilities.iter().sum::<f64>() / self.probabilities.len() as f64
    }

    /// Their standard deviation.
    pub fn std(&self) -> f64 {
        let (mean, count) = (self.mean(), self.probabilities.len() as f64);
        (self.probabilities.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / count).sqrt()
    }
}

/// The probability of `class` for `image`, `[1, C, H, W]`, where dropout with `p` is applied to what `layer` hands on, with
/// `masks` masks. Everything else works as in evaluation.
///
/// # Errors
/// No mask, a probability that is not at least 0 and below 1, a class that the model does not have; a layer whose output does
/// not go through the classifier's tap; what the model refuses.
pub fn answers_with_dropout(
    classifier: &Classifier<'_>,
    image: &Tensor,
    class: i64,
    layer: &str,
    (p, unit): (f64, DropoutUnit),
    masks: usize,
    seed: u64,
) -> Result<NoisyAnswers> {
    check_probability(p)?;
    if masks == 0 {
        return Err(Error::invalid("dropout", "0 masks found; 1 or more expected"));
    }
    let clean = probabilities(classifier, image, class)?;
    let copies = [masks as i64, -1, -1, -1];
    let images = image.f_expand(copies, false).context(|| format!("{masks} copies of the image"))?;
    // Measured before masks are drawn: what one image takes must not cost random numbers.
    classifier.images_at_a_time(&images)?;
    let mut rng = Rng::with_seed(seed);
    let dropped = layer.to_owned();
    let edit = classifier.observed().edit(move |name, _, output| {
        if name != dropped {
            return Ok(None);
        }
        let mask = dropout_mask(output, p, unit, &mut rng)?;
        masked(output, &mask).map(Some).context(|| format!("dropout at `{name}`"))
    });
    let noisy = probabilities(classifier, &images, class);
    if edit.finish()? == 0 {
        return Err(Error::invalid(
            format!("layer `{layer}`"),
            "its output cannot be changed: let it go through `Tap::pass` or a probe of the classifier's tap",
        ));
    }
    let noisy = noisy?;
    Ok(NoisyAnswers {
        clean: clean.first().map_or(f64::NAN, |(p, _)| *p),
        won: noisy.iter().filter(|(_, won)| *won).count(),
        probabilities: noisy.into_iter().map(|(p, _)| p).collect(),
    })
}

/// Whether what `layer` hands on can be changed: not where the model only shows it to its tap.
pub(super) fn can_be_changed(classifier: &Classifier<'_>, image: &Tensor, layer: &str) -> Result<bool> {
    let same = layer.to_owned();
    let edit =
        classifier.observed().edit(move |name, _, output| Ok((name == same).then(|| output.shallow_clone())));
    let answered = classifier.logits(image);
    let changed = edit.finish()? > 0;
    answered.map(|_| changed)
}

/// The probability of `class` for each image, and whether it is the largest.
fn probabilities(classifier: &Classifier<'_>, images: &Tensor, class: i64) -> Result<Vec<(f64, bool)>> {
    let logs = classifier.log_probabilities(images)?;
    let classes = logs.size().get(1).copied().unwrap_or(0);
    if !(0..classes).contains(&class) {
        return Err(Error::invalid(
            "class",
            format!("{class} found; the model has {classes} classes, counted from 0"),
        ));
    }
    let read = || -> Result<(Vec<f64>, Vec<i64>), TchError> {
        let of_class = logs.f_select(1, class)?.f_exp()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Ok((Vec::try_from(&of_class)?, Vec::try_from(&logs.f_argmax(1, false)?.f_to_device(Device::Cpu)?)?))
    };
    let (of_class, best) = tch::no_grad(read).context(|| "probabilities".to_owned())?;
    Ok(of_class.into_iter().zip(best).map(|(p, best)| (p, best == class)).collect())
}
