//! One method per kind of value.

use super::{
    elements::Element,
    scalars::{first_error, scalars_run},
    summary_writer::SummaryWriter,
};
use crate::{
    error::Result,
    render::{self, BoundingBox},
    summary::{
        Audio, Bucket, ConceptualGraph, Embedding, Figure, GRAPH_TAG, Graph, HPARAMS_END_TAG,
        HPARAMS_START_TAG, HParams, Histogram, Image, LAYOUT_TAG, Layout, Mesh, PrCurve, PrRows,
        SessionStatus, Step, Summary, TENSOR_PLUGIN, Table, Tensor, Video, WallTime,
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

    /// Adds several numbers that belong together, such as the losses of training and validation: one chart with a curve
    /// for each.
    ///
    /// TensorBoard draws one curve per run, so each goes to a sub-run of its own, `<main_tag>_<key>` with `_` in place
    /// of the main tag's `/`, under the tag `main_tag`. PyTorch's writer has the same folders. Each has one live file.
    ///
    /// # Errors
    /// An empty key, or one that makes no name of a [sub-run](SummaryWriter::sub_run): then no number is added. And as
    /// [`add`](SummaryWriter::add).
    ///
    /// ```
    /// use convscope::SummaryWriter;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let writer = SummaryWriter::open(dir.path())?;
    /// writer.add_scalars("loss/total", &[("train", 0.25), ("validation", 0.5)], 100)?;
    /// let path = writer.path().join("loss_total_validation");
    /// writer.close()?;
    /// assert_eq!(std::fs::read_dir(path)?.count(), 1); // an event file
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_scalars(&self, main_tag: &str, values: &[(&str, f64)], step: impl Into<Step>) -> Result<()> {
        let step = step.into();
        let run = |(key, _): &(&str, f64)| self.sub_run(&scalars_run(main_tag, key)?);
        let runs = values.iter().map(run).collect::<Result<Vec<_>>>()?;
        let added = runs.iter().zip(values).map(|(run, (_, value))| run.add_scalar(main_tag, *value, step));
        first_error(added)
    }

    /// Adds precision and recall of a yes-or-no decision.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    ///
    /// ```
    /// use convscope::{PrCurve, SummaryWriter};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let writer = SummaryWriter::open(dir.path())?;
    /// let (is_dog, probability) = ([true, false, true], [0.9, 0.2, 0.6]);
    /// writer.add_pr_curve("dog", PrCurve::new(&is_dog, &probability, 201)?, 100)?;
    /// # writer.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_pr_curve(&self, tag: &str, curve: PrCurve, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::pr_curve(curve), step)
    }

    /// Adds precision and recall that were computed elsewhere.
    ///
    /// # Errors
    /// As [`PrCurve::raw`] and [`add`](SummaryWriter::add).
    pub fn add_pr_curve_raw(&self, tag: &str, rows: &PrRows<'_>, step: impl Into<Step>) -> Result<()> {
        self.add_pr_curve(tag, PrCurve::raw(rows)?, step)
    }

    /// Adds points in space, and the triangles between them, under the tags `<tag>_VERTEX`, `<tag>_FACE` and
    /// `<tag>_COLOR`.
    ///
    /// # Errors
    /// A mesh that differs from the first of the tag in what cannot change: see [`Mesh`]. And as
    /// [`add`](SummaryWriter::add).
    pub fn add_mesh(&self, tag: &str, mesh: &Mesh, step: impl Into<Step>) -> Result<()> {
        let step = step.into();
        let parts = Summary::mesh(tag, mesh).into_iter();
        first_error(parts.map(|(tag, summary)| self.add(&tag, summary, step)))
    }

    /// Arranges the page Custom Scalars. Of one run the last layout counts.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_custom_scalars(&self, layout: &Layout) -> Result<()> {
        self.add(LAYOUT_TAG, Summary::custom_scalars(layout), 0)
    }

    /// Writes the hyperparameters of the training that starts, as a row of the page HParams. Once for each run.
    ///
    /// # Errors
    /// Hyperparameters without names or values; a second call for one run, unless it says the same; and as
    /// [`add`](SummaryWriter::add).
    pub fn add_hparams(&self, hparams: &HParams) -> Result<()> {
        self.add(HPARAMS_START_TAG, Summary::hparams(hparams)?, 0)
    }

    /// Writes how and when the training ended. Without it, TensorBoard does not know. Once for each run, at its very end:
    /// TensorBoard keeps the first.
    ///
    /// # Errors
    /// A second call for one run; and as [`add`](SummaryWriter::add).
    pub fn finish_hparams(&self, status: SessionStatus) -> Result<()> {
        self.add(HPARAMS_END_TAG, Summary::hparams_end(status, WallTime::now()), 0)
    }

    /// Adds points in many dimensions, shown on the page Projector as `tag (step ...)`. Each step is kept, in files of its
    /// own below `projector/` in the run's folder. TensorBoard reads them when it finds a run: start it again to see those
    /// of a run that it showed before. A [resumed](SummaryWriter::resume) run forgets those of the step and later ones.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_embedding(&self, tag: &str, embedding: &Embedding, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::embedding(embedding), step)
    }
}
