//! The callback that shows how effective receptive fields grow.

use tch::Tensor;

use super::{
    field::EffectiveField,
    graph::{ForwardGraph, Unit},
};
use crate::{
    arch::{PixelBox, ReceptiveFields},
    callback::{CONTINUE, Callback, Context, Flow, Metrics, ProbeImages, Schedule, TRAIN, layer_tag},
    capture::{Activation, Activations, Role},
    error::{Error, Result},
    render::{self, BoundingBox, Caption, GrowthCurve},
    summary::{Image, Step, Summary},
    writer::{SubRun, SummarySink},
};

/// The share of the mass that counts as the field.
const SHARE: f64 = 0.95;
/// Layers that are shown where none are named.
const LAYERS: usize = 5;
/// Points of the growth curves that are kept; from there on every second one goes.
const MOST_POINTS: usize = 1000;
const BLACK: [u8; 3] = [0; 3];
const RED: [u8; 3] = [214, 39, 40];

/// Writes how large the part of the image is that really moves the centre unit of a layer, and how it grows while
/// training: see [`effective_receptive_field`](super::effective_receptive_field).
///
/// | tag | kind |
/// |---|---|
/// | `receptive_field/effective/<layer>` | scalar: rows and columns that hold 95 % of the mass, mean of both, in pixels; 0 where no pixel moves the unit |
/// | `receptive_field/ratio/<layer>` | scalar: the same as part of the theoretical field within the image, where that is known |
/// | `receptive_field/effective_map/<layer>` | image: the map, with frames around the theoretical field and the 95 % |
/// | `receptive_field/growth` | image: the sizes of all layers at all steps so far |
///
/// All stand in the run `train`, first for the weights before the first batch. They need the model
/// ([`Session::model`](crate::Session::model)), without which nothing is written, and its tap. Each time costs a forward
/// pass over the probe images, and a backward pass from each layer. Training does not notice. The curves begin anew
/// where a training is resumed.
///
/// ```
/// use convscope::{
///     MemorySink, Network, Schedule, Session, arch::ModelSpec, callback::ProbeImages,
///     diagnostics::EffectiveReceptiveField,
/// };
/// use tch::{Device, Kind, Tensor, nn};
///
/// let spec = ModelSpec::default_model(10)?;
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &spec)?;
/// let pixels = Tensor::rand([4, 1, 28, 28], (Kind::Float, Device::Cpu));
/// let images = ProbeImages::new(pixels.shallow_clone(), pixels, Vec::new())?;
///
/// let callback = EffectiveReceptiveField::new(&images)
///     .theoretical(spec.receptive_fields()?)
///     .layers(["conv2", "conv3"])
///     .schedule(Schedule::epochs(5));
/// let mut sink = MemorySink::default();
/// let mut session = Session::new(&store, callback, &mut sink)
///     .tap(network.tap())
///     .f_model(|images| network.f_forward_t(images, false));
/// drop(session.begin_step()?); // the weights before the first batch are shown now
/// drop(session);
/// assert!(sink.entries.iter().any(|entry| entry.tag.as_str() == "receptive_field/ratio/conv3"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct EffectiveReceptiveField {
    images: Tensor,
    schedule: Schedule,
    layers: Option<Vec<String>>,
    theoretical: Option<ReceptiveFields>,
    growth: Growth,
    /// Step at which it was written last, so that an epoch's end does not write it again.
    written: Option<Step>,
}

impl EffectiveReceptiveField {
    /// Fields of up to five convolutions, evenly from the first to the last, at the end of every epoch. Without
    /// convolutions in sight, of activations, else of any maps.
    pub fn new(images: &ProbeImages) -> EffectiveReceptiveField {
        EffectiveReceptiveField {
            images: images.input().shallow_clone(),
            schedule: Schedule::epoch(),
            layers: None,
            theoretical: None,
            growth: Growth::default(),
            written: None,
        }
    }

    /// When to look. The default is [`Schedule::epoch`].
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> EffectiveReceptiveField {
        self.schedule = schedule;
        self
    }

    /// These layers, in this order; an unknown one is an error before the first batch. The growth picture shows seven.
    #[must_use]
    pub fn layers<S: Into<String>>(mut self, layers: impl IntoIterator<Item = S>) -> EffectiveReceptiveField {
        self.layers = Some(layers.into_iter().map(Into::into).collect());
        self
    }

    /// What the layers can see: [`ModelSpec::receptive_fields`](crate::ModelSpec::receptive_fields) of the network, or of
    /// a spec written for a model with probes of the same names, which
    /// [`check_receptive_field`](crate::diagnostics::check_receptive_field) tests. Without it there is no ratio.
    #[must_use]
    pub fn theoretical(mut self, fields: ReceptiveFields) -> EffectiveReceptiveField {
        self.theoretical = Some(fields);
        self
    }

    fn write(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        if !cx.has_model() {
            return Ok(());
        }
        let observe = |images: &Tensor| cx.observe_with_graph(images).map(Option::unwrap_or_default);
        let graph = ForwardGraph::with(&self.images, observe)?;
        let layers = self.layers.get_or_insert_with(|| spread_over_depth(graph.activations()));
        let out = &mut out.sub_run(TRAIN);
        let mut measured = Vec::with_capacity(layers.len());
        for layer in layers.iter() {
            let view = View::of(&graph, layer, self.theoretical.as_ref())?;
            view.write(cx, self.images.size()[0], out)?;
            measured.push(view.measure());
        }
        self.growth.add(cx.step(), measured);
        if !layers.is_empty() {
            let picture = self.growth.draw(layers, &caption(cx, "effective receptive fields"))?;
            out.add("receptive_field/growth", Summary::image(picture).with_description(GROWTH), cx.step())?;
        }
        self.written = Some(cx.step());
        Ok(())
    }
}

impl Callback for EffectiveReceptiveField {
    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.includes_start(cx.position()) {
            if !cx.has_model() {
                tracing::warn!(
                    "no effective receptive fields: the session has no model to run; give it with `Session::model`"
                );
            }
            self.write(cx, out)?;
        }
        CONTINUE
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.is_due(cx.position()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.epoch_is_due(cx.position()) && self.written != Some(cx.step()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }
}

const EFFECTIVE: &str = "Rows and columns (mean of both, in pixels) that hold 95 % of what moves the layer's centre unit: \
    mean |dy/dx| over the probe images (Luo et al. 2016).";
const RATIO: &str = "`receptive_field/effective` as part of the theoretical field within the image.";
const MAP: &str = "How much each pixel moves the layer's centre unit, all channels summed: mean |dy/dx| over the probe \
    images (Luo et al. 2016). Frames: what it can see at most, and the rows and columns that hold 95 % of the mass.";
const GROWTH: &str = "Effective receptive fields of the layers at all steps so far; dotted: the theoretical ones within \
    the image.";

/// One layer's field at one step.
struct View<'a> {
    layer: &'a str,
    /// Row and column of its centre unit, where it has maps.
    unit: Option<(i64, i64)>,
    field: EffectiveField,
    theoretical: Option<PixelBox>,
}

/// What the curves show of a layer: pixels, mean of both axes.
#[derive(Debug, Clone, Copy)]
struct Measure {
    size: f64,
    limit: Option<f64>,
}

impl<'a> View<'a> {
    fn of(graph: &ForwardGraph, layer: &'a str, theoretical: Option<&ReceptiveFields>) -> Result<View<'a>> {
        let field = graph.field(layer, Unit::center())?;
        let size = graph.activations().get(layer).map(|activation| activation.tensor.size());
        let unit = match size.as_deref() {
            Some([_, _, height, width]) => Some((height / 2, width / 2)),
            _ => None,
        };
        let (row, column) = unit.unwrap_or_default();
        let theoretical = theoretical
            .filter(|fields| fields.get(layer).is_some())
            .map(|fields| fields.unit_box(layer, row, column))
            .transpose()
            .map_err(|error| {
                Error::invalid(
                    "effective receptive field",
                    format!("the model is not that of its spec: {error}"),
                )
            })?;
        Ok(View { layer, unit, field, theoretical })
    }

    fn measure(&self) -> Measure {
        let [height, width] = self.field.size();
        let seen = self.theoretical.and_then(|seen| seen.clip(height as i64, width as i64));
        Measure {
            size: mean(self.field.extent(SHARE).map(|side| side as f64)),
            limit: seen.map(|seen| mean([seen.height() as f64, seen.width() as f64])),
        }
    }

    fn write(&self, cx: &Context<'_>, images: i64, out: &mut SubRun<'_>) -> Result<()> {
        let layer = layer_tag(self.layer);
        let size = Summary::scalar(self.measure().size).with_description(EFFECTIVE);
        out.add(&format!("receptive_field/effective/{layer}"), size, cx.step())?;
        if let Some(ratio) = self.theoretical.and_then(|seen| self.field.ratio(SHARE, &seen)) {
            let ratio = Summary::scalar(mean(ratio)).with_description(RATIO);
            out.add(&format!("receptive_field/ratio/{layer}"), ratio, cx.step())?;
        }
        let map = Summary::image(self.draw(images, &caption(cx, self.layer))?).with_description(MAP);
        out.add(&format!("receptive_field/effective_map/{layer}"), map, cx.step())
    }

    fn draw(&self, images: i64, caption: &Caption<'_>) -> Result<Image> {
        let map: Vec<f32> = self.field.map().iter().map(|&value| value as f32).collect();
        let unit =
            self.unit.map_or("all outputs".to_owned(), |(row, column)| format!("unit ({row}, {column})"));
        let note = match self.field.silent_images() {
            0 => format!("what moves {unit}, mean over {images} images"),
            silent => {
                format!("what moves {unit}, mean over {images} images, {silent} of them without gradient")
            }
        };
        let frames: Vec<BoundingBox> = self.theoretical_frame().into_iter().chain(self.frame()).collect();
        render::effective_field(&map, self.field.size(), &note, &frames, caption)
    }

    fn theoretical_frame(&self) -> Option<BoundingBox> {
        let PixelBox { top, left, bottom, right } = self.theoretical?;
        let [height, width] = self.field.size();
        let (whole, seen) = (self.theoretical?, self.theoretical?.clip(height as i64, width as i64)?);
        let size = format!("{} x {} pixels", whole.height(), whole.width());
        let label = if seen == whole {
            format!("theoretical field: {size}")
        } else {
            format!("theoretical field: {size}, {} x {} in the image", seen.height(), seen.width())
        };
        let frame = BoundingBox::new(left as f64, top as f64, right as f64, bottom as f64);
        Some(frame.label(label).rgb(BLACK))
    }

    fn frame(&self) -> Option<BoundingBox> {
        let [(top, bottom), (left, right)] = self.field.span(SHARE)?;
        let [rows, columns] = self.field.extent(SHARE);
        let part = self.theoretical.and_then(|seen| self.field.ratio(SHARE, &seen));
        let part =
            part.map_or(String::new(), |[rows, columns]| format!(" ({rows:.2} and {columns:.2} of it)"));
        let label = format!("95 % of the mass: {rows} rows, {columns} columns{part}");
        let frame = BoundingBox::new(left as f64, top as f64, right as f64 + 1.0, bottom as f64 + 1.0);
        Some(frame.label(label).rgb(RED))
    }
}

/// The sizes at all steps so far.
#[derive(Debug, Default)]
struct Growth(Vec<(Step, Vec<Measure>)>);

impl Growth {
    fn add(&mut self, step: Step, measured: Vec<Measure>) {
        if self.0.len() >= MOST_POINTS {
            let mut number = 0;
            self.0.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.0.retain(|(earlier, _)| *earlier < step);
        self.0.push((step, measured));
    }

    fn draw(&self, layers: &[String], caption: &Caption<'_>) -> Result<Image> {
        let steps: Vec<Step> = self.0.iter().map(|(step, _)| *step).collect();
        let of_layer = |layer: usize| self.0.iter().filter_map(move |(_, measured)| measured.get(layer));
        let sizes: Vec<Vec<f64>> =
            (0..layers.len()).map(|layer| of_layer(layer).map(|measure| measure.size).collect()).collect();
        let curves: Vec<GrowthCurve<'_>> = layers
            .iter()
            .zip(&sizes)
            .enumerate()
            .map(|(number, (layer, sizes))| {
                let limit = of_layer(number).next_back().and_then(|measure| measure.limit);
                GrowthCurve { layer, sizes, limit }
            })
            .collect();
        let note = "rows and columns that hold 95 % of the mass; dotted: theoretical field within the image";
        render::growth(&steps, &curves, note, caption)
    }
}

/// Up to five layers with maps, evenly from the first to the last.
fn spread_over_depth(activations: &Activations) -> Vec<String> {
    let with_maps = |role: Option<Role>| -> Vec<&str> {
        let fits = |a: &&Activation| a.tensor.dim() == 4 && role.is_none_or(|role| a.role == role);
        activations.iter().filter(fits).map(|a| a.name.as_str()).collect()
    };
    let layers = [Some(Role::Convolution), Some(Role::Activation), None]
        .into_iter()
        .map(with_maps)
        .find(|layers| !layers.is_empty())
        .unwrap_or_default();
    let shown = layers.len().min(LAYERS);
    let last = layers.len().saturating_sub(1);
    (0..shown).map(|i| layers[i * last / (shown - 1).max(1)].to_owned()).collect()
}

fn caption<'a>(cx: &Context<'_>, layer: &'a str) -> Caption<'a> {
    let position = cx.position();
    Caption { layer, step: position.step, epoch: (position.batch > 0).then_some(position.epoch) }
}

fn mean([rows, columns]: [f64; 2]) -> f64 {
    f64::midpoint(rows, columns)
}
