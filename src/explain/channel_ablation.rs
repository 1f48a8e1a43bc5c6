//! Which channels the answers need: each one is set to 0 in turn.

use serde_json::json;
use tch::{Device, Tensor};

use super::{
    attribution::number as json_number,
    classifier::Classifier,
    losses::{Labelled, Losses, device},
    report::Report,
    settings::Settings,
    study::{Evidence, Study, Subject},
};
use crate::{
    capture::Activations,
    error::{Error, Result},
    render::{
        AxisScale, Curve, LinePlot, MOST_BARS, PlotAxis, RankedBar, line_plot, number, ranked_bars, spread,
    },
    summary::{Summary, Table, layer_tag},
    tch_context::TchContext as _,
};

/// Half the width of a 95 % interval, in standard errors, of a normal distribution.
const NORMAL_95: f64 = 1.96;

/// How the loss on labelled images changes when one channel of a layer's output is set to 0 (Morcos et al. 2018, *On the
/// importance of single directions for generalization*): for each channel of each convolution and activation.
///
/// The change is the mean over the images of the difference between the two losses of the same image, in nats: paired, so
/// that hard and easy images do not blur it. Its confidence is 1.96 standard errors of those differences, a 95 % interval
/// where there are some dozens of images.
///
/// A channel is **without effect** where the whole interval lies within ±[`threshold`](ChannelAblation::threshold), as in
/// a test of equivalence (Schuirmann 1987). The default of 0.01 nats means that the probability of the true class changes
/// by less than 1 % of itself, on the geometric mean over the images.
///
/// Channels are taken away one at a time: two that do the same are both without effect, and the layer still needs one of
/// them. Where a normalisation follows, its shift stays: the channel carries a constant, not nothing.
///
/// Costs at most `images * (1 + layers * channels)` forward passes of one image: 38 500 by default.
///
/// ```
/// use convscope::{data::{Dataset, Normalization}, capture::Tap, explain::{ChannelAblation, Classifier, Evidence}};
/// use tch::{Device, Tensor};
///
/// // Two pixels are the two channels of a layer, and these the logits of two classes.
/// let tap = Tap::new();
/// let classifier = Classifier::new(|images| {
///     Ok(tap.pass("relu", convscope::capture::Role::Relu, images.reshape([-1, 2])) * 1.0)
/// })
/// .tap(&tap);
/// let images = Tensor::from_slice(&[3.0f32, 0.0]).reshape([1, 2, 1, 1]);
/// let data = Dataset::new(&images, &Tensor::from_slice(&[0i64]), vec!["a".into(), "b".into()])?;
/// let normalization = Normalization::identity(2);
/// let evidence = Evidence { images: &data, normalization: &normalization };
///
/// let found = ChannelAblation::new().ablate(&classifier, &evidence, "relu", Device::Cpu)?;
/// let change = 2f64.ln() - (1.0 + (-3f64).exp()).ln(); // from logits 3 and 0 to 0 and 0
/// assert!((found.effects[0].loss_change - change).abs() < 1e-6);
/// assert_eq!(found.effects[1].loss_change, 0.0);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAblation {
    images: usize,
    layers: usize,
    channels: usize,
    threshold: f64,
    layer: Option<String>,
}

/// What happens without a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelEffect {
    /// The channel, counted from 0.
    pub channel: usize,
    /// Mean change of the loss, in nats: above 0 where the channel helps.
    pub loss_change: f64,
    /// Half the width of its 95 % interval, in nats; infinite for a single image.
    pub interval: f64,
    /// Share of the images whose answer is another one, 0 to 1.
    pub changed_answers: f64,
}

/// What happens without each channel of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAblation {
    /// Name of the layer.
    pub layer: String,
    /// How many channels it has.
    pub channels: usize,
    /// Those that were taken away, the one whose loss rises most first.
    pub effects: Vec<ChannelEffect>,
}

impl ChannelEffect {
    /// Whether the whole interval lies within ±`threshold`.
    pub fn is_without_effect(&self, threshold: f64) -> bool {
        self.loss_change.abs() + self.interval < threshold
    }
}

impl LayerAblation {
    /// Share of the measured channels that are [without effect](ChannelEffect::is_without_effect), 0 to 1.
    pub fn without_effect(&self, threshold: f64) -> f64 {
        let without = self.effects.iter().filter(|effect| effect.is_without_effect(threshold)).count();
        without as f64 / self.effects.len().max(1) as f64
    }
}

impl Default for ChannelAblation {
    fn default() -> ChannelAblation {
        ChannelAblation { images: 100, layers: 6, channels: 64, threshold: 0.01, layer: None }
    }
}

impl From<&Settings> for ChannelAblation {
    /// Of `layer` alone, of so many `filters`.
    fn from(settings: &Settings) -> ChannelAblation {
        let ablation = ChannelAblation { layer: settings.layer.clone(), ..ChannelAblation::default() };
        settings.filters.map_or(ablation.clone(), |channels| ablation.channels(channels))
    }
}

impl ChannelAblation {
    /// 100 images, 6 layers, 64 channels of each, a threshold of 0.01 nats.
    pub fn new() -> ChannelAblation {
        ChannelAblation::default()
    }

    /// At most so many images, at least one: the first of every class.
    #[must_use]
    pub fn images(mut self, images: usize) -> ChannelAblation {
        self.images = images.max(1);
        self
    }

    /// At most so many layers, evenly spread from the first to the last.
    #[must_use]
    pub fn layers(mut self, layers: usize) -> ChannelAblation {
        self.layers = layers.max(1);
        self
    }

    /// This layer alone.
    #[must_use]
    pub fn layer(mut self, layer: impl Into<String>) -> ChannelAblation {
        self.layer = Some(layer.into());
        self
    }

    /// At most so many channels of a layer, evenly spread from the first to the last.
    #[must_use]
    pub fn channels(mut self, channels: usize) -> ChannelAblation {
        self.channels = channels.max(1);
        self
    }

    /// The change, in nats, below which a channel is without effect.
    #[must_use]
    pub fn threshold(mut self, nats: f64) -> ChannelAblation {
        self.threshold = nats;
        self
    }

    /// What happens without each channel of the layer, which the classifier observes: of its output `[N, channels, ...]`.
    ///
    /// # Errors
    /// A layer that is not observed, or whose output the tap does not hand on; labels that the model does not have; what
    /// the model refuses.
    pub fn ablate(
        &self,
        classifier: &Classifier<'_>,
        evidence: &Evidence<'_>,
        layer: &str,
        device: Device,
    ) -> Result<LayerAblation> {
        let labelled = Labelled::of(evidence, self.images, device)?;
        let activations = classifier.activations(&labelled.first(1)?)?;
        self.ablate_from(classifier, &labelled, &labelled.losses(classifier)?, &activations, layer)
    }

    fn ablate_from(
        &self,
        classifier: &Classifier<'_>,
        labelled: &Labelled<'_>,
        before: &Losses,
        activations: &Activations,
        layer: &str,
    ) -> Result<LayerAblation> {
        let what = || format!("layer `{layer}`");
        let observed = activations.get(layer).and_then(|activation| activation.tensor.size().get(1).copied());
        let channels = observed.map(i64::unsigned_abs).unwrap_or_default() as usize;
        if channels == 0 {
            return Err(Error::invalid(
                what(),
                "its output is not observed, or has no channels; take another layer",
            ));
        }
        let chosen = spread(&(0..channels).collect::<Vec<_>>(), self.channels);
        let mut effects = Vec::with_capacity(chosen.len());
        for channel in chosen {
            let name = layer.to_owned();
            let edit = classifier.observed().edit(move |passing, _, output| {
                if passing == name { without_channel(output, channel).map(Some) } else { Ok(None) }
            });
            let after = labelled.losses(classifier);
            if edit.finish()? == 0 {
                return Err(Error::invalid(
                    what(),
                    "the tap only observes it: hand its output on by `Tap::pass`",
                ));
            }
            effects.push(effect(channel, before, &after?));
        }
        // Losses that are no numbers come first: they are the largest harm.
        let rank = |effect: &ChannelEffect| {
            if effect.loss_change.is_nan() { f64::INFINITY } else { effect.loss_change }
        };
        effects.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then(a.channel.cmp(&b.channel)));
        Ok(LayerAblation { layer: layer.to_owned(), channels, effects })
    }

    /// Outputs of convolutions and activation functions, in the order in which they pass.
    fn chosen(&self, activations: &Activations) -> Vec<String> {
        if let Some(layer) = &self.layer {
            return vec![layer.clone()];
        }
        let is_candidate =
            |role: crate::arch::Role| role.is_activation() || role == crate::arch::Role::Convolution;
        let mut names: Vec<String> = Vec::new();
        for activation in activations.iter().filter(|activation| is_candidate(activation.role)) {
            if !names.contains(&activation.name) && activation.tensor.dim() >= 2 {
                names.push(activation.name.clone());
            }
        }
        spread(&names, self.layers)
    }

    fn draw_layer(&self, found: &LayerAblation, images: usize, report: &mut Report<'_>) -> Result<()> {
        let LayerAblation { layer, channels, effects } = found;
        // Both ends of the ranking where all are too many for a picture.
        let (top, end) = (MOST_BARS - MOST_BARS / 4, effects.len().saturating_sub(MOST_BARS / 4));
        let shown: Vec<&ChannelEffect> = match effects.len() {
            ..=MOST_BARS => effects.iter().collect(),
            _ => effects[..top].iter().chain(&effects[end..]).collect(),
        };
        let left_out = effects.len() - shown.len();
        let gap =
            if left_out > 0 { format!(", the {left_out} in the middle left out") } else { String::new() };
        let labels: Vec<String> = shown.iter().map(|effect| format!("channel {}", effect.channel)).collect();
        let bars: Vec<RankedBar<'_>> = (shown.iter().zip(&labels))
            .map(|(effect, label)| {
                let bar = RankedBar::new(label, effect.loss_change).interval(effect.interval);
                bar.faint(effect.is_without_effect(self.threshold))
            })
            .collect();
        let measured = match effects.len() {
            all if all == *channels => format!("{channels} channels"),
            some => format!("{some} of {channels} channels, evenly spread"),
        };
        let note = format!(
            "{measured}, ranked{gap}; {images} validation images, whiskers: 95 % interval of the paired differences; grey: within \
             {} nats, no effect ({:.0} %)",
            number(self.threshold),
            100.0 * found.without_effect(self.threshold)
        );
        let title = format!("channels of {layer} set to 0");
        let caption = report.caption(&title);
        let image = ranked_bars(&bars, Some(self.threshold), "change of the loss, nats", &note, &caption)?;
        report.picture(&layer_tag(layer), image, ABOUT)?;
        let share = found.without_effect(self.threshold);
        report.scalar(&format!("without_effect/{}", layer_tag(layer)), share, WITHOUT)?;
        report.values(layer, || {
            let effects = effects.iter().map(|effect| {
                json!({
                    "channel": effect.channel,
                    "loss_change": json_number(effect.loss_change),
                    "interval": json_number(effect.interval),
                    "changed_answers": effect.changed_answers,
                })
            });
            json!({
                "channels": channels,
                "images": images,
                "threshold": self.threshold,
                "without_effect": share,
                "effects": effects.collect::<Vec<_>>(),
            })
        });
        Ok(())
    }

    /// All layers in one plot: the ranked changes over the share of channels.
    fn draw_overview(&self, found: &[LayerAblation], images: usize, report: &mut Report<'_>) -> Result<()> {
        let place = |rank: usize, of: usize| (rank as f64 + 0.5) / of as f64;
        let points: Vec<Vec<(f64, f64)>> = (found.iter())
            .map(|layer| {
                let effects = layer.effects.iter().enumerate();
                effects.map(|(rank, effect)| (place(rank, layer.effects.len()), effect.loss_change)).collect()
            })
            .collect();
        let curves: Vec<Curve<'_>> =
            found.iter().zip(&points).map(|(layer, points)| Curve::new(&layer.layer, points)).collect();
        let x = PlotAxis::linear("share of the layer's channels, ranked").range(0.0, 1.0);
        let y = PlotAxis {
            scale: AxisScale::Log { floor: self.threshold.max(1e-9) },
            ..PlotAxis::linear("change of the loss without the channel, nats")
        };
        let note = format!(
            "{images} validation images; the grey strip holds changes up to {}, and negative ones",
            number(self.threshold)
        );
        let image =
            line_plot(&LinePlot::new(x, y, &curves), &note, &report.caption("channels set to 0, by layer"))?;
        report.picture("overview", image, ABOUT)?;
        let mut table =
            Table::new(["layer", "channels", "measured", "without effect", "largest change", "of channel"]);
        for layer in found {
            let Some(first) = layer.effects.first() else { continue };
            table.row([
                layer.layer.clone(),
                layer.channels.to_string(),
                layer.effects.len().to_string(),
                format!("{:.0} %", 100.0 * layer.without_effect(self.threshold)),
                format!("{} +- {} nats", number(first.loss_change), number(first.interval)),
                first.channel.to_string(),
            ]);
        }
        report.add("table", Summary::table(&table).with_description(ABOUT))
    }
}

const ABOUT: &str = "**Channel ablation**: how much the loss on validation images rises when one channel of the layer is set \
                     to 0 and all else stays (Morcos et al. 2018). The change is the mean difference between the two \
                     losses of the same image, with its 95 % interval. Grey channels change the probability of the true \
                     class by less than 1 % of itself. Channels that do the same stand in for each other: both look \
                     superfluous here, and only one is.";
const WITHOUT: &str = "Share of the layer's measured channels that can be set to 0, one at a time, without effect: the 95 % \
                       interval of the loss change lies within the threshold.";

impl Study for ChannelAblation {
    fn name(&self) -> &'static str {
        "channel_ablation"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(evidence) = &subject.data else {
            report.skip("the loss is measured on labelled images, and none are given");
            return Ok(());
        };
        let labelled = Labelled::of(evidence, self.images, device(subject))?;
        let activations = subject.classifier.activations(&labelled.first(1)?)?;
        let layers = self.chosen(&activations);
        if layers.is_empty() {
            report.skip("no output of a convolution or an activation function is observed");
            return Ok(());
        }
        let before = labelled.losses(subject.classifier)?;
        let mut found = Vec::new();
        for layer in layers {
            found.push(self.ablate_from(subject.classifier, &labelled, &before, &activations, &layer)?);
        }
        self.draw_overview(&found, labelled.len(), report)?;
        found.iter().try_for_each(|layer| self.draw_layer(layer, labelled.len(), report))
    }
}

/// A copy of an output with one channel at 0.
fn without_channel(output: &Tensor, channel: usize) -> Result<Tensor> {
    let silenced = || {
        let index = Tensor::f_from_slice(&[channel as i64])?.f_to_device(output.device())?;
        output.f_index_fill(1, &index, 0.0)
    };
    silenced().context(|| format!("channel {channel} of an output of shape {:?}", output.size()))
}

/// Mean and interval of the paired differences.
fn effect(channel: usize, before: &Losses, after: &Losses) -> ChannelEffect {
    let differences: Vec<f64> =
        after.losses.iter().zip(&before.losses).map(|(after, before)| after - before).collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let interval = if differences.len() > 1 {
        NORMAL_95 * (squares / (count - 1.0) / count).sqrt()
    } else {
        f64::INFINITY
    };
    let changed = after.answers.iter().zip(&before.answers).filter(|(after, before)| after != before).count();
    ChannelEffect { channel, loss_change: mean, interval, changed_answers: changed as f64 / count }
}
