//! One method per kind of value.

use super::{elements::Element, summary_writer::SummaryWriter};
use crate::{
    error::Result,
    render::{self, BoundingBox},
    summary::{
        Audio, Bucket, ConceptualGraph, Figure, GRAPH_TAG, Graph, Histogram, Image, Step, Summary,
        TENSOR_PLUGIN, Table, Tensor, Video,
    },
};

impl SummaryWriter {
    /// Adds a number. NaN and infinities are shown as marks.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_scalar(&self, tag: &str, value: f64, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::scalar(value), step)
    }

    /// Adds the distribution of numbers, counted in the calling thread.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_histogram<T: Element>(&self, tag: &str, values: &[T], step: impl Into<Step>) -> Result<()> {
        self.add_histogram_data(tag, &T::histogram(values), step)
    }

    /// Adds a distribution that was counted before.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_histogram_data(&self, tag: &str, histogram: &Histogram, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::histogram(histogram), step)
    }

    /// Adds a distribution that was counted elsewhere, in buckets of any width.
    ///
    /// # Errors
    /// Buckets that are not finite, sorted and without overlap, and as [`add`](SummaryWriter::add).
    pub fn add_histogram_raw(&self, tag: &str, buckets: &[Bucket], step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::histogram_raw(buckets.to_vec())?, step)
    }

    /// Adds a picture. It is compressed in the background.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_image(&self, tag: &str, image: Image, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::image(image), step)
    }

    /// Adds several pictures of one step, shown side by side with one slider.
    ///
    /// # Errors
    /// No picture at all, and as [`add`](SummaryWriter::add).
    pub fn add_images(&self, tag: &str, images: Vec<Image>, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::images(images)?, step)
    }

    /// Adds Markdown.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_text(&self, tag: &str, markdown: &str, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::text(markdown), step)
    }

    /// Adds a table, as Markdown.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_table(&self, tag: &str, table: &Table, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::table(table), step)
    }

    /// Adds a clip of sound. [`Summary::audios`] takes several of one step.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_audio(&self, tag: &str, clip: Audio, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::audio(clip), step)
    }

    /// Adds a video, shown on the page Images. It is packed in the background. [`Summary::videos`] takes several of
    /// one step.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_video(&self, tag: &str, video: Video, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::video(video), step)
    }

    /// Adds a picture with boxes and their labels [drawn](render::draw_boxes) on it.
    ///
    /// # Errors
    /// Those of [`render::draw_boxes`], and as [`add`](SummaryWriter::add).
    pub fn add_image_with_boxes(
        &self,
        tag: &str,
        image: &Image,
        boxes: &[BoundingBox],
        step: impl Into<Step>,
    ) -> Result<()> {
        self.add_image(tag, render::draw_boxes(image, boxes)?, step)
    }

    /// Adds what another crate draws, in the calling thread, as a picture.
    ///
    /// # Errors
    /// Why it could not be drawn, and as [`add`](SummaryWriter::add).
    pub fn add_figure(&self, tag: &str, figure: &impl Figure, step: impl Into<Step>) -> Result<()> {
        self.add_image(tag, figure.to_image()?, step)
    }

    /// Adds an array for scripts that read the file. Stock TensorBoard has no page for it; [`Summary::tensor`] makes
    /// one for the page of a plugin.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_tensor(&self, tag: &str, tensor: Tensor, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::tensor(TENSOR_PLUGIN, Vec::new(), tensor)?, step)
    }

    /// Adds the graph of the run, shown on the page Graphs. A run has one: the last one counts.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_graph(&self, graph: &Graph) -> Result<()> {
        self.add(GRAPH_TAG, Summary::graph(graph), Step::default())
    }

    /// Adds the layers of a model, shown on the page Graphs under "Conceptual graph". Keras uses the tag `keras`.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_conceptual_graph(&self, tag: &str, graph: &ConceptualGraph) -> Result<()> {
        self.add(tag, Summary::conceptual_graph(graph), Step::default())
    }
}
