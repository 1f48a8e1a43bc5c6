//! The study of activation maximisation: filters and classes beside the real images that they like best.

use serde_json::{Value, json};
use tch::{Device, Kind, TchError, Tensor};

use super::{
    activation_maximization::{ActivationMaximization, Maximized, Start, Units},
    attribution::{number, numbers},
    classifier::Classifier,
    features::{balanced, device, example, gather, spatial_layers, to_host},
    report::Report,
    sample::{Sample, class_name},
    study::{Evidence, Study, Subject},
};
use crate::{
    error::Result,
    render::{CaptionedTile, TileFrame, captioned_tiles, number as short},
    summary::layer_tag,
    tch_context::TchContext as _,
};

/// The study `activation_maximization`: for filters of some layers and for the classes the image that excites them most, and
/// below it the image of the data that does.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedImages {
    /// The ascent.
    pub ascent: ActivationMaximization,
    /// Layers, evenly spread over those that have maps. The default is 3.
    pub layers: usize,
    /// This layer instead.
    pub layer: Option<String>,
    /// Filters of a layer, from the first on. The default is 12.
    pub filters: usize,
    /// Classes, from the first on; 0 for none. The default is 10.
    pub classes: usize,
    /// Images of the data that are compared, as many of each class as of every other. The default is 1,000.
    pub images: usize,
}

impl Default for WantedImages {
    fn default() -> WantedImages {
        let ascent = ActivationMaximization::default();
        WantedImages { ascent, layers: 3, layer: None, filters: 12, classes: 10, images: 1000 }
    }
}

/// The image of the data that excites a unit most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Best {
    activation: f32,
    place: usize,
}

/// What one group of units wants to see.
struct Group {
    units: Units,
    /// How many of them are looked at, and how many there are.
    shown: usize,
    of: usize,
    best: Vec<Option<Best>>,
}

impl Group {
    /// Keeps the stronger of the known and the batch's images; the first of equals.
    fn take(&mut self, activations: &Tensor, places: &[usize]) -> Result<()> {
        let strongest = || -> Result<(Tensor, Tensor), TchError> {
            // NaN would win: it counts as the least.
            let finite = activations.f_to_kind(Kind::Float)?.f_nan_to_num(
                f64::from(f32::MIN),
                f64::from(f32::MAX),
                f64::from(f32::MIN),
            )?;
            finite.f_narrow(1, 0, self.shown as i64)?.f_max_dim(0, false)
        };
        let (values, rows) = strongest().context(|| self.units.words())?;
        for ((value, row), best) in to_host(&values)?.into_iter().zip(to_host(&rows)?).zip(&mut self.best) {
            if value > f32::MIN && best.is_none_or(|best| value > best.activation) {
                *best = places.get(row as usize).map(|&place| Best { activation: value, place });
            }
        }
        Ok(())
    }
}

impl WantedImages {
    fn groups(&self, subject: &Subject<'_>, image: &Tensor, device: Device) -> Result<Vec<Group>> {
        let layers = match &self.layer {
            Some(layer) => vec![layer.clone()],
            None => spatial_layers(subject, device, None, self.layers)?,
        };
        let (logits, activations) = subject.classifier.answers_and_activations(image)?;
        let group = |units: Units, most: usize| -> Result<Group> {
            let of = units.all(&logits, &activations)?.size()[1].unsigned_abs() as usize;
            let shown = of.min(most);
            Ok(Group { units, shown, of, best: vec![None; shown] })
        };
        let mut groups = layers
            .into_iter()
            .map(|layer| group(Units::Channels(layer), self.filters))
            .collect::<Result<Vec<_>>>()?;
        groups.push(group(Units::Classes, self.classes)?);
        groups.retain(|group| group.shown > 0);
        Ok(groups)
    }

    fn compare(
        &self,
        classifier: &Classifier<'_>,
        data: Evidence<'_>,
        groups: &mut [Group],
        device: Device,
        seed: u64,
    ) -> Result<usize> {
        let places = balanced(data.images, self.images, seed);
        let mut rest = places.as_slice();
        gather(classifier, data, (&places, device), |batch| {
            let (now, later) = rest.split_at(batch.images.len().min(rest.len()));
            rest = later;
            groups.iter_mut().try_for_each(|group| {
                let all = group.units.all(batch.logits, batch.activations)?;
                group.take(&all, now)
            })
        })?;
        Ok(places.len())
    }
}

const PICTURE: &str = "**Activation maximisation**: images that were changed by gradient ascent until a filter (the mean of its \
    map) or a class (its logit) answers as strongly as possible; below each the image of the data that it answers most \
    strongly. The numbers are the activations for both. What is common to both is what the unit looks for; a wanted image \
    that looks like noise and excites far more than any real one says that the unit is not tied to what images show; where a \
    real image excites more, decay and smoothing held the ascent back. `even` is one brightness everywhere. Crossed \
    out: a dead unit, which no start gave a gradient.";

impl Study for WantedImages {
    fn name(&self) -> &'static str {
        "activation_maximization"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let device = device(subject);
        let Some(image) = example(subject, device)? else {
            report.skip("neither an image to explain nor labelled images were given: the shape of images is not known");
            return Ok(());
        };
        if image.dim() != 4 {
            report.skip(format!("images of shape {:?} are no pictures", image.size()));
            return Ok(());
        }
        let mut groups = self.groups(subject, &image, device)?;
        let compared = match subject.data {
            Some(data) => self.compare(subject.classifier, data, &mut groups, device, subject.seed)?,
            None => 0,
        };
        let ascent =
            ActivationMaximization { seed: self.ascent.seed.wrapping_add(subject.seed), ..self.ascent };
        for group in &groups {
            let of: Vec<i64> = (0..group.shown as i64).collect();
            let real = Real::of(group, subject.data, device)?;
            let found = ascent.maximize_from(
                subject.classifier,
                &group.units,
                &of,
                &image,
                subject.data.map(|data| data.normalization),
                &real.inputs(),
            )?;
            let view = View { group, found: &found, real: &real, compared, subject };
            view.write(&ascent, report)?;
        }
        Ok(())
    }
}

/// The best real images of a group.
struct Real {
    samples: Vec<Option<Sample>>,
}

impl Real {
    fn of(group: &Group, data: Option<Evidence<'_>>, device: Device) -> Result<Real> {
        let sample = |best: &Option<Best>| -> Result<Option<Sample>> {
            let (Some(best), Some(Evidence { images, normalization })) = (best, data) else {
                return Ok(None);
            };
            Ok(Sample::of(images, &[best.place], normalization, device)?.pop())
        };
        Ok(Real { samples: group.best.iter().map(sample).collect::<Result<_>>()? })
    }

    fn inputs(&self) -> Vec<Option<Tensor>> {
        let input = |sample: &Option<Sample>| sample.as_ref().map(|sample| sample.input.shallow_clone());
        self.samples.iter().map(input).collect()
    }
}

/// What is drawn of a group.
struct View<'a> {
    group: &'a Group,
    found: &'a [Maximized],
    real: &'a Real,
    compared: usize,
    subject: &'a Subject<'a>,
}

impl View<'_> {
    fn write(&self, ascent: &ActivationMaximization, report: &mut Report<'_>) -> Result<()> {
        let (tag, what) = match &self.group.units {
            Units::Channels(layer) => (layer_tag(layer), format!("what filters of {layer} want to see")),
            Units::Classes => ("classes".to_owned(), "what classes want to see".to_owned()),
        };
        let wanted: Vec<Sample> = self.found.iter().map(|found| self.shown(found)).collect::<Result<_>>()?;
        let Some(shape) = wanted.first().map(|sample| sample.shape) else { return Ok(()) };
        let mut tiles: Vec<CaptionedTile<'_>> =
            wanted.iter().zip(self.found).map(|(sample, found)| self.wanted_tile(sample, found)).collect();
        let real: Vec<CaptionedTile<'_>> = (self.real.samples.iter().zip(&self.group.best))
            .filter_map(|(sample, best)| self.real_tile(sample.as_ref()?, (*best)?, shape))
            .collect();
        let rows = if real.len() == tiles.len() { 2 } else { 1 };
        if rows == 2 {
            tiles.extend(real);
        }
        let picture = captioned_tiles(&tiles, shape, rows, &self.note(ascent, rows), &report.caption(&what))?;
        report.picture(&tag, picture, PICTURE)?;
        report.values(&tag, || self.to_json());
        Ok(())
    }

    /// The image as a person sees it: brightness where the normalisation is known, else from its darkest to its brightest.
    fn shown(&self, found: &Maximized) -> Result<Sample> {
        let pixels = match self.subject.data {
            Some(data) => data.normalization.undo(&found.image)?,
            None => {
                let scaled = || -> Result<Tensor, TchError> {
                    let (low, high) = (found.image.f_min()?, found.image.f_max()?);
                    found.image.f_sub(&low)?.f_div(&high.f_sub(&low)?.f_clamp_min(1e-12)?)
                };
                tch::no_grad(scaled).context(|| "an image to show".to_owned())?
            }
        };
        Sample::new(format!("unit {}", found.unit), found.image.shallow_clone(), &pixels, None)
    }

    fn name(&self, unit: i64) -> String {
        match self.group.units {
            Units::Channels(_) => format!("#{unit}"),
            Units::Classes => class_name(self.subject.classes, unit),
        }
    }

    fn wanted_tile<'s>(&self, sample: &'s Sample, found: &Maximized) -> CaptionedTile<'s> {
        let even = sample.pixels.iter().all(|pixel| (pixel - sample.pixels[0]).abs() < 1.0 / 512.0);
        let second = match (found.is_dead, even) {
            (true, _) => "dead".to_owned(),
            (false, true) => format!("{}, even", short(found.activation)),
            (false, false) => short(found.activation),
        };
        let frame = if found.is_dead { TileFrame::Crossed } else { TileFrame::None };
        CaptionedTile { pixels: &sample.pixels, lines: vec![self.name(found.unit), second], frame }
    }

    fn real_tile<'s>(&self, sample: &'s Sample, best: Best, shape: [usize; 3]) -> Option<CaptionedTile<'s>> {
        let lines = vec![sample.name.clone(), short(f64::from(best.activation))];
        (sample.shape == shape).then_some(CaptionedTile {
            pixels: &sample.pixels,
            lines,
            frame: TileFrame::None,
        })
    }

    fn note(&self, ascent: &ActivationMaximization, rows: usize) -> String {
        let Group { units, shown, of, .. } = self.group;
        let which = match (units, shown < of) {
            (_, true) => format!("the first {shown} of {of}"),
            (_, false) => format!("all {of}"),
        };
        let measured = match units {
            Units::Channels(_) => "the mean of the channel's map",
            Units::Classes => "the logit",
        };
        let mut note = format!(
            "{which}; below each {measured}. Top: {} steps of gradient ascent from noise (decay {}, smoothing {}, shifts \
             {} px{})",
            ascent.steps,
            short(ascent.decay),
            short(ascent.total_variation),
            ascent.jitter,
            if self.subject.data.is_some() {
                ""
            } else {
                "; each tile from its darkest to its brightest value"
            },
        );
        if rows == 2 {
            note += &format!(". Bottom: the strongest of {} real images", self.compared);
        }
        let from_image =
            self.found.iter().filter(|found| !found.is_dead && found.start == Start::Image).count();
        if from_image > 0 {
            note += &format!(". {from_image} had no gradient at noise and began at their real image");
        }
        let dead = self.found.iter().filter(|found| found.is_dead).count();
        if dead > 0 {
            note += &format!(". {dead} of {shown} are dead: no start gave them a gradient");
        }
        note
    }

    fn to_json(&self) -> Value {
        let unit = |(found, best): (&Maximized, &Option<Best>)| {
            let start = match found.start {
                Start::Noise(number) => json!(format!("noise {number}")),
                Start::Image => json!("image"),
            };
            json!({
                "unit": found.unit,
                "activation": number(found.activation),
                "start": start,
                "dead": found.is_dead,
                "best_image": best.map(|best| best.place),
                "best_image_activation": best.map(|best| number(f64::from(best.activation))),
                "input": to_host(&found.image).map(|values| numbers(&values)).unwrap_or_default(),
            })
        };
        json!({
            "of": self.group.of,
            "units": self.found.iter().zip(&self.group.best).map(unit).collect::<Vec<_>>(),
            "shape": self.found.first().map(|found| found.image.size()),
        })
    }
}
