//! How much a linear classifier gets out of each layer.

use serde_json::{Value, json};
use tch::{Device, TchError, Tensor};

use super::{
    attribution::number,
    classifier::Classifier,
    features::{Batch, balanced, device, gather, pooled, predictions},
    report::Report,
    ridge::RidgeClassifier,
    study::{Evidence, Study, Subject},
};
use crate::{
    arch::Role,
    capture::Activation,
    error::{Error, Result},
    render::{LayerShare, ReferenceShare, layer_curve, spread},
    summary::layer_tag,
    tch_context::TchContext as _,
};

/// Linear probes: for every observed layer a linear classifier that sees the layer's output alone, averaged over all
/// positions, and tells the classes (Alain and Bengio 2017, Understanding intermediate layers using linear classifier
/// probes). Its accuracy says how far the layer has brought the classes apart.
///
/// Half of the images of each class fit the probes, the others test them. A probe is a [`RidgeClassifier`].
///
/// ```
/// use convscope::{Network, arch::ModelSpec, data, explain::{Classifier, Evidence, LinearProbe}};
/// use tch::{Device, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let images = data::bundled()?.validation;
/// let evidence = Evidence { images: &images, normalization: &data::Normalization::of(&images)? };
///
/// let probe = LinearProbe { images: 200, ..LinearProbe::default() };
/// let found = probe.measure(&Classifier::of_network(&network), evidence, Device::Cpu, 0)?;
/// assert_eq!((found.fitted, found.tested, found.chance.share()), (100, 100, 0.1));
/// assert_eq!(found.layers[0].layer, "conv1");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearProbe {
    /// Images for fit and test together, as many of each class as of every other. The default is 1,000.
    pub images: usize,
    /// Features of a layer; of more a seeded random choice is taken, as in the paper's section 3.1. The default is 1,024.
    pub features: usize,
    /// Layers; of more an even choice from first to last is taken. The default is 48.
    pub layers: usize,
}

impl Default for LinearProbe {
    fn default() -> LinearProbe {
        LinearProbe { images: 1000, features: 1024, layers: 48 }
    }
}

/// How many of some images were answered rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accuracy {
    /// Right answers.
    pub right: usize,
    /// Images; at least 1.
    pub of: usize,
}

impl Accuracy {
    /// From 0 to 1.
    pub fn share(self) -> f64 {
        self.right as f64 / self.of as f64
    }

    /// The interval that holds the true share with 95 % confidence, by Wilson's score (Wilson 1927): within 0 to 1 also for
    /// shares of 0 and 1.
    ///
    /// ```
    /// use convscope::explain::Accuracy;
    ///
    /// let [low, high] = Accuracy { right: 50, of: 100 }.interval();
    /// assert!((low - 0.4038).abs() < 1e-4 && (high - 0.5962).abs() < 1e-4);
    /// ```
    pub fn interval(self) -> [f64; 2] {
        const Z: f64 = 1.959_963_984_540_054; // 97.5 % of a standard normal variable lie below
        let (share, n) = (self.share(), self.of as f64);
        let center = share + Z * Z / (2.0 * n);
        let extent = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        [((center - extent) / scale).clamp(0.0, share), ((center + extent) / scale).clamp(share, 1.0)]
    }
}

/// What the probe of a layer reached.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedLayer {
    /// Name of the layer.
    pub layer: String,
    /// Features that the probe saw.
    pub features: usize,
    /// Features that the layer has after averaging over positions.
    pub width: usize,
    /// Accuracy on the test half; `None` where a feature is NaN or infinite.
    pub accuracy: Option<Accuracy>,
    /// The penalty of the ridge regression.
    pub lambda: Option<f64>,
}

/// What the probes of all layers reached.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedLayers {
    /// In the order of the forward pass; empty where no layer's output is observed.
    pub layers: Vec<ProbedLayer>,
    /// How many observed layers could be probed, with those that were left out.
    pub observed: usize,
    /// The model itself on the test half.
    pub model: Accuracy,
    /// Always answering the most frequent class of the fit half.
    pub chance: Accuracy,
    /// Images that the probes were fitted to.
    pub fitted: usize,
    /// Images that they were tested with.
    pub tested: usize,
}

impl LinearProbe {
    /// Fits and tests a probe for every observed layer but dropout, which hands on what it gets. The choice of images
    /// and features follows from `seed` alone.
    ///
    /// # Errors
    /// Too few images for two halves, or of a single class; a model without observed layers; what the model refuses.
    pub fn measure(
        &self,
        classifier: &Classifier<'_>,
        evidence: Evidence<'_>,
        device: Device,
        seed: u64,
    ) -> Result<ProbedLayers> {
        let data = evidence.images;
        let halves = Halves::of(data.labels(), &balanced(data, self.images, seed));
        if let Some(why) = halves.problem() {
            return Err(Error::invalid("linear probes", why));
        }
        let places = [halves.fit.as_slice(), &halves.test].concat();
        let mut columns: Vec<Column> = Vec::new();
        let (mut answers, mut observed) = (Vec::with_capacity(places.len()), 0);
        gather(classifier, evidence, (&places, device), |batch| {
            answers.extend(predictions(batch.logits)?.iter().map(|prediction| prediction.class));
            if columns.is_empty() {
                let layers = probed(batch);
                observed = layers.len();
                columns = (spread(&layers, self.layers).into_iter())
                    .map(|layer| Column { layer, ..Column::default() })
                    .collect();
            }
            columns.iter_mut().try_for_each(|column| column.take(batch, self.features, seed))
        })?;
        let labels = |places: &[usize]| places.iter().map(|&place| data.labels()[place]).collect::<Vec<_>>();
        let (fit, test) = (labels(&halves.fit), labels(&halves.test));
        let layers = (columns.into_iter())
            .map(|column| column.probe(&fit, &test, data.classes().len()))
            .collect::<Result<_>>()?;
        let most_frequent = mode(&fit);
        Ok(ProbedLayers {
            layers,
            observed,
            model: compare(&answers[fit.len()..], &test),
            chance: compare(&vec![most_frequent; test.len()], &test),
            fitted: fit.len(),
            tested: test.len(),
        })
    }
}

/// Places of the images to fit with and to test with.
struct Halves {
    fit: Vec<usize>,
    test: Vec<usize>,
    classes: usize,
}

impl Halves {
    /// The images of each class, one for the fit, one for the test, and so on.
    fn of(labels: &[i64], places: &[usize]) -> Halves {
        let mut seen = std::collections::BTreeMap::new();
        let (fit, test) = places.iter().partition(|&&place| {
            let count = seen.entry(labels[place]).or_insert(0);
            *count += 1;
            *count % 2 == 1
        });
        Halves { fit, test, classes: seen.len() }
    }

    /// Why nothing can be learned or tested.
    fn problem(&self) -> Option<String> {
        if self.fit.len() >= 2 && !self.test.is_empty() && self.classes >= 2 {
            return None;
        }
        Some(format!(
            "{} images to fit with and {} to test with, of {} classes; two classes and two images of each are needed",
            self.fit.len(),
            self.test.len(),
            self.classes
        ))
    }
}

/// Layers with one row of features for each image, but not dropout.
fn probed(batch: &Batch<'_>) -> Vec<String> {
    let images = batch.input.size()[0];
    let has_rows = |tensor: &Tensor| tensor.size().first() == Some(&images) && tensor.numel() > 0;
    (batch.activations.iter())
        .filter(|Activation { role, tensor, .. }| *role != Role::Dropout && has_rows(tensor))
        .map(|activation| activation.name.clone())
        .collect()
}

/// The features of one layer for all images.
#[derive(Default)]
struct Column {
    layer: String,
    width: usize,
    /// Which features are taken, where not all are.
    chosen: Option<Tensor>,
    /// Batches, on the CPU.
    rows: Vec<Tensor>,
}

impl Column {
    fn take(&mut self, batch: &Batch<'_>, most: usize, seed: u64) -> Result<()> {
        let Some(activation) = batch.activations.get(&self.layer) else { return Ok(()) };
        let features = pooled(&activation.tensor)?;
        let context = || format!("features of layer `{}`", self.layer);
        if self.rows.is_empty() {
            self.width = features.size()[1].unsigned_abs() as usize;
            self.chosen = choose(self.width, most, seed).context(context)?;
        }
        let keep = || {
            let features = features.f_to_device(Device::Cpu)?;
            match &self.chosen {
                Some(chosen) => features.f_index_select(1, chosen),
                None => Ok(features),
            }
        };
        let rows = keep().context(context)?;
        self.rows.push(rows);
        Ok(())
    }

    fn probe(self, fit: &[i64], test: &[i64], classes: usize) -> Result<ProbedLayer> {
        let Column { layer, width, rows, .. } = self;
        let context = || format!("features of layer `{layer}`");
        let all = Tensor::f_cat(&rows, 0).context(context)?;
        let half = |start: usize, of: &[i64]| all.f_narrow(0, start as i64, of.len() as i64).context(context);
        let features = all.size()[1].unsigned_abs() as usize;
        let is_finite = bool::try_from(&all.f_isfinite().and_then(|all| all.f_all()).context(context)?);
        if !is_finite.context(context)? {
            return Ok(ProbedLayer { layer, features, width, accuracy: None, lambda: None });
        }
        let probe = RidgeClassifier::fit(&half(0, fit)?, fit, classes, None)?;
        let accuracy = Some(compare(&probe.predict(&half(fit.len(), test)?)?, test));
        Ok(ProbedLayer { layer, features, width, accuracy, lambda: Some(probe.lambda()) })
    }
}

/// A random choice of `most` of `width` features, in their order; `None` for all.
fn choose(width: usize, most: usize, seed: u64) -> Result<Option<Tensor>, TchError> {
    if width <= most {
        return Ok(None);
    }
    let mut chosen = fastrand::Rng::with_seed(seed).choose_multiple(0..width as i64, most.max(1));
    chosen.sort_unstable();
    Tensor::f_from_slice(&chosen).map(Some)
}

fn compare(answers: &[i64], labels: &[i64]) -> Accuracy {
    let right = answers.iter().zip(labels).filter(|(answer, label)| answer == label).count();
    Accuracy { right, of: labels.len() }
}

/// The most frequent label; the smallest of several.
fn mode(labels: &[i64]) -> i64 {
    let count = |label: i64| labels.iter().filter(|&&other| other == label).count();
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.into_iter().rev().max_by_key(|&label| count(label)).unwrap_or(0)
}

impl ProbedLayers {
    /// Counts, accuracies and intervals.
    pub fn to_json(&self) -> Value {
        let accuracy = |accuracy: Accuracy| {
            let [low, high] = accuracy.interval();
            json!({ "right": accuracy.right, "of": accuracy.of, "share": accuracy.share(), "interval": [low, high] })
        };
        let layer = |of: &ProbedLayer| {
            json!({
                "layer": of.layer,
                "features": of.features,
                "width": of.width,
                "accuracy": of.accuracy.map(accuracy),
                "lambda": of.lambda.map(number),
            })
        };
        json!({
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
            "model": accuracy(self.model),
            "chance": accuracy(self.chance),
            "fitted": self.fitted,
            "tested": self.tested,
        })
    }
}

/// Of a layer's accuracy.
const SCALAR: &str = "Accuracy, 0 to 1, of a linear classifier that sees this layer's output alone, averaged over all \
    positions of each channel (linear probe, Alain and Bengio 2017). Fitted to one half of a sample, tested with the other.";
/// Of the curve over all layers.
const PICTURE: &str = "**Linear probes**: for each layer the accuracy of a linear classifier that sees the layer's output \
    alone, averaged over all positions of each channel (Alain and Bengio 2017). It is fitted by ridge regression to one-hot \
    labels on one half of the images, and tested with the other; the bars are 95 % confidence intervals (Wilson). Where the \
    curve rises, layers bring the classes apart; where it stays flat, they do not. `chance` always answers the most \
    frequent class; `the model` is the whole model on the same images.";

impl Study for LinearProbe {
    fn name(&self) -> &'static str {
        "linear_probe"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(data) = subject.data else {
            report.skip("no labelled images were given");
            return Ok(());
        };
        let sample = balanced(data.images, self.images, subject.seed);
        if let Some(why) = Halves::of(data.images.labels(), &sample).problem() {
            report.skip(why);
            return Ok(());
        }
        let found = self.measure(subject.classifier, data, device(subject), subject.seed)?;
        if found.layers.is_empty() {
            report.skip("no layer's output is observed");
            return Ok(());
        }
        for ProbedLayer { layer, accuracy, .. } in &found.layers {
            match accuracy {
                Some(accuracy) => report.scalar(&layer_tag(layer), accuracy.share(), SCALAR)?,
                None => report.skip(format!("layer `{layer}`: its features are NaN or infinite")),
            }
        }
        let shares: Vec<LayerShare<'_>> = (found.layers.iter())
            .map(|ProbedLayer { layer, accuracy, .. }| LayerShare {
                layer,
                share: accuracy.map_or(f64::NAN, Accuracy::share),
                interval: accuracy.map(Accuracy::interval),
            })
            .collect();
        let references = [
            ReferenceShare { name: "chance", share: found.chance.share() },
            ReferenceShare { name: "the model", share: found.model.share() },
        ];
        let picture = layer_curve(&shares, &references, &found.note(), &report.caption("linear probes"))?;
        report.picture("all_layers", picture, PICTURE)?;
        report.values("all_layers", || found.to_json());
        Ok(())
    }
}

impl ProbedLayers {
    fn note(&self) -> String {
        let mut note = format!(
            "accuracy of a linear classifier on each layer's channel means, with 95 % interval; fitted to {} images, \
             tested with {} others",
            self.fitted, self.tested
        );
        if self.layers.len() < self.observed {
            note += &format!("; {} of {} layers, evenly spread", self.layers.len(), self.observed);
        }
        if let Some(most) = self.layers.iter().filter(|of| of.features < of.width).map(|of| of.features).max()
        {
            note += &format!("; of wide layers {most} features chosen by chance");
        }
        note
    }
}
