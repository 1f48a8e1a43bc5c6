//! What is written, and under which tags.

use super::{pictures, probe};
use crate::{
    arch::{
        advice::{Advice, AdviceKind, AdviceOptions},
        graph,
        nearby::did_you_mean,
        receptive_field::{ReceptiveField, ReceptiveFields},
        resolve::{ResolvedLayer, ResolvedModel},
        spec::ModelSpec,
        summary::ModelSummary,
    },
    error::{Error, Result},
    render::{self, Caption, spread},
    summary::{Image, Step, Summary, layer_tag},
    writer::SummarySink,
};

/// Pictures of single layers, unless told otherwise.
const PICTURES: usize = 12;
/// Tiles of the overview.
const TILES: usize = 24;
/// Pictures of dilated kernels.
const KERNELS: usize = 6;
/// The tag of the conceptual graph, as Keras has it.
const CONCEPTUAL: &str = "keras";
/// What follows `receptive_field/` in tags that are no layers.
const TAKEN: [&str; 7] = ["advice", "dilation", "effective", "effective_map", "growth", "overview", "ratio"];

/// Writes what is known of a model before it is trained. All of it lies on step 0.
///
/// | tag | page | holds |
/// |---|---|---|
/// | – | Graphs | the graph of layers ([`ModelSpec::graph`]) |
/// | `keras` | Graphs | the conceptual graph ([`ModelSpec::conceptual_graph`]) |
/// | `model` | Text | the tables of layers and totals ([`ModelSpec::summary`]) |
/// | `receptive_field/advice` | Text | what the receptive fields say ([`ModelSpec::advice`]) |
/// | `receptive_field/overview` | Images | how the field grows, layer by layer ([`render::receptive_fields`]) |
/// | `receptive_field/<layer>` | Images | what units of a layer see ([`render::receptive_field`](render::receptive_field())) |
/// | `receptive_field/dilation/<layer>` | Images | the taps of dilated kernels ([`render::taps`](render::taps())) |
///
/// `<layer>` is the layer's name with `/` for `.`, and with `_` behind its first part where that is another tag, such as
/// `advice`. Pictures are those of layers with windows larger than 1x1: of 12 of
/// them, spread over the depth, unless [`layers`](ModelReport::layers) chooses others; the overview has up to 24 of
/// them, and of dilated kernels there are up to 6.
///
/// ```
/// use convscope::{MemorySink, arch::{ModelReport, ModelSpec}};
///
/// let spec = ModelSpec::default_model(10)?;
/// let mut sink = MemorySink::default();
/// ModelReport::new(&spec).object_size([20, 20]).write(&mut sink)?;
/// let tags: Vec<&str> = sink.entries.iter().map(|entry| entry.tag.as_str()).collect();
/// assert!(tags.contains(&"receptive_field/advice") && tags.contains(&"receptive_field/conv1"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `write`"]
pub struct ModelReport<'a> {
    spec: &'a ModelSpec,
    options: AdviceOptions,
    probe: Option<Image>,
    layers: Option<Vec<String>>,
}

impl<'a> ModelReport<'a> {
    /// A report of `spec`.
    pub fn new(spec: &'a ModelSpec) -> ModelReport<'a> {
        ModelReport { spec, options: AdviceOptions::default(), probe: None, layers: None }
    }

    /// Sets the height and width of the objects that are to be told apart, in pixels of the image. Default not known.
    pub fn object_size(mut self, size: [i64; 2]) -> ModelReport<'a> {
        self.options = self.options.object_size(size);
        self
    }

    /// Sets the image on which fields are drawn, as a person shall see it. Its height and width are those of the model's
    /// input. The default is a pattern of grey tiles.
    pub fn probe(mut self, image: Image) -> ModelReport<'a> {
        self.probe = Some(image);
        self
    }

    /// Chooses the layers that are drawn, by name. The default are up to 12 of those with windows larger than 1x1.
    pub fn layers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> ModelReport<'a> {
        self.layers = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What is wrong with the model, the object size, the probe image or the name of a chosen layer: then nothing is
    /// written. And those of the sink.
    pub fn write(&self, sink: &mut dyn SummarySink) -> Result<()> {
        let model = self.spec.resolve()?;
        let (fields, conflict) = ReceptiveFields::partial(&model);
        let summary = ModelSummary::of(self.spec, &model, &fields, conflict, &self.options)?;
        let chosen = self.chosen(&model, &fields)?;
        let image = probe::image(self.probe.as_ref(), self.spec.input)?;
        let graph = graph::graph(&model, &fields)?;
        let conceptual = graph::conceptual_graph(&self.spec.name, &model)?;

        sink.add_graph(&graph)?;
        sink.add_conceptual_graph(CONCEPTUAL, &conceptual)?;
        let tables = format!("{}\n{}", summary.to_table().to_markdown(), summary.to_totals().to_markdown());
        sink.add("model", Summary::text(tables).with_description(TABLE), Step::default())?;
        let text = self.advice_text(&summary.advice);
        sink.add("receptive_field/advice", Summary::text(text).with_description(ADVICE), Step::default())?;
        match image {
            Some(image) => {
                Pictures { model: &model, fields: &fields, image, name: &self.spec.name }.write(&chosen, sink)
            }
            None => {
                tracing::warn!(
                    "the model's images of {:?} are too large: no receptive field is drawn on them",
                    self.spec.input
                );
                Ok(())
            }
        }
    }

    /// The layers of which there are pictures.
    fn chosen<'m>(
        &self,
        model: &'m ResolvedModel,
        fields: &'m ReceptiveFields,
    ) -> Result<Vec<(&'m ResolvedLayer, &'m ReceptiveField)>> {
        let Some(names) = &self.layers else {
            return Ok(spread(&pictures::with_windows(model, fields), PICTURES));
        };
        let find = |name: &String| match model.layers.iter().find(|layer| layer.name == *name) {
            Some(layer) => Ok(fields.get(name).map(|field| (layer, field))),
            None => {
                let known = model.layers.iter().map(|layer| layer.name.as_str());
                let why = format!("there is no layer `{name}`{}", did_you_mean(name, known));
                Err(Error::invalid("layers of the model's report", why))
            }
        };
        let found = names.iter().map(find).collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The advice as Markdown: what is worth a change in bold.
    fn advice_text(&self, advice: &[Advice]) -> String {
        let [channels, height, width] = self.spec.input;
        let object = self.options.object_size.map_or_else(
            || "the size of an object was not given".to_owned(),
            |[height, width]| format!("an object has {height}x{width} pixels"),
        );
        let head = format!("`{}` on images of {channels}x{height}x{width}; {object}.\n\n", self.spec.name);
        let line = |advice: &Advice| {
            let kind = advice.kind.to_string();
            let kind = if advice.kind == AdviceKind::Note { kind } else { format!("**{kind}**") };
            format!("- {kind}: {}.\n", advice.message)
        };
        head + &advice.iter().map(line).collect::<String>()
    }
}

const TABLE: &str = "Layers of the model: outputs for one image, trainable parameters, multiply-adds, bytes of the output in \
                     float32, and what a unit sees of the image. The outputs of all layers together are an \
                     upper estimate of what training keeps of them.";
const ADVICE: &str = "What the theoretical receptive fields say about the model, before it is trained.";
const OVERVIEW: &str = "How the theoretical receptive field grows from layer to layer: the box of a unit in the middle, at \
                        true scale. With many layers, 24 of those with windows larger than 1x1.";
const FIELD: &str = "What single units of the layer can see of the image at most (theoretical receptive field), at true \
                     scale. Where paddings of inner layers lie, units near the border see less.";
const KERNEL: &str =
    "Where the taps of a dilated kernel lie on the image. Dilation as in PyTorch: 1 is dense.";

/// The pictures of one model on one image.
struct Pictures<'a> {
    model: &'a ResolvedModel,
    fields: &'a ReceptiveFields,
    image: Image,
    name: &'a str,
}

impl Pictures<'_> {
    fn write(&self, chosen: &[(&ResolvedLayer, &ReceptiveField)], sink: &mut dyn SummarySink) -> Result<()> {
        let all = spread(&pictures::with_windows(self.model, self.fields), TILES);
        let tiles: Vec<_> = all
            .into_iter()
            .filter_map(|(layer, field)| Some((layer.name.clone(), pictures::layer_field(layer, field)?)))
            .collect();
        if !tiles.is_empty() {
            let picture = render::receptive_fields(&self.image, &tiles, &caption(self.name))?;
            add(sink, "receptive_field/overview", picture, OVERVIEW)?;
        }
        let firsts = self.model.layers.iter().map(|layer| first_part(&layer.name));
        let end = graph::free_end(&firsts, is_taken);
        for (layer, field) in chosen {
            if let Some(field) = pictures::layer_field(layer, field) {
                let picture = render::receptive_field(&self.image, &field, &caption(&layer.name))?;
                add(sink, &format!("receptive_field/{}", tag(&layer.name, &end)), picture, FIELD)?;
            }
        }
        for (layer, taps) in spread(&pictures::dilated(self.model, self.fields), KERNELS) {
            match render::taps(&self.image, &taps, &caption(&layer.name)) {
                Ok(picture) => {
                    let tag = format!("receptive_field/dilation/{}", layer_tag(&layer.name));
                    add(sink, &tag, picture, KERNEL)?;
                }
                // A kernel that reaches too far for a picture is no reason to give up the others.
                Err(error) => tracing::warn!("not drawn: {error}"),
            }
        }
        Ok(())
    }
}

fn add(sink: &mut dyn SummarySink, tag: &str, picture: Image, description: &str) -> Result<()> {
    sink.add(tag, Summary::image(picture).with_description(description), Step::default())
}

fn caption(layer: &str) -> Caption<'_> {
    Caption { layer, step: Step::default(), epoch: None }
}

/// The first part of a layer's name, which must be no other tag or group.
fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn is_taken(part: &str) -> bool {
    TAKEN.contains(&part)
}

/// A layer's name as the end of a tag; with `end` at its first part where that tag, or a group of it, is something else.
fn tag(name: &str, end: &str) -> String {
    let tag = layer_tag(name);
    let first = first_part(name);
    if is_taken(first) { tag.replacen(first, &format!("{first}{end}"), 1) } else { tag }
}
