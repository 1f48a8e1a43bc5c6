//! Which known images look alike to the model.

use serde_json::{Value, json};
use tch::{Device, Kind, TchError, Tensor};

use super::{
    attribution::number,
    classifier::Classifier,
    features::{self, Batch, NO_PENULTIMATE, balanced, flat, gather, output, to_host},
    report::Report,
    sample::{Case, Sample, class_name},
    study::{Evidence, Study, Subject},
};
use crate::{
    error::Result,
    render::{CaptionedTile, TileFrame, captioned_tiles, number as short},
    summary::Image,
    tch_context::TchContext as _,
};

/// For an image the data's images whose penultimate features point most nearly in the same direction: `1 - cos` of the angle
/// between both, 0 for the same direction, 1 for a right angle, 2 for the opposite one. They show what the model takes for
/// alike, and how many of them have the same label says whether it is right in doing so (Papernot and McDaniel 2018, Deep
/// k-nearest neighbors).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearestNeighbors {
    /// How many are shown. The default is 9.
    pub neighbors: usize,
    /// Most images that are looked through, as many of each class as of every other. The default is 10,000.
    pub images: usize,
    /// Another layer than the penultimate one.
    pub layer: Option<String>,
}

impl Default for NearestNeighbors {
    fn default() -> NearestNeighbors {
        NearestNeighbors { neighbors: 9, images: 10_000, layer: None }
    }
}

/// An image that is alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Its place in the data set.
    pub place: usize,
    /// Its label.
    pub label: i64,
    /// From 0 to 2.
    pub distance: f64,
}

/// What was found for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// The nearest first; of equally near ones that of the smaller place. Empty where the image's features have no
    /// direction: all are 0, or one is NaN or infinite.
    pub nearest: Vec<Neighbor>,
    /// Images that were looked through.
    pub compared: usize,
    /// Images that have the very pixels of this one: it itself, if it is one of the data's, and copies. They are left out.
    pub same: usize,
}

impl Neighbors {
    /// Share of the neighbours with a label, 0 to 1; NaN where there are none.
    pub fn agreement(&self, label: i64) -> f64 {
        let agreeing = self.nearest.iter().filter(|neighbor| neighbor.label == label).count();
        agreeing as f64 / self.nearest.len() as f64
    }
}

/// Cosines above this are those of images that may be the same: only their pixels are compared.
const ALIKE: f32 = 0.999;

impl NearestNeighbors {
    /// The neighbours of each of `inputs`, `[1, C, H, W]` on the model's device, among a sample of the data that `seed`
    /// chooses. Features are gathered batch by batch, and of each batch the nearest are kept.
    ///
    /// # Errors
    /// A layer that is not observed, what the model refuses.
    pub fn find(
        &self,
        classifier: &Classifier<'_>,
        evidence: Evidence<'_>,
        inputs: &[&Tensor],
        layer: &str,
        seed: u64,
    ) -> Result<Vec<Neighbors>> {
        let Some(device) = inputs.first().map(|input| input.device()) else { return Ok(Vec::new()) };
        let directions = inputs
            .iter()
            .map(|input| {
                let (_, activations) = classifier.answers_and_activations(input)?;
                tch::no_grad(|| directions(output(&activations, layer)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let places = balanced(evidence.images, self.images, seed);
        let found = Neighbors { nearest: Vec::new(), compared: places.len(), same: 0 };
        let mut found = vec![found; inputs.len()];
        let mut rest = places.as_slice();
        gather(classifier, evidence, (&places, device), |batch| {
            let (now, later) = rest.split_at(batch.images.len().min(rest.len()));
            rest = later;
            let of_batch = directions_of(batch, layer)?;
            for ((input, direction), found) in inputs.iter().zip(&directions).zip(&mut found) {
                let cosines = of_batch.f_matmul(&direction.f_tr().context(context)?).context(context)?;
                found.take(input, batch, now, &to_host(&cosines)?, self.neighbors)?;
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn context() -> String {
    "distances of features".to_owned()
}

impl Neighbors {
    /// Keeps the nearest of those known and those of a batch.
    fn take(
        &mut self,
        input: &Tensor,
        batch: &Batch<'_>,
        places: &[usize],
        cosines: &[f32],
        most: usize,
    ) -> Result<()> {
        for (row, (&place, &cosine)) in places.iter().zip(cosines).enumerate() {
            if !cosine.is_finite() {
                continue; // no direction
            }
            if cosine > ALIKE && is_same(input, &batch.input.f_narrow(0, row as i64, 1).context(context)?)? {
                self.same += 1;
                continue;
            }
            let distance = (1.0 - f64::from(cosine)).clamp(0.0, 2.0);
            self.nearest.push(Neighbor { place, label: batch.images.labels()[row], distance });
        }
        self.nearest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.place.cmp(&b.place)));
        self.nearest.truncate(most);
        Ok(())
    }
}

fn is_same(one: &Tensor, other: &Tensor) -> Result<bool> {
    if one.size() != other.size() || one.kind() != other.kind() {
        return Ok(false);
    }
    one.f_equal(other).context(context)
}

fn directions_of(batch: &Batch<'_>, layer: &str) -> Result<Tensor> {
    directions(output(batch.activations, layer)?)
}

/// Rows of features of length 1; NaN where they have no direction. By their largest magnitude first: squares of very small
/// or large ones would be 0 or infinite.
fn directions(output: &Tensor) -> Result<Tensor> {
    let features = flat(output)?;
    let unit = || -> Result<Tensor, TchError> {
        let scaled = features.f_div(&features.f_abs()?.f_amax([1i64].as_slice(), true)?)?;
        let length = scaled.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?.f_sqrt()?;
        scaled.f_div(&length)
    };
    unit().context(|| format!("directions of features of shape {:?}", features.size()))
}

const PICTURE: &str = "**Nearest neighbours**: the image that is explained (blue frame) and the data's images whose penultimate \
    features are nearest to its own, by the cosine distance (0: same direction, 1: right angle). An orange frame marks a \
    neighbour of another class than the image's own (of another one than the prediction, where its class is not known). A \
    wrong answer among neighbours of the wrong class is an error of the features; among neighbours of the right class it is \
    one of the last layer.";
const AGREEMENT: &str = "Share of the nearest neighbours, 0 to 1, that have the image's own label (the predicted class, where \
    the label is not known).";

impl Study for NearestNeighbors {
    fn name(&self) -> &'static str {
        "nearest_neighbors"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(data) = subject.data else {
            report.skip("no labelled images were given");
            return Ok(());
        };
        if subject.cases.is_empty() || self.neighbors == 0 {
            report.skip("no image to look for neighbours of, or none are wanted");
            return Ok(());
        }
        let Some(layer) = features::layer(self.layer.as_deref(), subject)? else {
            report.skip(NO_PENULTIMATE);
            return Ok(());
        };
        let inputs: Vec<&Tensor> = subject.cases.iter().map(|case| &case.sample.input).collect();
        let found = self.find(subject.classifier, data, &inputs, &layer, subject.seed)?;
        for (case, found) in subject.cases.iter().zip(&found) {
            let tag = case.sample.tag();
            report.values(&case.sample.name, || found.to_json(&layer, case));
            if found.nearest.is_empty() {
                report.skip(format!(
                    "`{}`: its features in `{layer}` have no direction (all 0, NaN or infinite), or no other image has \
                     any",
                    case.sample.name
                ));
                continue;
            }
            let picture = draw(case, found, &layer, subject, data, report)?;
            report.picture(&tag, picture, PICTURE)?;
            let expected = case.sample.label.unwrap_or(case.prediction.class);
            report.scalar(&format!("agreement/{tag}"), found.agreement(expected), AGREEMENT)?;
        }
        Ok(())
    }
}

fn draw(
    case: &Case<'_>,
    found: &Neighbors,
    layer: &str,
    subject: &Subject<'_>,
    data: Evidence<'_>,
    report: &Report<'_>,
) -> Result<Image> {
    let places: Vec<usize> = found.nearest.iter().map(|neighbor| neighbor.place).collect();
    let samples = Sample::of(data.images, &places, data.normalization, Device::Cpu)?;
    let [_, height, width] = case.sample.shape;
    let channels = samples.iter().map(|sample| sample.shape[0]).fold(case.sample.shape[0], usize::max);
    let pixels = |sample: &Sample| -> Vec<f32> {
        // A grey image beside coloured ones.
        let copies = if sample.shape[0] < channels { channels } else { 1 };
        sample.pixels.repeat(copies)
    };
    let (own, others) = (pixels(case.sample), samples.iter().map(pixels).collect::<Vec<_>>());
    let name = |class: i64| class_name(subject.classes, class);
    let expected = case.sample.label.unwrap_or(case.prediction.class);
    let explained = CaptionedTile {
        pixels: &own,
        lines: vec![
            case.sample.label.map_or_else(|| "explained".to_owned(), name),
            format!("Q {}", name(case.prediction.class)),
        ],
        frame: TileFrame::Blue,
    };
    let neighbors = found.nearest.iter().zip(&others).map(|(neighbor, pixels)| CaptionedTile {
        pixels,
        lines: vec![name(neighbor.label), short(neighbor.distance)],
        frame: if neighbor.label == expected { TileFrame::None } else { TileFrame::Orange },
    });
    let tiles: Vec<CaptionedTile<'_>> = std::iter::once(explained).chain(neighbors).collect();
    let agreeing = (found.agreement(expected) * found.nearest.len() as f64).round();
    let note = format!(
        "{}. Nearest of {} images by cosine distance of features `{layer}`: {agreeing} of {} are {}; orange: another \
         class. Below each: label, distance",
        case.words(subject.classes),
        found.compared - found.same,
        found.nearest.len(),
        name(expected),
    );
    let what = format!("nearest neighbours of {}", case.sample.name);
    captioned_tiles(&tiles, [channels, height, width], 1, &note, &report.caption(&what))
}

impl Neighbors {
    fn to_json(&self, layer: &str, case: &Case<'_>) -> Value {
        let neighbor =
            |of: &Neighbor| json!({ "place": of.place, "label": of.label, "distance": number(of.distance) });
        json!({
            "layer": layer,
            "label": case.sample.label,
            "prediction": case.prediction.class,
            "compared": self.compared,
            "same": self.same,
            "neighbors": self.nearest.iter().map(neighbor).collect::<Vec<_>>(),
            "agreement_with_label": case.sample.label.map(|label| number(self.agreement(label))),
            "agreement_with_prediction": number(self.agreement(case.prediction.class)),
        })
    }
}
