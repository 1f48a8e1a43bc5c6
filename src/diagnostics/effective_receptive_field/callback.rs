//! The callback that shows how effective receptive fields grow.

use tch::Tensor;

use super::{
    graph::ForwardGraph,
    growth::Growth,
    view::{Measure, View},
};
use crate::{
    arch::ReceptiveFields,
    callback::{CONTINUE, Callback, Context, Flow, Metrics, ProbeImages, Schedule, TRAIN},
    capture::{Activation, Activations, Role},
    error::{Error, Result},
    render::spread,
    summary::{Step, Summary, layer_tag},
    writer::{SubRun, SummarySink},
};

/// Layers that are shown where none are named.
const LAYERS: usize = 5;

/// Writes how large the part of the image is that really moves the centre unit of a layer, and how it grows while
/// training: see [`effective_receptive_field`](super::effective_receptive_field).
///
/// | tag | kind |
/// |---|---|
/// | `receptive_field/effective/<layer>` | scalar: rows and columns that hold 95 % of the mass, mean of both, in pixels; 0 where no pixel moves the unit, NaN where a gradient is NaN or infinite |
/// | `receptive_field/ratio/<layer>` | scalar: the same as part of the theoretical field within the image, where that is known |
/// | `receptive_field/effective_map/<layer>` | image: the map, with frames around the theoretical field and the 95 % |
/// | `receptive_field/growth` | image: the sizes of all layers at all steps so far |
///
/// All stand in the run `train`, first for the weights before the first batch. They need the model
/// ([`Session::model`](crate::Session::model)), without which nothing is written, and its tap. Each time costs a forward
/// pass over the probe images, and a backward pass from each layer. Training does not notice. The curves begin anew
/// where a training is resumed.
///
/// Gradients that are NaN or infinite are told in a warning, the first time, and in the pictures.
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
    /// Whether gradients that are not finite were warned of.
    warned: bool,
}

impl EffectiveReceptiveField {
    /// Fields of up to five convolutions, evenly from the first to the last, at the end of every epoch. Without
    /// convolutions in sight, of activations, else of any maps.
    pub fn new(images: &ProbeImages) -> EffectiveReceptiveField {
        EffectiveReceptiveField {
            images: images.input().shallow_clone(),
            schedule: Schedule::epoch().within_budget(),
            layers: None,
            theoretical: None,
            growth: Growth::default(),
            written: None,
            warned: false,
        }
    }

    /// When to look. The default is [`Schedule::epoch`].
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> EffectiveReceptiveField {
        self.schedule = schedule.within_budget();
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
    /// [`check_receptive_field`](crate::diagnostics::check_receptive_field) tests. Without it there is no ratio, nor for
    /// layers whose field has no known place ([`ReceptiveFields::of_any_size`]). Fields for images of another size than
    /// the probe images are an error before the first batch.
    #[must_use]
    pub fn theoretical(mut self, fields: ReceptiveFields) -> EffectiveReceptiveField {
        self.theoretical = Some(fields);
        self
    }

    /// The theoretical fields must be those for the probe images.
    fn check_size(&self) -> Result<()> {
        let solved = self.theoretical.as_ref().and_then(ReceptiveFields::image_size);
        let size = self.images.size();
        let (Some([height, width]), &[_, _, rows, columns]) = (solved, size.as_slice()) else {
            return Ok(());
        };
        if [height, width] == [rows, columns] {
            return Ok(());
        }
        let why = format!(
            "the probe images have {rows} x {columns} pixels, but the theoretical fields were solved for \
             {height} x {width}: give images of that size, or the fields of a model with this input"
        );
        Err(Error::invalid("effective receptive field", why))
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
            if view.non_finite() > 0 && !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    "effective receptive field of layer `{layer}` at step {}: the gradients of {} pixels are NaN or \
                     infinite, so its size is not known; look at `health/non_finite`",
                    cx.step().get(),
                    view.non_finite()
                );
            }
            measured.push(write_layer(&view, cx, self.images.size()[0], out)?);
        }
        self.growth.add(cx.step(), measured);
        if !layers.is_empty() {
            let picture = self.growth.draw(layers, &cx.caption("effective receptive fields"))?;
            out.add("receptive_field/growth", Summary::image(picture).with_description(GROWTH), cx.step())?;
        }
        self.written = Some(cx.step());
        Ok(())
    }
}

/// The numbers and the picture of a layer.
fn write_layer(view: &View<'_>, cx: &Context<'_>, images: i64, out: &mut SubRun<'_>) -> Result<Measure> {
    let layer = layer_tag(view.layer);
    let measure = view.measure();
    let size = Summary::scalar(measure.size).with_description(EFFECTIVE);
    out.add(&format!("receptive_field/effective/{layer}"), size, cx.step())?;
    if let Some(ratio) = measure.ratio {
        let ratio = Summary::scalar(ratio).with_description(RATIO);
        out.add(&format!("receptive_field/ratio/{layer}"), ratio, cx.step())?;
    }
    let map = Summary::image(view.draw(images, &cx.caption(view.layer))?).with_description(MAP);
    out.add(&format!("receptive_field/effective_map/{layer}"), map, cx.step())?;
    Ok(measure)
}

impl Callback for EffectiveReceptiveField {
    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.check_size()?;
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
    mean |dy/dx| over the probe images (Luo et al. 2016). NaN: gradients are NaN or infinite.";
const RATIO: &str = "`receptive_field/effective` as part of the theoretical field within the image.";
const MAP: &str = "How much each pixel moves the layer's centre unit, all channels summed: mean |dy/dx| over the probe \
    images (Luo et al. 2016). Frames: what it can see at most, and from the first to the last of the fewest rows \
    and columns that hold 95 % of the mass.";
const GROWTH: &str = "Effective receptive fields of the layers at all steps so far; dotted: the theoretical ones within \
    the image.";

/// Up to five layers with maps, evenly from the first to the last.
fn spread_over_depth(activations: &Activations) -> Vec<String> {
    let with_maps = |fits_role: fn(Role) -> bool| -> Vec<&str> {
        let fits = |a: &&Activation| a.tensor.dim() == 4 && fits_role(a.role);
        activations.iter().filter(fits).map(|a| a.name.as_str()).collect()
    };
    let layers = [|role| role == Role::Convolution, Role::is_activation, |_| true]
        .into_iter()
        .map(with_maps)
        .find(|layers| !layers.is_empty())
        .unwrap_or_default();
    spread(&layers, LAYERS).into_iter().map(str::to_owned).collect()
}
