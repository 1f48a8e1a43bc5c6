//! Floor 1: pure values and how they look on the wire, one file per dashboard of TensorBoard.

mod audio;
mod conceptual_graph;
mod embedding;
mod encoded;
mod figure;
mod graph;
mod histogram;
mod hparams;
mod image;
mod kind;
mod layout;
mod mesh;
mod pr_counter;
mod pr_curve;
mod readers;
mod scalar;
mod scene;
mod step;
mod table;
mod tag;
mod tensor;
#[cfg(test)]
mod tests;
mod text;
mod video;
mod wall_time;

pub use self::{
    audio::Audio,
    conceptual_graph::{ConceptualGraph, ConceptualLayer},
    embedding::Embedding,
    figure::Figure,
    graph::{Attribute, Graph, GraphNode},
    histogram::{Bucket, Histogram},
    hparams::{HParam, HParams, SessionStatus},
    image::Image,
    kind::Kind,
    layout::{Category, Chart, Layout},
    mesh::Mesh,
    pr_counter::PrCounter,
    pr_curve::{PrCurve, PrRows},
    scene::Scene,
    step::Step,
    table::{Table, thousands},
    tag::Tag,
    tensor::{Tensor, TensorElement, Values},
    video::Video,
    wall_time::WallTime,
};
pub(crate) use self::{
    encoded::{EmbeddingFiles, Encoded},
    graph::{TAG as GRAPH_TAG, breaks_page},
    hparams::{END_TAG as HPARAMS_END_TAG, START_TAG as HPARAMS_START_TAG},
    layout::TAG as LAYOUT_TAG,
    tag::{layer_and_part, layer_tag},
    tensor::{PLUGIN as TENSOR_PLUGIN, PluginTensor},
};
use self::{hparams::SessionInfo, mesh::MeshPart};
use crate::{
    error::{Error, Result},
    proto::{self, DataClass, summary_metadata::PluginData},
};

/// What a value holds. Small, because most are numbers, and many of them wait in the writer's queue.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(f64),
    Histogram(Vec<Bucket>),
    Images(Vec<Image>),
    Text(String),
    Audio(Vec<Audio>),
    Videos(Vec<Video>),
    Tensor(Box<PluginTensor>),
    Graph(Graph),
    ConceptualGraph(ConceptualGraph),
    Embedding(Box<Embedding>),
    PrCurve(PrCurve),
    Layout(Layout),
    Mesh(Box<MeshPart>),
    HParams(Box<SessionInfo>),
}

/// One value with what TensorBoard shows beside it.
///
/// ```
/// use convscope::{Kind, Summary};
///
/// let summary = Summary::scalar(0.5).with_display_name("Loss").with_description("Mean *cross-entropy* of a batch.");
/// assert_eq!(summary.kind(), Kind::Scalar);
/// ```
#[derive(Debug, Clone)]
pub struct Summary {
    pub(crate) value: Value,
    /// What is shown beside it; most values have nothing.
    words: Option<Box<Words>>,
}

#[derive(Debug, Clone, Default)]
struct Words {
    display_name: String,
    description: String,
}

impl Summary {
    fn new(value: Value) -> Summary {
        Summary { value, words: None }
    }

    /// A number, shown as a point of a curve.
    ///
    /// TensorBoard keeps 32 bits of it. NaN and infinities are kept and drawn as markers; a number beyond the range
    /// of `f32` (3.4e38) is shown as an infinity, one too close to zero (below 1e-45) as zero.
    pub fn scalar(value: f64) -> Summary {
        Summary::new(Value::Scalar(value))
    }

    /// A distribution, shown on the pages Histograms and Distributions: the [buckets](Histogram::buckets) of the
    /// finite values. What is not finite has no place there: log [`Histogram::nan`] and its neighbours as scalars.
    /// A distribution of no finite values is shown as an empty histogram.
    pub fn histogram(histogram: &Histogram) -> Summary {
        Summary::new(Value::Histogram(histogram.buckets()))
    }

    /// A distribution that was counted elsewhere, in buckets of any width: TensorBoard spreads the count of each evenly
    /// from its left to its right edge.
    ///
    /// # Errors
    /// The first bucket with an edge that is not finite, with its edges the wrong way round, or that begins before the
    /// one before it ends.
    ///
    /// ```
    /// use convscope::{Bucket, Summary};
    ///
    /// let bucket = |left, right, count| Bucket { left, right, count };
    /// assert!(Summary::histogram_raw(vec![bucket(0.0, 1.0, 7), bucket(1.0, 10.0, 3)]).is_ok());
    /// let error = Summary::histogram_raw(vec![bucket(0.0, 1.0, 7), bucket(0.5, 10.0, 3)]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "histogram: bucket 1 begins at 0.5, before bucket 0 ends at 1; sort them, without overlap"
    /// );
    /// ```
    pub fn histogram_raw(buckets: Vec<Bucket>) -> Result<Summary> {
        histogram::check(&buckets)?;
        Ok(Summary::new(Value::Histogram(buckets)))
    }

    /// A picture.
    pub fn image(image: Image) -> Summary {
        Summary::new(Value::Images(vec![image]))
    }

    /// Several pictures of one step: one card each, under one slider. Their number may differ from step to step.
    ///
    /// # Errors
    /// No picture at all: TensorBoard could not show the step.
    ///
    /// ```
    /// use convscope::{Image, Summary};
    ///
    /// let samples = Summary::images(vec![Image::gray(1, 1, vec![0])?, Image::gray(1, 1, vec![255])?])?;
    /// assert_eq!(samples.as_images().map(<[Image]>::len), Some(2));
    /// assert!(Summary::images(Vec::new()).is_err());
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn images(images: Vec<Image>) -> Result<Summary> {
        if images.is_empty() {
            return Err(Error::invalid("images", "there are none; a step takes at least one"));
        }
        Ok(Summary::new(Value::Images(images)))
    }

    /// Markdown, shown on the page Text. That page shows neither display name nor description, which the file keeps.
    pub fn text(markdown: impl Into<String>) -> Summary {
        Summary::new(Value::Text(markdown.into()))
    }

    /// A table, shown on the page Text.
    ///
    /// ```
    /// use convscope::{Summary, summary::Table};
    ///
    /// let mut table = Table::new(["layer", "parameters"]);
    /// table.row(["conv1", "156"]);
    /// let markdown = "| layer | parameters |\n|---|--:|\n| conv1 | 156 |\n";
    /// assert_eq!(Summary::table(&table).as_text(), Some(markdown));
    /// ```
    pub fn table(table: &Table) -> Summary {
        Summary::text(table.to_markdown())
    }

    /// A clip of sound, shown on the page Audio.
    pub fn audio(clip: Audio) -> Summary {
        Summary::new(Value::Audio(vec![clip]))
    }

    /// Several clips of one step: one player each, under one slider. Their number may differ from step to step.
    ///
    /// # Errors
    /// No clip at all, and clips that take more bytes together than [one](Audio::mono) may: they are one record.
    pub fn audios(clips: Vec<Audio>) -> Result<Summary> {
        if clips.is_empty() {
            return Err(Error::invalid("audio", "there are no clips; a step takes at least one"));
        }
        audio::check_sizes(&clips)?;
        Ok(Summary::new(Value::Audio(clips)))
    }

    /// A video, shown on the page Images.
    pub fn video(video: Video) -> Summary {
        Summary::new(Value::Videos(vec![video]))
    }

    /// Several videos of one step: one card each, under one slider. Their number may differ from step to step.
    ///
    /// # Errors
    /// No video at all.
    pub fn videos(videos: Vec<Video>) -> Result<Summary> {
        if videos.is_empty() {
            return Err(Error::invalid("videos", "there are none; a step takes at least one"));
        }
        Ok(Summary::new(Value::Videos(videos)))
    }

    /// An array for the dashboard of a TensorBoard plugin. `content` is what the plugin keeps of the first value of a
    /// tag, most often a serialized message: all values of a tag have the same, and the same plugin.
    ///
    /// # Errors
    /// A plugin without a name, and the names of TensorBoard's own pages, such as `scalars`: their values have methods
    /// of their own, which the error names.
    ///
    /// ```
    /// use convscope::{Summary, Tensor};
    ///
    /// let error = Summary::tensor("mesh", Vec::new(), Tensor::scalar(0.5_f32)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "plugin `mesh` of a tensor: that is a page of TensorBoard's own; make its values with `Summary::mesh`"
    /// );
    /// ```
    pub fn tensor(plugin: &str, content: Vec<u8>, tensor: Tensor) -> Result<Summary> {
        Ok(Summary::new(Value::Tensor(Box::new(PluginTensor::new(plugin, content, tensor)?))))
    }

    /// Precision and recall of a yes-or-no decision.
    pub fn pr_curve(curve: PrCurve) -> Summary {
        Summary::new(Value::PrCurve(curve))
    }

    /// The arrangement of the page Custom Scalars, for the tag `custom_scalars__config__`: TensorBoard looks for it
    /// nowhere else.
    pub fn custom_scalars(layout: &Layout) -> Summary {
        Summary::new(Value::Layout(layout.clone()))
    }

    /// A mesh as TensorBoard takes it: a tag each for points, faces and colours (`<tag>_VERTEX` and the like), and the
    /// value that belongs to it. All go to one step.
    pub fn mesh(tag: &str, mesh: &Mesh) -> Vec<(String, Summary)> {
        let summary = |(tag, part)| (tag, Summary::new(Value::Mesh(Box::new(part))));
        mesh.parts(tag).into_iter().map(summary).collect()
    }

    /// Hyperparameters of a training that starts, for the tag `_hparams_/session_start_info`: TensorBoard looks for
    /// them nowhere else.
    ///
    /// # Errors
    /// No hyperparameter; an empty name, or one that was given twice.
    pub fn hparams(hparams: &HParams) -> Result<Summary> {
        Ok(Summary::new(Value::HParams(Box::new(SessionInfo::start(hparams)?))))
    }

    /// How and when a training ended, for the tag `_hparams_/session_end_info`: TensorBoard looks for it nowhere else.
    pub fn hparams_end(status: SessionStatus, time: WallTime) -> Summary {
        Summary::new(Value::HParams(Box::new(SessionInfo::end(status, time))))
    }

    /// The name that TensorBoard shows in place of the tag. Only the first of a tag counts.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Summary {
        self.words.get_or_insert_default().display_name = name.into();
        self
    }

    /// Markdown that TensorBoard shows beside the value. Only the first of a tag counts.
    ///
    /// A [graph](Summary::graph) and an [embedding](Summary::embedding) have no place for it, nor for a display name,
    /// in what TensorBoard reads: both are left out there. A [conceptual graph](Summary::conceptual_graph) keeps them in
    /// the file; the page Graphs does not show them.
    #[must_use]
    pub fn with_description(mut self, markdown: impl Into<String>) -> Summary {
        self.words.get_or_insert_default().description = markdown.into();
        self
    }

    /// What TensorBoard shows as help for the tag; empty where nothing was said.
    pub fn description(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.description)
    }

    /// The pictures, where the value is one or several; else none.
    pub fn pictures(&self) -> &[Image] {
        if let Value::Images(images) = &self.value { images } else { &[] }
    }

    /// The number, where the value is one.
    pub fn number(&self) -> Option<f64> {
        if let Value::Scalar(number) = self.value { Some(number) } else { None }
    }

    /// The Markdown, where the value is text or a table.
    pub fn markdown(&self) -> Option<&str> {
        if let Value::Text(markdown) = &self.value { Some(markdown) } else { None }
    }

    /// Which dashboard the value is for.
    pub fn kind(&self) -> Kind {
        match self.value {
            Value::Scalar(_) => Kind::Scalar,
            Value::Histogram(_) => Kind::Histogram,
            Value::Images(_) | Value::Videos(_) => Kind::Image,
            Value::Text(_) => Kind::Text,
            Value::Audio(_) => Kind::Audio,
            Value::Tensor(_) => Kind::Tensor,
            Value::Graph(_) => Kind::Graph,
            Value::ConceptualGraph(_) => Kind::ConceptualGraph,
            Value::Embedding(_) => Kind::Embedding,
            Value::PrCurve(_) => Kind::PrCurve,
            Value::Layout(_) => Kind::CustomScalars,
            Value::Mesh(_) => Kind::Mesh,
            Value::HParams(_) => Kind::HParams,
        }
    }

    /// What readers keep of the first value of a tag: dashboard, storage class, and what is shown beside the values.
    pub(crate) fn metadata(&self) -> proto::SummaryMetadata {
        let (plugin, content, data_class) = self.plugin();
        let words = self.words.as_deref().cloned().unwrap_or_default();
        proto::SummaryMetadata {
            plugin_data: Some(PluginData { plugin_name: plugin.to_owned(), content }),
            display_name: words.display_name,
            summary_description: words.description,
            data_class: data_class as i32,
        }
    }

    /// The dashboard, what it keeps of the first value of a tag, and the storage class.
    fn plugin(&self) -> (&str, Vec<u8>, DataClass) {
        // The messages of most dashboards hold a version alone, and its number 0 takes no byte.
        const VERSION_0: Vec<u8> = Vec::new();
        match &self.value {
            Value::Scalar(_) => (scalar::PLUGIN, VERSION_0, scalar::DATA_CLASS),
            Value::Histogram(_) => (histogram::PLUGIN, VERSION_0, histogram::DATA_CLASS),
            Value::Images(_) | Value::Videos(_) => (image::PLUGIN, VERSION_0, image::DATA_CLASS),
            Value::Text(_) => (text::PLUGIN, VERSION_0, text::DATA_CLASS),
            Value::Audio(_) => (audio::PLUGIN, audio::content(), audio::DATA_CLASS),
            Value::Tensor(value) => (&value.plugin, value.content.clone(), tensor::DATA_CLASS),
            Value::Graph(_) => (graph::PLUGIN, VERSION_0, graph::DATA_CLASS),
            Value::Embedding(_) => (embedding::PLUGIN, VERSION_0, embedding::DATA_CLASS),
            Value::ConceptualGraph(_) => {
                (conceptual_graph::PLUGIN, conceptual_graph::CONTENT.to_vec(), conceptual_graph::DATA_CLASS)
            }
            Value::PrCurve(curve) => (pr_curve::PLUGIN, curve.content(), pr_curve::DATA_CLASS),
            Value::Layout(_) => (layout::PLUGIN, VERSION_0, layout::DATA_CLASS),
            Value::Mesh(part) => (mesh::PLUGIN, part.content(), mesh::DATA_CLASS),
            Value::HParams(session) => (hparams::PLUGIN, session.content(), hparams::DATA_CLASS),
        }
    }

    /// The value as it stands in a file. Pictures are packed here, which takes milliseconds: call it on the writer's
    /// thread.
    ///
    /// # Errors
    /// A picture too large for PNG.
    pub(crate) fn encode(&self) -> Result<Encoded> {
        Ok(Encoded::Value(match &self.value {
            Value::Scalar(value) => scalar::encode(*value),
            Value::Histogram(buckets) => histogram::encode(buckets),
            Value::Images(images) => image::encode(images)?,
            Value::Text(markdown) => text::encode(markdown),
            Value::Audio(clips) => audio::encode(clips),
            Value::Videos(videos) => video::encode(videos)?,
            Value::Tensor(value) => value.encode(),
            Value::Graph(graph) => return Ok(Encoded::GraphDef(graph::encode(graph))),
            Value::ConceptualGraph(graph) => conceptual_graph::encode(graph),
            Value::Embedding(embedding) => return embedding::encode(embedding).map(Encoded::Embedding),
            Value::PrCurve(curve) => curve.encode(),
            Value::Layout(layout) => layout.encode(),
            Value::Mesh(part) => part.encode(),
            Value::HParams(_) => hparams::encode(),
        }))
    }

    /// Bytes held in memory while the value waits to be written.
    pub(crate) fn size_hint(&self) -> usize {
        let held = match &self.value {
            Value::Scalar(_) => 0,
            Value::Histogram(buckets) => size_of_val(buckets.as_slice()),
            Value::Images(images) => images.iter().map(Image::size).sum(),
            Value::Text(markdown) => markdown.len(),
            Value::Audio(clips) => clips.iter().map(Audio::size).sum(),
            Value::Videos(videos) => videos.iter().map(Video::size).sum(),
            Value::Tensor(value) => value.size(),
            Value::Graph(graph) => graph.size(),
            Value::ConceptualGraph(graph) => graph.size(),
            Value::Embedding(embedding) => embedding.size(),
            Value::PrCurve(curve) => curve.size(),
            Value::Layout(layout) => layout.size(),
            Value::Mesh(part) => part.size(),
            Value::HParams(session) => session.size(),
        };
        let words = self
            .words
            .as_ref()
            .map_or(0, |words| size_of::<Words>() + words.display_name.len() + words.description.len());
        size_of::<Summary>() + words + held
    }
}
