//! The study of dropout.

use fastrand::Rng;
use serde_json::json;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    answers::{NoisyAnswers, answers_with_dropout, can_be_changed},
    mask::{DropoutUnit, check_probability, dropout_mask},
    noise::DropoutNoise,
    weights::{SurvivingWeights, surviving_weights},
};
use crate::{
    arch::{Layer, ModelSpec, lecture},
    capture::{Activation, Activations},
    error::Result,
    explain::{Case, Report, Settings, Study, Subject, sample::class_name},
    render::{self, NoisyMaps, WeightPanel, number, spread},
    summary::layer_tag,
    tch_context::TchContext as _,
};

/// Where nothing is said: cases with pictures, masks for each image, the share that is dropped.
const PICTURES: usize = 3;
const MASKS: usize = 16;
const P: f64 = 0.5;
/// Layers that are looked at.
const LAYERS: usize = 3;
/// Maps of a picture.
const MAPS: usize = 6;
const UNITS: [DropoutUnit; 2] = [DropoutUnit::Element, DropoutUnit::Channel];

const NOISE: &str = "Dropout in a CNN is noise that is multiplied into feature maps. First row: the strongest maps of this image \
     as they are in evaluation. Below: the same with single values dropped (`dropout`), and with whole channels dropped \
     (`dropout2d`); what is kept is divided by the keep rate q, so that the mean stays. The variance grows by \
     ((s^2 + m^2) / q - m^2) / s^2 for maps of mean m and variance s^2; a batch normalisation behind it learns the larger one \
     and meets the smaller one in evaluation (Li et al. 2018).";
const EXAMPLE: &str = "Dropout in front of a small convolution: M diag(r) x, where r is 0 for what is dropped. Every weight of the \
     kernel stands in several rows, so most still learn where inputs are dropped; in a fully connected layer each weight \
     belongs to one input, and learns nothing without it.";
const WEIGHTS: &str = "Which weights get a gradient from this image when values of the layer's input are dropped, one row for \
     each output. In a fully connected layer a weight belongs to one input: where that is dropped, its whole column learns \
     nothing. In a convolution a weight is used at all places of its channel, and learns unless all are dropped.";

/// What dropout does in a CNN: noise on feature maps, and which weights still learn.
///
/// It looks at the spec's dropout layers on feature maps, with their p (three of them at most), else at the first
/// activation function's maps with p = 0.5. Masks come from the subject's seed, the same at each step; nothing is drawn from
/// libtorch's generator, and everything else works as in evaluation.
///
/// | tag, below `explain/dropout/` | kind |
/// |---|---|
/// | `<layer>/<image>` | picture: the strongest maps, with single values and with whole channels dropped |
/// | `<layer>/keep_rate_element`, `..._channel` | measured share of values that were kept |
/// | `<layer>/variance_ratio_element`, `..._channel` | variance behind dropout as part of that without it, measured over all cases and masks |
/// | `<layer>/variance_ratio_expected` | the same by the formula |
/// | `<layer>/answer_std_element`, `..._channel` | standard deviation of the explained class's probability over the masks, mean of the cases |
/// | `weights/<image>` | picture: which weights learn behind dropout, in a convolution and in a fully connected layer |
/// | `weights/<layer>` | share of weights that lose their gradient to the mask |
/// | `example/<name>` | pictures of the lecture's [small cases](lecture::dropout), at the first run alone |
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutStudy {
    p: Option<f64>,
    masks: usize,
    pictures: usize,
    /// Whether the small cases were drawn.
    drawn: bool,
}

impl Default for DropoutStudy {
    fn default() -> DropoutStudy {
        DropoutStudy { p: None, masks: MASKS, pictures: PICTURES, drawn: false }
    }
}

/// A layer whose maps are dropped.
struct Target {
    layer: String,
    p: f64,
    /// Where p comes from, in words.
    origin: String,
    noise: [DropoutNoise; 2],
    /// Whether its output can be changed, so that there are answers.
    changes: bool,
    answers: [Vec<NoisyAnswers>; 2],
}

impl DropoutStudy {
    /// The p of the network's own layers, else 0.5; 16 masks; pictures of the first 3 cases.
    pub fn new() -> DropoutStudy {
        DropoutStudy::default()
    }

    pub(in crate::explain) fn from_settings(settings: &Settings) -> Result<DropoutStudy> {
        let study = DropoutStudy::new().masks(settings.samples.unwrap_or(MASKS));
        settings.drop.map_or(Ok(study.clone()), |p| study.p(p))
    }

    /// The share of values that is dropped, in place of the network's own.
    ///
    /// # Errors
    /// A share that is not at least 0 and below 1.
    pub fn p(mut self, p: f64) -> Result<DropoutStudy> {
        check_probability(p)?;
        self.p = Some(p);
        Ok(self)
    }

    /// How many masks each image gets; 0 counts as 1.
    #[must_use]
    pub fn masks(mut self, masks: usize) -> DropoutStudy {
        self.masks = masks.max(1);
        self
    }

    /// Draws the first so many cases; numbers are always taken over all.
    #[must_use]
    pub fn pictures(mut self, cases: usize) -> DropoutStudy {
        self.pictures = cases;
        self
    }

    /// The layers to look at, as they are found in the outputs of the first case.
    fn targets(&self, spec: Option<&ModelSpec>, seen: &Activations) -> Result<Vec<Target>> {
        let is_map = |activation: &&Activation| activation.tensor.size().len() == 4;
        let mut found: Vec<(String, f64, String)> = Vec::new();
        if let Some(spec) = spec {
            let model = spec.resolve()?;
            for (layer, _) in model.layers.iter().zip(model.feeds_output()).filter(|(_, feeds)| *feeds) {
                let (Layer::Dropout(dropout) | Layer::Dropout2d(dropout)) = layer.layer else { continue };
                if dropout.p < 1.0 && seen.get(&layer.name).as_ref().is_some_and(is_map) {
                    let p = self.p.unwrap_or(dropout.p);
                    let kind = layer.layer.type_name();
                    found.push((layer.name.clone(), p, format!("(a {kind} with {})", dropout.p)));
                }
            }
            found = spread(&found, LAYERS);
        }
        if found.is_empty() {
            let p = self.p.unwrap_or(P);
            let mut maps = seen.iter().filter(is_map);
            let chosen = maps.clone().find(|map| map.role.is_activation()).or_else(|| maps.next());
            let why = "(the network drops no feature maps: what it would do)".to_owned();
            found.extend(chosen.map(|map| (map.name.clone(), p, why)));
        }
        let target = |(layer, p, origin)| Target {
            layer,
            p,
            origin,
            noise: [DropoutNoise::new(p), DropoutNoise::new(p)],
            changes: true,
            answers: Default::default(),
        };
        Ok(found.into_iter().map(target).collect())
    }

    /// Counts what all masks do to one image's maps.
    fn measure(&self, target: &mut Target, maps: &Tensor, rng: &mut Rng) -> Result<()> {
        for (unit, noise) in UNITS.into_iter().zip(&mut target.noise) {
            for _ in 0..self.masks {
                noise.add(maps, &dropout_mask(maps, target.p, unit, rng)?)?;
            }
        }
        Ok(())
    }

    fn weights(&self, subject: &Subject<'_>, place: usize, report: &mut Report<'_>) -> Result<()> {
        let (Some(spec), Some(case)) = (subject.spec, subject.cases.get(place)) else { return Ok(()) };
        let p = self.p.unwrap_or(P);
        let (image, class) = (&case.sample.input, case.class);
        let (classifier, variables) = (subject.classifier, subject.variables);
        let found = surviving_weights(classifier, spec, variables, image, class, p, subject.seed)?;
        if found.is_empty() {
            if place == 0 {
                report.skip("no weights of a convolution or a fully connected layer could be followed");
            }
            return Ok(());
        }
        for weights in found.iter().filter(|_| place == 0) {
            if let Some(lost) = weights.lost_share() {
                let what = "Share of the layer's weights that lose their gradient when values of its input are dropped.";
                report.scalar(&format!("weights/{}", layer_tag(&weights.layer)), lost, what)?;
            }
        }
        let note = format!(
            "image {}; {}; each value of the layer's input is dropped with p = {}; counted: all weights of the layer",
            case.sample.name,
            case.words(subject.classes),
            number(p)
        );
        let texts: Vec<(String, String)> = found.iter().map(words).collect();
        let panels: Vec<WeightPanel<'_>> = (found.iter().zip(&texts))
            .map(|(weights, (title, foot))| WeightPanel {
                title,
                foot,
                columns: weights.shown[1],
                states: &weights.states,
            })
            .collect();
        let caption = report.caption("Which weights learn behind dropout?");
        let image = render::surviving_weights(&panels, &note, &caption)?;
        report.picture(&format!("weights/{}", case.sample.tag()), image, WEIGHTS)
    }
}

impl Study for DropoutStudy {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.drawn, true) {
            report.examples(lecture::dropout(report.step())?, EXAMPLE)?;
        }
        let Some(first) = subject.cases.first() else {
            report.skip("no images were given");
            return Ok(());
        };
        let mut targets =
            self.targets(subject.spec, &subject.classifier.activations(&first.sample.input)?)?;
        if targets.is_empty() {
            report.skip("no layer with feature maps passes the model's tap");
        }
        for target in &mut targets {
            target.changes = can_be_changed(subject.classifier, &first.sample.input, &target.layer)?;
            if !target.changes {
                let why = "only shows its output to the tap: what dropout does to the answer is not known";
                report.skip(format!("`{}` {why}", target.layer));
            }
        }
        let mut rng = Rng::with_seed(subject.seed);
        for (number, case) in subject.cases.iter().enumerate() {
            let seen = subject.classifier.activations(&case.sample.input)?;
            for target in &mut targets {
                let Some(maps) = seen.get(&target.layer) else { continue };
                self.measure(target, &maps.tensor, &mut rng)?;
                let of_case = UNITS.map(|unit| self.answers(subject, case, target, unit));
                let [element, channel] = of_case;
                let of_case = [element?, channel?];
                if number < self.pictures {
                    draw(target, case, &maps.tensor, &of_case, subject, report)?;
                }
                target.answers.iter_mut().zip(of_case).for_each(|(all, answers)| all.extend(answers));
            }
            if number < self.pictures {
                self.weights(subject, number, report)?;
            }
        }
        targets.iter().try_for_each(|target| target.write(report))
    }
}

impl DropoutStudy {
    fn answers(
        &self,
        subject: &Subject<'_>,
        case: &Case<'_>,
        target: &Target,
        unit: DropoutUnit,
    ) -> Result<Option<NoisyAnswers>> {
        if !target.changes {
            return Ok(None);
        }
        let (image, dropout) = (&case.sample.input, (target.p, unit));
        let Subject { classifier, seed, .. } = *subject;
        answers_with_dropout(classifier, image, case.class, &target.layer, dropout, self.masks, seed)
            .map(Some)
    }
}

impl Target {
    fn write(&self, report: &mut Report<'_>) -> Result<()> {
        let tag = layer_tag(&self.layer);
        let mut numbers: Vec<(String, Option<f64>, &str)> = Vec::new();
        for ((unit, noise), answers) in UNITS.into_iter().zip(&self.noise).zip(&self.answers) {
            let name = |what: &str| format!("{what}_{}", unit.as_str());
            let spread = answers.iter().map(NoisyAnswers::std).sum::<f64>() / answers.len() as f64;
            numbers.push((name("keep_rate"), noise.keep_rate(), "Measured share of values that were kept."));
            numbers.push((
                name("variance_ratio"),
                noise.variance_ratio(),
                "Measured variance of the maps behind dropout as part of that without it.",
            ));
            numbers.push((
                name("answer_std"),
                Some(spread).filter(|spread| spread.is_finite()),
                "Standard deviation of the explained class's probability over the masks, mean of the images.",
            ));
        }
        let expected = self.noise[0].expected_ratio();
        numbers.push((
            "variance_ratio_expected".to_owned(),
            expected,
            "Variance behind dropout as part of that without it, by ((s^2 + m^2) / q - m^2) / s^2.",
        ));
        for (name, value, description) in &numbers {
            if let Some(value) = value {
                report.scalar(&format!("{tag}/{name}"), *value, description)?;
            }
        }
        report.values(&self.layer, || {
            let mut all = serde_json::Map::new();
            all.insert("p".to_owned(), json!(self.p));
            for (unit, answers) in UNITS.into_iter().zip(&self.answers) {
                let probabilities: Vec<&[f64]> =
                    answers.iter().map(|of| of.probabilities.as_slice()).collect();
                all.insert(format!("probabilities_{}", unit.as_str()), json!(probabilities));
            }
            all.extend(numbers.iter().map(|(name, value, _)| (name.clone(), json!(value))));
            all.into()
        });
        Ok(())
    }
}

fn draw(
    target: &Target,
    case: &Case<'_>,
    maps: &Tensor,
    answers: &[Option<NoisyAnswers>; 2],
    subject: &Subject<'_>,
    report: &mut Report<'_>,
) -> Result<()> {
    let Target { layer, p, origin, noise, .. } = target;
    let shown = tch::no_grad(|| strongest(maps)).context(|| format!("maps of `{layer}`"))?;
    let mut rng = Rng::with_seed(subject.seed);
    let class = class_name(subject.classes, case.class);
    let mut masks = Vec::new();
    for ((unit, answers), what) in
        UNITS.into_iter().zip(answers).zip(["single values dropped", "whole channels dropped"])
    {
        let mask = dropout_mask(maps, *p, unit, &mut rng)?;
        let factors = tch::no_grad(|| shown.of(&mask)).context(|| format!("maps of `{layer}`"))?;
        let title = answers.as_ref().map_or_else(
            || what.to_owned(),
            |answers| {
                let [clean, mean, std] =
                    [answers.clean, answers.mean(), answers.std()].map(|p| format!("{:.0}", 100.0 * p));
                format!("{what}: P({class}) {clean} % -> {mean} % +- {std}")
            },
        );
        masks.push((title, factors));
    }
    let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let [element, channel] = noise;
    let note = format!(
        "image {}; {}; p = {} {origin}; kept: {} of the values, {} of the channels; variance: x {} and x {}, formula: x {}{}",
        case.sample.name,
        case.words(subject.classes),
        number(*p),
        text(element.keep_rate()),
        text(channel.keep_rate()),
        text(element.variance_ratio()),
        text(channel.variance_ratio()),
        text(element.expected_ratio()),
        answers[0]
            .as_ref()
            .map_or_else(String::new, |of| format!("; +- over {} masks", of.probabilities.len())),
    );
    let title = format!("{layer}: dropout is noise on feature maps");
    let picture = NoisyMaps {
        shape: shown.shape,
        channels: &shown.channels,
        maps: &shown.maps,
        masks: &masks,
        quantity: &format!("output of {layer}"),
    };
    let image = render::dropout_noise(&picture, &note, &report.caption(&title))?;
    report.picture(&format!("{}/{}", layer_tag(layer), case.sample.tag()), image, NOISE)
}

/// The maps with the largest mean magnitude, in the order of their channels.
struct Shown {
    index: Tensor,
    channels: Vec<usize>,
    shape: [usize; 3],
    maps: Vec<f32>,
}

impl Shown {
    /// The same maps of another tensor of this shape.
    fn of(&self, maps: &Tensor) -> Result<Vec<f32>, TchError> {
        let chosen = maps.f_select(0, 0)?.f_index_select(0, &self.index)?.f_to_kind(Kind::Float)?;
        Vec::try_from(&chosen.f_to_device(Device::Cpu)?.f_reshape([-1])?)
    }
}

fn strongest(maps: &Tensor) -> Result<Shown, TchError> {
    let (_, channels, height, width) = maps.size4()?;
    let strength = maps.f_select(0, 0)?.f_abs()?.f_nan_to_num(0.0, None, None)?;
    let strength = strength.f_mean_dim([1i64, 2].as_slice(), false, Kind::Float)?;
    let count = channels.min(MAPS as i64);
    let (_, index) = strength.f_topk(count, 0, true, true)?;
    let (index, _) = index.f_sort(0, false)?;
    let channels: Vec<i64> = Vec::try_from(&index)?;
    let channels = channels.into_iter().map(|channel| channel.unsigned_abs() as usize).collect();
    let shape = [count, height, width].map(|side| side.unsigned_abs() as usize);
    let mut shown = Shown { index, channels, shape, maps: Vec::new() };
    shown.maps = shown.of(maps)?;
    Ok(shown)
}

/// Title and count of a layer.
fn words(weights: &SurvivingWeights) -> (String, String) {
    let SurvivingWeights {
        layer, convolution, size: [outputs, inputs], learning, lost, gained, shown, ..
    } = weights;
    let kind = if *convolution { "convolution" } else { "fully connected" };
    let part = if shown == &[*outputs, *inputs] {
        format!("{outputs} x {inputs}")
    } else {
        format!("{} x {} of {outputs} x {inputs}", shown[0], shown[1])
    };
    let gained = if *gained > 0 { format!(", {gained} only here") } else { String::new() };
    (format!("{layer}, {kind}: {part}"), format!("{learning} learn, {lost} lost{gained}"))
}
