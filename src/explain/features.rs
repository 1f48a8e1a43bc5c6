//! What layers answer to many images, batch by batch.

use tch::{Device, Kind, TchError, Tensor};

use super::{
    classifier::{Classifier, Prediction},
    head::Head,
    study::{Evidence, Subject},
};
use crate::{
    arch::Role,
    capture::{Activation, Activations},
    data::Dataset,
    error::{Error, Result},
    render::spread,
    tch_context::TchContext as _,
};

/// Most images of a batch, whatever the memory.
const BATCH: i64 = 256;

/// What the model answers to a batch.
pub(super) struct Batch<'a> {
    /// The images as they are stored.
    pub images: &'a Dataset,
    /// The images as the model takes them, on its device.
    pub input: &'a Tensor,
    pub logits: &'a Tensor,
    pub activations: &'a Activations,
}

/// Shows the model the images at `places`, in that order and as many at a time as fit, and `look` what it answers. What
/// `look` does not keep is freed.
pub(super) fn gather(
    classifier: &Classifier<'_>,
    evidence: Evidence<'_>,
    (places, device): (&[usize], Device),
    mut look: impl FnMut(&Batch<'_>) -> Result<()>,
) -> Result<()> {
    let Some(first) = places.first() else { return Ok(()) };
    let Evidence { images: data, normalization } = evidence;
    let input = |images: &Dataset| normalization.apply(images.images(), device);
    let at_a_time = classifier.images_at_a_time(&input(&data.subset(&[*first])?)?)?.min(BATCH);
    for now in places.chunks(at_a_time.unsigned_abs() as usize) {
        let images = data.subset(now)?;
        let input = input(&images)?;
        let (logits, activations) = classifier.answers_and_activations(&input)?;
        let batch = Batch { images: &images, input: &input, logits: &logits, activations: &activations };
        tch::no_grad(|| look(&batch))?;
    }
    Ok(())
}

/// Where the model is: its variables, or the images that are explained.
pub(super) fn device(subject: &Subject<'_>) -> Device {
    let of_variables = subject.variables.first().map(|(_, variable)| variable.device());
    let of_cases = || subject.cases.first().map(|case| case.sample.input.device());
    of_variables.or_else(of_cases).unwrap_or(Device::Cpu)
}

/// Up to `most` images in an order by `seed` alone: as many of each class as of every other, as far as there are some.
pub(super) fn balanced(data: &Dataset, most: usize, seed: u64) -> Vec<usize> {
    let by_class = shuffled_by_class(data, seed);
    let longest = by_class.iter().map(Vec::len).max().unwrap_or(0);
    let ranked = (0..longest).flat_map(|rank| by_class.iter().filter_map(move |of| of.get(rank).copied()));
    ranked.take(most).collect()
}

/// The places of each class, in an order by `seed`.
fn shuffled_by_class(data: &Dataset, seed: u64) -> Vec<Vec<usize>> {
    let mut by_class = vec![Vec::new(); data.classes().len()];
    for (place, label) in data.labels().iter().enumerate() {
        by_class[label.unsigned_abs() as usize].push(place); // a data set's labels are places in its classes
    }
    let mut random = fastrand::Rng::with_seed(seed);
    by_class.iter_mut().for_each(|places| random.shuffle(places));
    by_class
}

/// One row of single-precision features for each image: the mean over all positions of each channel, or the features as
/// they are where there are no positions.
pub(super) fn pooled(output: &Tensor) -> Result<Tensor> {
    let pool = || match output.dim() {
        0 | 1 => output.f_reshape([-1, 1])?.f_to_kind(Kind::Float),
        2 => output.f_to_kind(Kind::Float),
        _ => output.f_flatten(2, -1)?.f_mean_dim([2i64].as_slice(), false, Kind::Float),
    };
    pool().context(|| format!("mean over the positions of an output of shape {:?}", output.size()))
}

/// How a layer's output becomes one row of features for each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// All values.
    Flat,
    /// The mean over all positions of each channel: all values of so many images do not fit into the memory.
    Pooled,
}

impl Rows {
    /// Rows of `images` images that fit into the classifier's memory, and how many of them do: fewer where the layer has no
    /// positions to average over, or too many channels. `output` is that of one image or more.
    pub fn fitting(classifier: &Classifier<'_>, output: &Tensor, images: usize) -> (Rows, usize) {
        let size = output.size();
        let width = |dims: &[i64]| dims.iter().product::<i64>().max(1).unsigned_abs();
        let (all, channels) =
            (width(size.get(1..).unwrap_or_default()), width(size.get(1..2).unwrap_or_default()));
        let most = |width: u64| {
            usize::try_from(classifier.memory_bytes() / (4 * width)).unwrap_or(usize::MAX).max(2)
        };
        if most(all) >= images {
            (Rows::Flat, images)
        } else if size.len() > 2 {
            (Rows::Pooled, images.min(most(channels)))
        } else {
            (Rows::Flat, most(all))
        }
    }

    pub fn of(self, output: &Tensor) -> Result<Tensor> {
        match self {
            Rows::Flat => flat(output),
            Rows::Pooled => pooled(output),
        }
    }

    /// For a caption: empty where nothing was done.
    pub fn words(self) -> &'static str {
        match self {
            Rows::Flat => "",
            Rows::Pooled => {
                " (means over the positions of each channel: all values do not fit into the memory)"
            }
        }
    }
}

/// One row of single-precision features for each image: all values.
pub(super) fn flat(output: &Tensor) -> Result<Tensor> {
    let flat = || output.f_flatten(1, -1)?.f_to_kind(Kind::Float);
    flat().context(|| format!("features of shape {:?}", output.size()))
}

/// The penultimate layer: the one whose output goes into the last linear layer. `None` where there is none in sight.
pub(super) fn penultimate(
    classifier: &Classifier<'_>,
    variables: &[(String, Tensor)],
    image: &Tensor,
) -> Result<Option<String>> {
    let (logits, activations) = classifier.answers_and_activations(image)?;
    Ok(Head::find(variables, &activations, &logits)?.map(|head| head.features))
}

/// The layer that was asked for, or the penultimate one of this model; `None` where there is none in sight.
pub(super) fn layer(asked: Option<&str>, subject: &Subject<'_>) -> Result<Option<String>> {
    if let Some(layer) = asked {
        return Ok(Some(layer.to_owned()));
    }
    let Some(image) = example(subject, device(subject))? else { return Ok(None) };
    penultimate(subject.classifier, subject.variables, &image)
}

/// Layers with feature maps of more than one position: the one that was asked for, or at most `most`, evenly spread.
/// Those of activation functions, where there are some: maps as the next layer sees them; else those of convolutions; else
/// any.
pub(super) fn spatial_layers(
    subject: &Subject<'_>,
    device: Device,
    asked: Option<&str>,
    most: usize,
) -> Result<Vec<String>> {
    let Some(image) = example(subject, device)? else { return Ok(Vec::new()) };
    let activations = subject.classifier.activations(&image)?;
    if let Some(layer) = asked {
        output(&activations, layer)?;
    }
    let has_maps = |of: &Activation| matches!(of.tensor.size().as_slice(), &[1, _, h, w] if h * w > 1);
    let with_maps: Vec<&Activation> = activations.iter().filter(|of| has_maps(of)).collect();
    if let Some(layer) = asked {
        return Ok(with_maps.iter().filter(|of| of.name == layer).map(|of| of.name.clone()).collect());
    }
    let named = |wanted: &dyn Fn(Role) -> bool| -> Vec<String> {
        with_maps.iter().filter(|of| wanted(of.role)).map(|of| of.name.clone()).collect()
    };
    let choices = [named(&Role::is_activation), named(&|role| role == Role::Convolution), named(&|_| true)];
    let chosen = choices.into_iter().find(|names| !names.is_empty()).unwrap_or_default();
    Ok(spread(&chosen, most))
}

/// An image as the model takes it: that of the first case, or the data's first.
pub(super) fn example(subject: &Subject<'_>, device: Device) -> Result<Option<Tensor>> {
    if let Some(case) = subject.cases.first() {
        return Ok(Some(case.sample.input.shallow_clone()));
    }
    let Some(Evidence { images, normalization }) = subject.data else { return Ok(None) };
    normalization.apply(images.subset(&[0])?.images(), device).map(Some)
}

/// What the model answers for each image of a batch.
pub(super) fn predictions(logits: &Tensor) -> Result<Vec<Prediction>> {
    let best = || -> Result<(Vec<f64>, Vec<i64>), TchError> {
        let kind = if logits.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let (values, classes) = logits.f_log_softmax(1, kind)?.f_max_dim(1, false)?;
        let values = values.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Ok((Vec::try_from(&values)?, Vec::try_from(&classes.f_to_device(Device::Cpu)?)?))
    };
    let (values, classes) = best().context(|| "predictions".to_owned())?;
    let prediction = |(log_probability, class)| Prediction { class, log_probability };
    Ok(values.into_iter().zip(classes).map(prediction).collect())
}

/// Why a study of penultimate features was not made.
pub(super) const NO_PENULTIMATE: &str = "no observed layer's output goes into a last linear layer";

/// The output of an observed layer.
pub(super) fn output<'a>(activations: &'a Activations, layer: &str) -> Result<&'a Tensor> {
    let found = activations.get(layer).map(|activation| &activation.tensor);
    found.ok_or_else(|| {
        let names: Vec<&str> = activations.iter().map(|activation| activation.name.as_str()).collect();
        Error::invalid(
            format!("layer `{layer}`"),
            format!("it was not observed; found: {}", names.join(", ")),
        )
    })
}

/// The numbers of a small tensor.
pub(super) fn to_host(tensor: &Tensor) -> Result<Vec<f32>> {
    let copy = || Vec::try_from(&tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([-1])?);
    copy().context(|| format!("numbers of shape {:?}", tensor.size()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn samples_are_balanced_and_the_seeds_alone() {
        let labels = Tensor::from_slice(&[0i64, 0, 0, 0, 0, 1, 1, 2]);
        let images = Tensor::zeros([8, 1, 1, 1], (Kind::Uint8, Device::Cpu));
        let data = Dataset::new(&images, &labels, ["a", "b", "c"].map(str::to_owned).to_vec()).unwrap();
        let places = balanced(&data, 5, 3);
        assert_eq!(places, balanced(&data, 5, 3));
        let counts = data.subset(&places).unwrap().class_counts();
        assert_eq!(counts, [2, 2, 1]);
        let mut all = balanced(&data, 100, 3);
        all.sort_unstable();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        assert!((4..20).any(|seed| balanced(&data, 5, seed) != places));
    }

    #[test]
    fn rows_fit_into_the_memory() {
        let classifier = Classifier::new(|images| Ok(images.shallow_clone())).memory(4 * 1000);
        let output = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let fitting = |shape: &[i64], images| Rows::fitting(&classifier, &output(shape), images);
        assert_eq!(fitting(&[1, 100], 10), (Rows::Flat, 10));
        assert_eq!(fitting(&[1, 4, 5, 5], 10), (Rows::Flat, 10));
        assert_eq!(fitting(&[1, 4, 5, 5], 11), (Rows::Pooled, 11));
        assert_eq!(fitting(&[1, 4, 5, 5], 1000), (Rows::Pooled, 250));
        assert_eq!(fitting(&[1, 100], 11), (Rows::Flat, 10));
        assert_eq!(fitting(&[1, 100_000], 11), (Rows::Flat, 2), "two at least, for there to be a distance");
        assert_eq!(Rows::Pooled.of(&output(&[2, 3, 4, 4])).unwrap().size(), [2, 3]);
    }

    #[test]
    fn positions_are_averaged() {
        let output = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([2, 3, 1, 2]);
        assert_eq!(to_host(&pooled(&output).unwrap()).unwrap(), [0.5, 2.5, 4.5, 6.5, 8.5, 10.5]);
        assert_eq!(pooled(&output.reshape([2, 6])).unwrap().size(), [2, 6]);
        assert_eq!(flat(&output).unwrap().size(), [2, 6]);
    }
}
