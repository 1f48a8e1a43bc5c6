//! Two sets of weights, one function.

mod pair;

use serde_json::json;
use tch::{Kind, TchError, Tensor};

pub use self::pair::SymmetricPair;

use super::{
    attribution::number as json_number,
    classifier::Classifier,
    losses::{Labelled, device},
    report::Report,
    rounding,
    study::{Study, Subject},
    values,
};
use crate::{
    arch::ModelSpec,
    error::{Error, Result},
    network::Network,
    render::{Curve, CurveMarks, LinePlot, PlotAxis, line_plot, number},
    summary::{Summary, Table},
    tch_context::TchContext as _,
};

/// A demonstration that a point in weight space is not a function: channels of a layer are permuted and scaled, the inputs
/// of the next one accordingly, and the network computes the same (Hecht-Nielsen 1990, *On the algebraic structure of
/// feedforward network weight spaces*; Neyshabur et al. 2015). The difference of the outputs, rounding alone, stands
/// beside the distance of the weights; a control changes the first layer alone, which is less far away and another function.
///
/// The permutation moves every channel; the scales are drawn evenly on a logarithmic scale from 1/2 to 2, and are 1 where
/// nothing can be scaled. Takes the first pair of layers whose channels can be scaled, else the first, unless told
/// otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symmetry {
    layer: Option<String>,
}

/// How far apart two sets of weights and what they compute are.
#[derive(Debug, Clone, PartialEq)]
pub struct SymmetryFound {
    /// The pair of layers.
    pub pair: SymmetricPair,
    /// Which channel each channel was.
    pub permutation: Vec<i64>,
    /// What each channel was multiplied by.
    pub scales: Vec<f64>,
    /// Euclidean distance of all weights and biases, running statistics left out.
    pub weight_distance: f64,
    /// Their Euclidean norm before.
    pub weight_norm: f64,
    /// Largest difference of a logit.
    pub output_difference: f64,
    /// Largest magnitude of a logit before.
    pub output_scale: f64,
    /// How much of `output_scale` the rounding of this device may change a logit by: 1e-4, and 5e-3 on CUDA, where
    /// convolutions may be in TF32.
    pub rounding: f64,
    /// Euclidean distance of the weights where the first layer alone is changed.
    pub control_distance: f64,
    /// Largest difference of a logit there.
    pub control_difference: f64,
    /// Logits before, after, and of the control: all classes of the first image, then of the second.
    pub logits: [Vec<f64>; 3],
}

impl Symmetry {
    /// The first pair of layers whose channels can be scaled, else the first.
    pub fn new() -> Symmetry {
        Symmetry::default()
    }

    /// The pair that begins with this layer.
    #[must_use]
    pub fn layer(mut self, first: impl Into<String>) -> Symmetry {
        self.layer = Some(first.into());
        self
    }

    /// Compares the network of `spec` and `variables` with the changed ones on `images`, `[N, C, H, W]`, in as many passes
    /// as `classifier` has memory for.
    ///
    /// # Errors
    /// A spec that is not valid or without such a pair, with the reason for each layer; a variable that is missing.
    pub fn demonstrate(
        &self,
        classifier: &Classifier<'_>,
        spec: &ModelSpec,
        variables: &[(String, Tensor)],
        images: &Tensor,
        seed: u64,
    ) -> Result<SymmetryFound> {
        let pair = self.choose(spec)?;
        let mut random = fastrand::Rng::with_seed(seed);
        let permutation = moving_permutation(pair.channels, &mut random);
        let scale = |random: &mut fastrand::Rng| (2.0 * random.f64() - 1.0).exp2();
        let scales: Vec<f64> = permutation
            .iter()
            .map(|_| if pair.scaled.is_some() { scale(&mut random) } else { 1.0 })
            .collect();
        let changed = pair.apply(variables, &permutation, &scales)?;
        let control = pair.apply_to_first(variables, &permutation, &scales)?;
        let answers = |variables: &[(String, Tensor)]| -> Result<Vec<f64>> {
            let network = Network::with_variables(spec, variables)?;
            let logits = classifier.with_network(&network).logits(images)?;
            let flat = tch::no_grad(|| {
                Vec::try_from(
                    &logits.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double)?.f_reshape([-1])?,
                )
            });
            flat.context(|| "logits".to_owned())
        };
        let logits = [answers(variables)?, answers(&changed)?, answers(&control)?];
        let difference = |other: &[f64]| largest(logits[0].iter().zip(other).map(|(a, b)| a - b));
        Ok(SymmetryFound {
            weight_distance: distance(variables, &changed)?,
            weight_norm: distance(variables, &[])?,
            output_difference: difference(&logits[1]),
            output_scale: largest(logits[0].iter().copied()),
            rounding: rounding::of_logits(images.device()),
            control_distance: distance(variables, &control)?,
            control_difference: difference(&logits[2]),
            pair,
            permutation,
            scales,
            logits,
        })
    }

    fn choose(&self, spec: &ModelSpec) -> Result<SymmetricPair> {
        let (pairs, refused) = SymmetricPair::find(&spec.resolve()?);
        let found = match &self.layer {
            Some(layer) => pairs.iter().find(|pair| pair.first == *layer),
            None => pairs.iter().find(|pair| pair.scaled.is_some()).or(pairs.first()),
        };
        found.cloned().ok_or_else(|| {
            let why = |(layer, why): &(String, String)| format!("`{layer}`: {why}");
            let asked =
                |(layer, _): &&(String, String)| self.layer.as_ref().is_none_or(|asked| asked == layer);
            let mut reasons: Vec<String> = refused.iter().filter(asked).map(why).take(5).collect();
            if reasons.is_empty() {
                reasons.push("no convolution or linear layer of that name".to_owned());
            }
            let why = format!("no pair of layers whose channels can be permuted: {}", reasons.join("; "));
            Error::invalid(format!("model `{}`", spec.name), why)
        })
    }
}

const ABOUT: &str = "**Weight space against function space**: the channels of one layer are permuted and multiplied by \
                     numbers above 0, the inputs of the next layer accordingly. The weights are far from what they were, and \
                     the network computes the same: its logits lie on the diagonal. Changing the first layer alone \
                     goes less far in weight space and gives another function. So weights of two trainings \
                     cannot be compared one by one, and a distance of weights says nothing about a distance of functions.";

impl Study for Symmetry {
    fn name(&self) -> &'static str {
        "symmetry"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(spec) = subject.spec else {
            report.skip("what the model is made of is not known, so it cannot be built with other weights");
            return Ok(());
        };
        if let Err(why) = self.choose(spec).and_then(|_| Network::with_variables(spec, subject.variables)) {
            report.skip(why.to_string());
            return Ok(());
        }
        let images = match (&subject.data, subject.cases.first()) {
            (Some(evidence), _) => Labelled::of(evidence, 32, device(subject))?.first(32)?,
            (None, Some(case)) => case.sample.input.shallow_clone(),
            (None, None) => {
                report.skip("outputs are compared on images, and none are given");
                return Ok(());
            }
        };
        let found = self.demonstrate(subject.classifier, spec, subject.variables, &images, subject.seed)?;
        found.draw(report)?;
        found.write(report)
    }
}

impl SymmetryFound {
    /// Whether the two sets of weights compute the same, up to the device's rounding.
    pub fn is_rounding(&self) -> bool {
        self.output_difference <= self.rounding * self.output_scale
    }

    fn draw(&self, report: &mut Report<'_>) -> Result<()> {
        let against =
            |other: &[f64]| self.logits[0].iter().copied().zip(other.iter().copied()).collect::<Vec<_>>();
        let (same, control) = (against(&self.logits[1]), against(&self.logits[2]));
        let ends = self.logits[0].iter().copied().filter(|logit| logit.is_finite());
        let ends = [ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max)];
        let diagonal = ends.map(|end| (end, end));
        // What lies on the diagonal is drawn on it, not below.
        let curves = [
            Curve::new("first alone", &control).scattered(),
            Curve::new("equal", &diagonal).marks(CurveMarks::None),
            Curve::new("both layers", &same).scattered(),
        ];
        let percent = 100.0 * self.weight_distance / self.weight_norm;
        let note = format!(
            "{}: channels permuted{}; weights {} apart ({percent:.0} % of their norm), logits {} (of up to {}; {}); the first \
             layer alone: weights {} apart, logits {}",
            self.pair,
            if self.pair.scaled.is_some() {
                " and scaled"
            } else {
                ", not scaled: a function between is not homogeneous"
            },
            number(self.weight_distance),
            number(self.output_difference),
            number(self.output_scale),
            if self.is_rounding() { "rounding alone" } else { "more than rounding explains" },
            number(self.control_distance),
            number(self.control_difference),
        );
        let plot =
            LinePlot::new(PlotAxis::linear("logits before"), PlotAxis::linear("logits after"), &curves);
        let image = line_plot(&plot, &note, &report.caption("two sets of weights, one function"))?;
        report.picture("logits", image, ABOUT)
    }

    fn write(&self, report: &mut Report<'_>) -> Result<()> {
        report.scalar(
            "weight_distance",
            self.weight_distance,
            "Euclidean distance of the two sets of weights.",
        )?;
        report.scalar(
            "output_difference",
            self.output_difference,
            "Largest difference of a logit. It is rounding, which is coarser on a GPU with TF32.",
        )?;
        report.scalar(
            "control_difference",
            self.control_difference,
            "The same where the first layer alone is changed.",
        )?;
        let mut table = Table::new(["changed", "distance of the weights", "largest difference of a logit"]);
        table.row(["both layers".to_owned(), number(self.weight_distance), number(self.output_difference)]);
        table.row([
            "the first alone".to_owned(),
            number(self.control_distance),
            number(self.control_difference),
        ]);
        report.add("table", Summary::table(&table).with_description(ABOUT))?;
        report.values("pair", || {
            json!({
                "first": self.pair.first,
                "between": self.pair.between,
                "second": self.pair.second,
                "scaled": self.pair.scaled,
                "permutation": self.permutation,
                "scales": self.scales,
                "weight_distance": json_number(self.weight_distance),
                "weight_norm": json_number(self.weight_norm),
                "output_difference": json_number(self.output_difference),
                "output_scale": json_number(self.output_scale),
                "rounding": json_number(self.rounding),
                "control_distance": json_number(self.control_distance),
                "control_difference": json_number(self.control_difference),
            })
        });
        Ok(())
    }
}

/// The largest magnitude; NaN where there is one.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values
        .map(f64::abs)
        .fold(0.0, |most: f64, value| if value > most || value.is_nan() { value } else { most })
}

/// A permutation of so many channels that leaves none in its place (Sattolo 1986: a single cycle).
fn moving_permutation(channels: i64, random: &mut fastrand::Rng) -> Vec<i64> {
    let mut permutation: Vec<i64> = (0..channels).collect();
    for last in (1..permutation.len()).rev() {
        permutation.swap(last, random.usize(..last));
    }
    permutation
}

/// Euclidean distance of two sets of weights by name; of what the second does not have, the norm of the first.
fn distance(from: &[(String, Tensor)], to: &[(String, Tensor)]) -> Result<f64> {
    let is_statistic = |name: &str| name.ends_with("running_mean") || name.ends_with("running_var");
    let of_one = |(name, tensor): &(String, Tensor)| -> Result<f64, TchError> {
        let difference = match to.iter().find(|(other, _)| other == name) {
            Some((_, other)) => tensor.f_sub(other)?,
            None => tensor.shallow_clone(),
        };
        values::sum(&difference.f_to_kind(values::exact(&difference))?.f_square()?)
    };
    let squares = tch::no_grad(|| {
        (from.iter().filter(|(name, tensor)| !is_statistic(name) && tensor.is_floating_point()))
            .map(of_one)
            .sum::<Result<f64, TchError>>()
    });
    Ok(squares.context(|| "distance of the weights".to_owned())?.sqrt())
}
