//! Images whose answers are explained one by one.

use tch::{Device, Kind, Tensor};

use super::classifier::Prediction;
use crate::{
    data::{Dataset, Normalization},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// An image as the model sees it and as a person sees it.
#[derive(Debug)]
pub struct Sample {
    /// What it is called in captions, and with `_` for spaces and the like in tags: `12 Coat`.
    pub name: String,
    /// What the model takes, `[1, C, H, W]`, normalised, on the model's device.
    pub input: Tensor,
    /// Brightness from 0 to 1 of `[channels, rows, columns]`, row by row; 1 or 3 channels.
    pub pixels: Vec<f32>,
    /// Channels, rows and columns of `pixels`: as many rows and columns as `input`.
    pub shape: [usize; 3],
    /// The true class K, where it is known.
    pub label: Option<i64>,
    /// What stands for the name in tags, where another image may take its place later.
    place: Option<String>,
}

impl Sample {
    /// An image `[1, C, H, W]` with its input. Images with another number of channels than 1 and 3 are shown by the mean of
    /// their channels.
    ///
    /// # Errors
    /// Other shapes; another size of `pixels` than of `input`.
    pub fn new(
        name: impl Into<String>,
        input: Tensor,
        pixels: &Tensor,
        label: Option<i64>,
    ) -> Result<Sample> {
        let name = name.into();
        let shape_of = |tensor: &Tensor| if tensor.defined() { tensor.size() } else { Vec::new() };
        let (of_input, of_pixels) = (shape_of(&input), shape_of(pixels));
        let fits = matches!((of_input.as_slice(), of_pixels.as_slice()),
            (&[1, _, h, w], &[1, c, rows, columns]) if [h, w] == [rows, columns] && c > 0 && h > 0 && w > 0);
        if !fits {
            return Err(Error::invalid(
                format!("image `{name}`"),
                format!(
                    "input of shape {of_input:?} and pixels of {of_pixels:?} found; [1, C, H, W] with one H and W expected"
                ),
            ));
        }
        let shown = || {
            let pixels = pixels.f_to_kind(Kind::Float)?;
            let shown = if matches!(of_pixels[1], 1 | 3) {
                pixels
            } else {
                pixels.f_mean_dim([1i64].as_slice(), true, Kind::Float)?
            };
            Ok((Vec::try_from(&shown.f_to_device(Device::Cpu)?.f_reshape([-1])?)?, shown.size()[1]))
        };
        let (pixels, channels) = tch::no_grad(shown).context(|| format!("image `{name}`"))?;
        let shape = [channels, of_pixels[2], of_pixels[3]].map(|side| side.unsigned_abs() as usize);
        Ok(Sample { name, input, pixels, shape, label, place: None })
    }

    /// Images of a data set by their places in it, named `<place> <class>`.
    ///
    /// # Errors
    /// A place beyond the last image; another number of channels than the normalisation has.
    pub fn of(
        data: &Dataset,
        places: &[usize],
        normalization: &Normalization,
        device: Device,
    ) -> Result<Vec<Sample>> {
        let chosen = data.subset(places)?;
        let pixels = chosen.pixels()?;
        let input = normalization.apply(&pixels, device)?;
        (places.iter().zip(chosen.labels()).zip(chosen.label_names()).enumerate())
            .map(|(row, ((place, &label), class))| {
                let one =
                    |images: &Tensor| images.f_narrow(0, row as i64, 1).context(|| format!("image {place}"));
                Sample::new(format!("{place} {class}"), one(&input)?, &one(&pixels)?, Some(label))
            })
            .collect()
    }

    /// Stands under this name in tags: for the most confident mistake of the moment, say, which is another image the next
    /// time.
    #[must_use]
    pub fn in_place(mut self, place: impl Into<String>) -> Sample {
        self.place = Some(place.into());
        self
    }

    /// The name as the end of a tag.
    pub fn tag(&self) -> String {
        let keeps = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        self.place.as_ref().unwrap_or(&self.name).chars().map(|c| if keeps(c) { c } else { '_' }).collect()
    }
}

/// An image with what the model answers for it now.
#[derive(Debug)]
pub struct Case<'a> {
    /// The image.
    pub sample: &'a Sample,
    /// The answer Q.
    pub prediction: Prediction,
    /// The class that is explained: Q, unless the caller wants another one.
    pub class: i64,
}

impl Case<'_> {
    /// Whether Q is the true class; `None` where that is not known.
    pub fn is_right(&self) -> Option<bool> {
        self.sample.label.map(|label| label == self.prediction.class)
    }

    /// Label K, prediction Q, and what is explained, in words for a picture.
    pub fn words(&self, classes: &[String]) -> String {
        let name = |class: i64| class_name(classes, class);
        let Case { sample, prediction, class } = self;
        let answer = format!("Q = {} ({:.0} %)", name(prediction.class), 100.0 * prediction.probability());
        let answer = match (sample.label, self.is_right()) {
            (Some(label), Some(true)) => format!("K = {}, {answer}: a right prediction", name(label)),
            (Some(label), _) => format!("K = {}, {answer}: a wrong prediction", name(label)),
            (None, _) => format!("{answer}, true class not known"),
        };
        if *class == prediction.class { answer } else { format!("{answer}; explained: {}", name(*class)) }
    }
}

/// The name of a class, or its number where it has none.
pub(super) fn class_name(classes: &[String], class: i64) -> String {
    let known = usize::try_from(class).ok().and_then(|class| classes.get(class));
    known.map_or_else(|| format!("class {class}"), Clone::clone)
}
