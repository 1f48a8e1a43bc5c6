//! How many weights the answers need: the smallest are set to 0.

use serde_json::json;
use tch::{TchError, Tensor};

use super::{
    attribution::number as json_number,
    classifier::Classifier,
    losses::{Labelled, device},
    report::Report,
    study::{Evidence, Study, Subject},
    values,
};
use crate::{
    arch::{Layer, ModelSpec},
    error::{Error, Result},
    network::Network,
    render::{Caption, Curve, CurveMarks, LinePlot, PlotAxis, ReferenceLine, line_plot, number, spread},
    summary::{Summary, Table},
    tch_context::TchContext as _,
};

/// Which weights are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruningScope {
    /// All: one threshold for the network, so that layers lose different shares.
    Global,
    /// Those of one layer: each layer loses the same share.
    PerLayer,
}

/// Sets the `share` of smallest magnitudes among the weights named `weights` to 0, and leaves all else: magnitude pruning
/// (Han et al. 2015, *Learning both weights and connections*), without training again. `round(share * n)` of n weights go;
/// of equal magnitudes at the threshold all go. NaN goes last, behind all numbers. Biases are no weights here. Tensors that do not change are
/// shared, none is changed in place.
///
/// # Errors
/// A share outside of 0 to 1; a weight that is missing.
///
/// ```
/// use convscope::explain::{PruningScope, prune};
/// use tch::Tensor;
///
/// let variables =
///     vec![("a.weight".to_owned(), Tensor::from_slice(&[1.0f32, -2.0])), ("b.weight".to_owned(), Tensor::from_slice(&[-3.0f32, 4.0]))];
/// let names = ["a.weight", "b.weight"];
/// let values = |variables: &[(String, Tensor)]| -> Vec<Vec<f32>> {
///     variables.iter().map(|(_, tensor)| Vec::try_from(tensor).unwrap()).collect()
/// };
/// let global = prune(&variables, &names, 0.5, PruningScope::Global)?;
/// assert_eq!(values(&global), [[0.0, 0.0], [-3.0, 4.0]]);
/// let layers = prune(&variables, &names, 0.5, PruningScope::PerLayer)?;
/// assert_eq!(values(&layers), [[0.0, -2.0], [0.0, 4.0]]);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn prune(
    variables: &[(String, Tensor)],
    weights: &[&str],
    share: f64,
    scope: PruningScope,
) -> Result<Vec<(String, Tensor)>> {
    check_share(share)?;
    if let Some(missing) = weights.iter().find(|weight| !variables.iter().any(|(name, _)| name == *weight)) {
        return Err(Error::invalid(format!("weight `{missing}`"), "it is not among the network's variables"));
    }
    let pruned = || {
        let limits = Limits::of(variables, weights, &[share], scope)?;
        without(variables, |name| limits.of_weight(name, 0))
    };
    tch::no_grad(pruned).context(|| format!("pruning {:.1} % of the weights", 100.0 * share))
}

fn check_share(share: f64) -> Result<()> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(Error::invalid("pruning", format!("a share of {share} found; 0 to 1 expected")))
}

/// Up to which magnitudes weights go, for several shares. NaN: all go.
enum Limits<'a> {
    Global(Vec<&'a str>, Vec<Option<f64>>),
    PerLayer(Vec<(&'a str, Vec<Option<f64>>)>),
}

impl<'a> Limits<'a> {
    fn of(
        variables: &[(String, Tensor)],
        weights: &[&'a str],
        shares: &[f64],
        scope: PruningScope,
    ) -> Result<Limits<'a>, TchError> {
        Ok(match scope {
            PruningScope::Global => {
                let all: Vec<&Tensor> = weights.iter().flat_map(|name| named(variables, name)).collect();
                Limits::Global(weights.to_vec(), thresholds(&all, shares)?)
            }
            PruningScope::PerLayer => {
                let one = |name: &&'a str| Ok((*name, thresholds(&named(variables, name), shares)?));
                Limits::PerLayer(weights.iter().map(one).collect::<Result<_, TchError>>()?)
            }
        })
    }

    /// For the share at this place; `None` where nothing of it goes.
    fn of_weight(&self, name: &str, share: usize) -> Option<f64> {
        let limits = match self {
            Limits::Global(names, limits) => names.contains(&name).then_some(limits),
            Limits::PerLayer(layers) => {
                layers.iter().find(|(known, _)| *known == name).map(|(_, limits)| limits)
            }
        };
        limits.and_then(|limits| *limits.get(share)?)
    }
}

fn named<'v>(variables: &'v [(String, Tensor)], name: &str) -> Vec<&'v Tensor> {
    variables.iter().filter(|(known, _)| known == name).map(|(_, tensor)| tensor).collect()
}

/// The variables with what is not above its limit set to 0.
fn without(
    variables: &[(String, Tensor)],
    limit: impl Fn(&str) -> Option<f64>,
) -> Result<Vec<(String, Tensor)>, TchError> {
    let one = |(name, tensor): &(String, Tensor)| -> Result<(String, Tensor), TchError> {
        let tensor = match limit(name) {
            None => tensor.shallow_clone(),
            Some(limit) if limit.is_nan() => tensor.f_detach()?.f_zeros_like()?,
            Some(limit) => {
                let tensor = tensor.f_detach()?;
                let goes = magnitudes(&tensor)?.f_le(limit)?;
                tensor.f_masked_fill(&goes, 0.0)?
            }
        };
        Ok((name.clone(), tensor))
    };
    variables.iter().map(one).collect()
}

/// In single precision at least, in which the threshold is compared as it was found.
fn magnitudes(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_detach()?.f_abs()?.f_to_kind(values::exact(tensor))
}

/// The magnitudes up to which weights go, for each share; `None` where none goes. Sorted once, NaN behind all numbers.
fn thresholds(weights: &[&Tensor], shares: &[f64]) -> Result<Vec<Option<f64>>, TchError> {
    let magnitudes = weights
        .iter()
        .map(|tensor| magnitudes(tensor)?.f_reshape([-1]))
        .collect::<Result<Vec<_>, TchError>>()?;
    if magnitudes.is_empty() {
        return Ok(vec![None; shares.len()]);
    }
    let (sorted, _) = Tensor::f_cat(&magnitudes, 0)?.f_sort(0, false)?;
    let of = |share: &f64| match (share * sorted.numel() as f64).round() as i64 {
        0 => Ok(None),
        count => values::scalar(&sorted.f_select(0, count - 1)?).map(Some),
    };
    shares.iter().map(of).collect()
}

/// Accuracy and loss of a network without so many of its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruningPoint {
    /// Share of the curve's weights that are 0, 0 to 1: as measured, those that were 0 before among them.
    pub share: f64,
    /// Share of right answers on the validation images, 0 to 1.
    pub accuracy: f64,
    /// Mean cross-entropy on them, in nats.
    pub loss: f64,
}

/// A network that loses more and more of its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct PruningCurve {
    /// Which weights: `one threshold`, `each layer alike`, or the name of the only layer that is pruned.
    pub name: String,
    /// From few to many.
    pub points: Vec<PruningPoint>,
}

/// Accuracy and loss on validation images over the share of weights set to 0 by magnitude: with one threshold for all layers,
/// with the same share in each layer, and one layer at a time. See [`prune`]. Layers that do not feed the output, such as an
/// auxiliary head, stay as they are, and so do running statistics.
///
/// Costs `images * shares * (2 + layers)` forward passes of one image, a copy of the weights at a time, and, once for each
/// curve, their sorted magnitudes: with the
/// defaults of 200 images, 11 shares and 5 layers 15 400 passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruning {
    images: usize,
    layers: usize,
    shares: Vec<f64>,
}

impl Default for Pruning {
    fn default() -> Pruning {
        let shares = vec![0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
        Pruning { images: 200, layers: 5, shares }
    }
}

/// A drop of accuracy that counts as none, for the scalar.
const TOLERATED: f64 = 0.01;

impl Pruning {
    /// 200 images, 5 layers one at a time, 11 shares from 0 to 1.
    pub fn new() -> Pruning {
        Pruning::default()
    }

    /// At most so many images, at least one: the first of every class.
    #[must_use]
    pub fn images(mut self, images: usize) -> Pruning {
        self.images = images.max(1);
        self
    }

    /// How many layers are pruned one at a time, evenly spread; more than 5 are not told apart in the plot.
    #[must_use]
    pub fn layers(mut self, layers: usize) -> Pruning {
        self.layers = layers.min(5);
        self
    }

    /// The shares that go, each 0 to 1. 0 is always measured too: what the others are compared with.
    #[must_use]
    pub fn shares(mut self, shares: impl Into<Vec<f64>>) -> Pruning {
        self.shares = shares.into();
        self
    }

    /// Measures all curves of the network of `spec` with these variables. `classifier` says where and with how much memory.
    ///
    /// # Errors
    /// A share outside of 0 to 1; a spec that is not valid or has no weights; a variable that is missing; labels that the
    /// model does not have.
    pub fn measure(
        &self,
        classifier: &Classifier<'_>,
        spec: &ModelSpec,
        variables: &[(String, Tensor)],
        evidence: &Evidence<'_>,
    ) -> Result<Vec<PruningCurve>> {
        let device = variables.first().map_or(tch::Device::Cpu, |(_, variable)| variable.device());
        let labelled = Labelled::of(evidence, self.images, device)?;
        let shares = self.all_shares()?;
        // An auxiliary head has no part in the answers.
        let feeds = spec.resolve()?.feeds_output();
        let layers: Vec<String> = (spec.layers.iter().zip(feeds))
            .filter(|(layer, feeds)| *feeds && matches!(layer.layer, Layer::Conv2d(_) | Layer::Linear(_)))
            .map(|(layer, _)| layer.name.clone())
            .collect();
        if layers.is_empty() {
            return Err(Error::invalid(
                format!("model `{}`", spec.name),
                "it has no convolution or linear layer",
            ));
        }
        let weight = |layer: &String| format!("{layer}.weight");
        let all: Vec<String> = layers.iter().map(weight).collect();
        let mut curves = vec![
            ("one threshold".to_owned(), all.clone(), PruningScope::Global),
            ("each layer alike".to_owned(), all, PruningScope::PerLayer),
        ];
        curves.extend(spread(&layers, self.layers).into_iter().map(|layer| {
            let weights = vec![weight(&layer)];
            (layer, weights, PruningScope::PerLayer)
        }));
        let measure = |(name, weights, scope): (String, Vec<String>, PruningScope)| {
            let weights: Vec<&str> = weights.iter().map(String::as_str).collect();
            let limits = tch::no_grad(|| Limits::of(variables, &weights, &shares, scope));
            let limits = limits.context(|| format!("magnitudes of the weights of `{name}`"))?;
            let point = |place: usize| -> Result<PruningPoint> {
                let pruned = tch::no_grad(|| without(variables, |name| limits.of_weight(name, place)));
                let pruned =
                    pruned.context(|| format!("pruning {:.1} % of the weights", 100.0 * shares[place]))?;
                let network = Network::with_variables(spec, &pruned)?;
                let losses = labelled.losses(&classifier.with_network(&network))?;
                let share = zeros(&pruned, &weights)?;
                Ok(PruningPoint { share, accuracy: losses.accuracy, loss: losses.mean() })
            };
            let points = (0..shares.len()).map(point).collect::<Result<_>>()?;
            Ok(PruningCurve { name, points })
        };
        curves.into_iter().map(measure).collect()
    }

    /// Rising from 0, each once.
    fn all_shares(&self) -> Result<Vec<f64>> {
        self.shares.iter().try_for_each(|share| check_share(*share))?;
        let mut shares = self.shares.clone();
        shares.push(0.0);
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        Ok(shares)
    }

    fn draw(
        &self,
        curves: &[PruningCurve],
        chance: f64,
        (images, is_normalized): (usize, bool),
        report: &mut Report<'_>,
    ) -> Result<()> {
        let draw = |of: fn(&PruningPoint) -> f64,
                    y: PlotAxis<'_>,
                    lines: &[ReferenceLine<'_>],
                    caption: &Caption<'_>| {
            let points: Vec<Vec<(f64, f64)>> = curves
                .iter()
                .map(|curve| curve.points.iter().map(|point| (point.share, of(point))).collect())
                .collect();
            let drawn: Vec<Curve<'_>> = (curves.iter().zip(&points))
                .map(|(curve, points)| Curve::new(&curve.name, points).marks(CurveMarks::All))
                .collect();
            let x = PlotAxis::linear("share of these weights set to 0").range(0.0, 1.0);
            let statistics = if is_normalized { "; running statistics stay as they were" } else { "" };
            let note = format!(
                "{images} validation images; the smallest magnitudes go first, nothing is trained again{statistics}; a \
                 layer's name: that layer alone"
            );
            line_plot(&LinePlot::new(x, y, &drawn).lines(lines), &note, caption)
        };
        let label = format!("chance {}", number(chance));
        let lines = [ReferenceLine::horizontal(chance, &label)];
        let y = PlotAxis::linear("accuracy on validation data").range(0.0, 1.0);
        let image =
            draw(|point| point.accuracy, y, &lines, &report.caption("accuracy while weights are pruned"))?;
        report.picture("accuracy", image, ABOUT)?;
        let label = format!("guessing {}", number(-chance.ln()));
        let lines = [ReferenceLine::horizontal(-chance.ln(), &label)];
        let y = PlotAxis::log("loss on validation data, nats", 1e-4);
        let image = draw(|point| point.loss, y, &lines, &report.caption("loss while weights are pruned"))?;
        report.picture("loss", image, ABOUT)
    }
}

const ABOUT: &str = "**Magnitude pruning**: accuracy and loss on validation images while the weights of smallest magnitude are \
                     set to 0 (Han et al. 2015), without training again. A curve that stays flat far to the right says that \
                     the function does not need most of its weights; where one threshold for all does better than the same \
                     share of each layer, the layers' weights are of different use. Where there is batch normalisation, \
                     its running statistics stay those of the whole network: a part of the fall is their mismatch, which a \
                     pass over training images would mend.";
const PRUNABLE: &str = "Largest measured share of weights that can be set to 0 with one threshold while the accuracy on \
                        validation data stays within one percentage point.";

impl Study for Pruning {
    fn name(&self) -> &'static str {
        "pruning"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(evidence) = &subject.data else {
            report.skip("accuracy is measured on labelled images, and none are given");
            return Ok(());
        };
        let Some(spec) = subject.spec else {
            report.skip("what the model is made of is not known, so it cannot be built with other weights");
            return Ok(());
        };
        if let Err(why) = Network::with_variables(spec, subject.variables) {
            report.skip(why.to_string());
            return Ok(());
        }
        let curves = self.measure(subject.classifier, spec, subject.variables, evidence)?;
        let images = Labelled::of(evidence, self.images, device(subject))?.len();
        let chance = 1.0 / spec.resolve()?.output_shape().len().max(1) as f64;
        let is_normalized = spec.layers.iter().any(|layer| matches!(layer.layer, Layer::BatchNorm2d(_)));
        self.draw(&curves, chance, (images, is_normalized), report)?;
        if let Some(global) = curves.first() {
            report.scalar("prunable", prunable(global), PRUNABLE)?;
        }
        let shares = self.all_shares()?.into_iter().map(|share| format!("{:.0} %", 100.0 * share));
        let mut table = Table::new(["accuracy without".to_owned()].into_iter().chain(shares));
        for curve in &curves {
            let cells = curve.points.iter().map(|point| format!("{:.1} %", 100.0 * point.accuracy));
            table.row([curve.name.clone()].into_iter().chain(cells));
        }
        report.add("table", Summary::table(&table).with_description(ABOUT))?;
        report.values("curves", || {
            let points = |curve: &PruningCurve| -> Vec<serde_json::Value> {
                let point = |point: &PruningPoint| {
                    json!({"share": point.share, "accuracy": point.accuracy, "loss": json_number(point.loss)})
                };
                curve.points.iter().map(point).collect()
            };
            let curves = curves.iter().map(|curve| json!({"name": curve.name, "points": points(curve)}));
            json!({"images": images, "curves": curves.collect::<Vec<_>>()})
        });
        Ok(())
    }
}

/// The largest share up to which the accuracy never fell by more than what is tolerated.
fn prunable(curve: &PruningCurve) -> f64 {
    let whole = curve.points.first().map_or(0.0, |point| point.accuracy);
    let kept = curve.points.iter().take_while(|point| point.accuracy >= whole - TOLERATED - 1e-9);
    kept.last().map_or(0.0, |point| point.share)
}

/// Share of the weights that are exactly 0.
fn zeros(variables: &[(String, Tensor)], weights: &[&str]) -> Result<f64> {
    let (mut zeros, mut all) = (0.0, 0.0);
    for (name, tensor) in variables.iter().filter(|(name, _)| weights.contains(&name.as_str())) {
        let count = tch::no_grad(|| values::sum(&tensor.f_eq(0.0)?));
        zeros += count.context(|| format!("zeros of `{name}`"))?;
        all += tensor.numel() as f64;
    }
    Ok(zeros / f64::max(all, 1.0))
}
