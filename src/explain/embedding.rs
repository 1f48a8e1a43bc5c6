//! The penultimate layer's features on the page Projector.

use serde_json::json;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    classifier::{Classifier, Prediction},
    features::{self, NO_PENULTIMATE, Rows, balanced, device, gather, output, to_host},
    report::Report,
    sample::class_name,
    study::{Evidence, Study, Subject},
};
use crate::{
    data::Dataset,
    error::Result,
    render::to_byte,
    summary::{Embedding, Image, Summary, layer_tag},
    tch_context::TchContext as _,
};

/// The penultimate layer's features of many images as points for the Projector, with the images as sprites and the columns
/// `label`, `prediction`, `answer` (right or wrong) and `probability`: what lies close together is alike to the model.
/// Features that do not fit into the [memory](Classifier::memory) are averaged over their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureEmbedding {
    /// Images, as many of each class as of every other. The default is 1,000.
    pub images: usize,
    /// Dimensions of a point; of wider features the first principal components are taken. The default is 256.
    pub dimensions: usize,
    /// Another layer than the penultimate one.
    pub layer: Option<String>,
}

impl Default for FeatureEmbedding {
    fn default() -> FeatureEmbedding {
        FeatureEmbedding { images: 1000, dimensions: 256, layer: None }
    }
}

/// Features of images as points.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedFeatures {
    /// The layer.
    pub layer: String,
    /// Features of an image.
    pub width: usize,
    /// Whether they are means over the positions of each channel: where all values of all images do not fit into the
    /// [memory](Classifier::memory).
    pub averaged: bool,
    /// Places of the images in the data set, point by point.
    pub places: Vec<usize>,
    /// Images of the sample that are not shown, because a feature of theirs is NaN or infinite.
    pub left_out: usize,
    /// Images that were wanted, but whose features do not fit into the memory.
    pub too_many: usize,
    /// What the model answers for each point.
    pub predictions: Vec<Prediction>,
    /// Share of the variance that the points' dimensions hold, 0 to 1: less than 1 where there are fewer dimensions than
    /// features.
    pub variance: f64,
    /// The points, for [`Summary::embedding`].
    pub embedding: Embedding,
}

/// Longest side of a sprite.
const SPRITE: i64 = 64;
const COLUMNS: [&str; 4] = ["label", "prediction", "answer", "probability"];

impl FeatureEmbedding {
    /// The output of `layer` for a sample of the images that `seed` chooses; `None` where fewer than two of them have finite
    /// features.
    ///
    /// # Errors
    /// A layer that is not observed, what the model refuses.
    pub fn measure(
        &self,
        classifier: &Classifier<'_>,
        evidence: Evidence<'_>,
        layer: &str,
        device: Device,
        seed: u64,
    ) -> Result<Option<EmbeddedFeatures>> {
        let data = evidence.images;
        let mut places = balanced(data, self.images, seed);
        let wanted = places.len();
        let Some(first) = places.first().copied() else { return Ok(None) };
        let mut kind = Rows::Flat;
        gather(classifier, evidence, (&[first], device), |batch| {
            let fitting = Rows::fitting(classifier, output(batch.activations, layer)?, wanted);
            places.truncate(fitting.1);
            kind = fitting.0;
            Ok(())
        })?;
        let (mut rows, mut predictions, mut sprites) = (Vec::new(), Vec::new(), Vec::new());
        gather(classifier, evidence, (&places, device), |batch| {
            let features = kind.of(output(batch.activations, layer)?)?;
            rows.push(features.f_to_device(Device::Cpu).context(|| layer.to_owned())?);
            predictions.extend(features::predictions(batch.logits)?);
            sprites.extend(pictures(batch.images)?);
            Ok(())
        })?;
        let all = Tensor::f_cat(&rows, 0).context(|| format!("features of layer `{layer}`"))?;
        drop(rows);
        let width = all.size()[1].unsigned_abs() as usize;
        // Points that are not finite cannot be shown, and would spoil the principal components of all others.
        let finite = finite_rows(&all).context(|| format!("features of layer `{layer}`"))?;
        let images = places.len();
        let all = keep(&all, &finite).context(|| layer.to_owned())?;
        let mut keeps = finite.iter();
        places.retain(|_| keeps.next() == Some(&true));
        if places.len() < 2 {
            return Ok(None);
        }
        predictions = (predictions.into_iter().zip(&finite)).filter(|(_, f)| **f).map(|(p, _)| p).collect();
        sprites = (sprites.into_iter().zip(&finite)).filter(|(_, f)| **f).map(|(s, _)| s).collect();
        let left_out = images - places.len();
        let (points, variance) = if width > self.dimensions.max(1) {
            principal_components(&all, self.dimensions.max(1) as i64).context(|| layer.to_owned())?
        } else {
            (all, 1.0)
        };
        let dimensions = points.size()[1].unsigned_abs() as usize;
        let rows = (places.iter().zip(&predictions))
            .map(|(&place, prediction)| row(data.classes(), data.labels()[place], prediction))
            .collect();
        let embedding =
            Embedding::new(to_host(&points)?, dimensions)?.metadata(&COLUMNS, rows)?.sprites(sprites)?;
        let layer = layer.to_owned();
        let averaged = kind == Rows::Pooled;
        let too_many = wanted - images;
        Ok(Some(EmbeddedFeatures {
            layer,
            width,
            averaged,
            places,
            left_out,
            too_many,
            predictions,
            variance,
            embedding,
        }))
    }
}

fn row(classes: &[String], label: i64, prediction: &Prediction) -> Vec<String> {
    let answer = if label == prediction.class { "right" } else { "wrong" };
    let probability = format!("{:.4}", prediction.probability());
    vec![class_name(classes, label), class_name(classes, prediction.class), answer.to_owned(), probability]
}

/// Whether all features of an image are finite.
fn finite_rows(features: &Tensor) -> Result<Vec<bool>, TchError> {
    Vec::try_from(&features.f_isfinite()?.f_all_dim(1, false)?)
}

/// The rows that are to be kept.
fn keep(features: &Tensor, keep: &[bool]) -> Result<Tensor, TchError> {
    let rows: Vec<i64> = (0..).zip(keep).filter(|(_, keep)| **keep).map(|(row, _)| row).collect();
    features.f_index_select(0, &Tensor::f_from_slice(&rows)?)
}

/// Coordinates along the `most` directions of largest variance, and the share of the variance that they hold.
fn principal_components(features: &Tensor, most: i64) -> Result<(Tensor, f64), TchError> {
    let features = features.f_to_kind(Kind::Double)?;
    let x = features.f_sub(&features.f_mean_dim([0i64].as_slice(), true, Kind::Double)?)?;
    let (samples, width) = (x.size()[0], x.size()[1]);
    // The smaller of both squares has the same eigenvalues other than 0.
    let wide = width > samples;
    let gram = if wide { x.f_matmul(&x.f_tr()?)? } else { x.f_tr()?.f_matmul(&x)? };
    let (eigenvalues, vectors) = gram.f_linalg_eigh("L")?;
    let (side, eigenvalues) = (eigenvalues.size()[0], eigenvalues.f_clamp_min(0.0)?);
    let taken = most.min(side);
    // Eigenvalues rise; the last ones come first.
    let last = |tensor: &Tensor, dim: i64| tensor.f_narrow(dim, side - taken, taken)?.f_flip([dim]);
    let (largest, vectors) = (last(&eigenvalues, 0)?, last(&vectors, 1)?);
    let points = if wide { vectors.f_mul(&largest.f_sqrt()?)? } else { x.f_matmul(&vectors)? };
    let sum = |tensor: &Tensor| f64::try_from(&tensor.f_sum(Kind::Double)?);
    let (held, all) = (sum(&largest)?, sum(&eigenvalues)?);
    Ok((points, if all > 0.0 { (held / all).min(1.0) } else { 1.0 }))
}

/// Small pictures of images: of one grey or three colour channels, at most 64 pixels a side.
fn pictures(images: &Dataset) -> Result<Vec<Image>> {
    let pixels = images.pixels()?;
    let shrunk = || -> Result<Tensor, TchError> {
        let channels = pixels.size()[1];
        let pixels = match channels {
            1 | 3 => pixels.shallow_clone(),
            _ => pixels.f_mean_dim([1i64].as_slice(), true, Kind::Float)?,
        };
        let side = pixels.size()[2].max(pixels.size()[3]);
        let block = side.div_euclid(SPRITE) + i64::from(side.rem_euclid(SPRITE) > 0);
        if block <= 1 {
            return Ok(pixels);
        }
        pixels.f_avg_pool2d([block], [block], [0], true, false, None::<i64>)
    };
    let shrunk = shrunk().context(|| "sprites".to_owned())?;
    let [_, channels, height, width]: [i64; 4] = shrunk.size().try_into().unwrap_or([0; 4]);
    // Channels of a pixel side by side.
    let values = to_host(&shrunk.f_permute([0, 2, 3, 1]).context(|| "sprites".to_owned())?)?;
    let bytes: Vec<u8> = values.into_iter().map(to_byte).collect();
    let (columns, rows) = (width as u32, height as u32);
    (bytes.chunks((channels * height * width).max(1) as usize))
        .map(|of| match channels {
            3 => Image::rgb(columns, rows, of.to_vec()),
            _ => Image::gray(columns, rows, of.to_vec()),
        })
        .collect()
}

impl Study for FeatureEmbedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(data) = subject.data.filter(|data| data.images.len() >= 2) else {
            report.skip("no labelled images were given, or a single one");
            return Ok(());
        };
        let Some(layer) = features::layer(self.layer.as_deref(), subject)? else {
            report.skip(NO_PENULTIMATE);
            return Ok(());
        };
        let found = self.measure(subject.classifier, data, &layer, device(subject), subject.seed)?;
        let Some(found) = found else {
            report.skip(format!("fewer than two images have finite features in `{layer}`"));
            return Ok(());
        };
        if found.left_out > 0 {
            report.skip(format!("{} images with NaN or infinite features in `{layer}`", found.left_out));
        }
        if found.too_many > 0 {
            report.skip(format!(
                "{} images whose features in `{layer}` do not fit into the memory",
                found.too_many
            ));
        }
        report.add(&layer_tag(&layer), Summary::embedding(&found.embedding))?;
        report.add("about", Summary::text(found.words()))?;
        report.values(&layer, || found.to_json(data.images));
        Ok(())
    }
}

impl EmbeddedFeatures {
    fn words(&self) -> String {
        let (points, dimensions) = (self.places.len(), self.embedding.dimensions());
        let components = if dimensions < self.width {
            format!(
                "; points are its first {dimensions} principal components with {:.1} % of the variance",
                100.0 * self.variance
            )
        } else {
            String::new()
        };
        format!(
            "Features of `{}`{} ({} numbers an image{components}) of {points} images, on the page **Projector**. Choose \
             *Color by* `label` for the true class, `prediction` for the model's, `answer` for right and wrong ones.",
            self.layer,
            if self.averaged { Rows::Pooled.words() } else { "" },
            self.width
        )
    }

    /// Which images, labels and answers; the points themselves are in the Projector's files.
    pub fn to_json(&self, data: &Dataset) -> serde_json::Value {
        let labels: Vec<i64> =
            self.places.iter().filter_map(|&place| data.labels().get(place).copied()).collect();
        let probability = |prediction: &Prediction| super::attribution::number(prediction.probability());
        json!({
            "layer": self.layer,
            "width": self.width,
            "averaged": self.averaged,
            "dimensions": self.embedding.dimensions(),
            "variance": self.variance,
            "places": self.places,
            "labels": labels,
            "predictions": self.predictions.iter().map(|prediction| prediction.class).collect::<Vec<_>>(),
            "probabilities": self.predictions.iter().map(probability).collect::<Vec<_>>(),
        })
    }
}
