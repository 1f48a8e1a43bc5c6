//! Where summaries go: the seam between those who compute and those who write.

use super::scalars::{first_error, scalars_run};
use crate::{
    error::Result,
    render::{self, BoundingBox},
    summary::{
        Audio, Bucket, ConceptualGraph, Embedding, Figure, GRAPH_TAG, Graph, HPARAMS_END_TAG,
        HPARAMS_START_TAG, HParams, Histogram, Image, LAYOUT_TAG, Layout, Mesh, PrCurve, PrRows,
        SessionStatus, Step, Summary, TENSOR_PLUGIN, Table, Tag, Tensor, Video, WallTime,
    },
};

/// One value on its way to a file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Sub-run, such as `train`: a folder below the run's own. Empty for the run itself.
    pub run: String,
    /// Name of the time series.
    pub tag: Tag,
    /// Its x coordinate.
    pub step: Step,
    /// When it was taken; `None` is now.
    pub wall_time: Option<WallTime>,
    /// The value.
    pub summary: Summary,
}

/// A place that takes summaries: [`SummaryWriter`](crate::SummaryWriter), [`MemorySink`](crate::MemorySink), or the
/// writer of another crate.
///
/// Only [`write`](SummarySink::write) is required. A sink takes every entry or returns an error: nothing is dropped
/// in silence. It may block until there is room.
///
/// The other methods have the names and meanings of those of [`SummaryWriter`](crate::SummaryWriter); they take a
/// [`Step`] as it is, so that callbacks can call them on a `&mut dyn SummarySink`. On that there is `sub_run` too,
/// which leads to the run one folder down:
///
/// ```
/// use convscope::{MemorySink, Step, SummarySink};
///
/// let mut memory = MemorySink::default();
/// let sink: &mut dyn SummarySink = &mut memory;
/// sink.sub_run("train").add_scalar("loss", 0.5, Step::new(3))?;
/// assert_eq!(memory.entries[0].run, "train");
/// # Ok::<(), convscope::Error>(())
/// ```
pub trait SummarySink {
    /// Takes one value.
    ///
    /// # Errors
    /// Why the value, or one before it, could not be taken.
    fn write(&mut self, entry: Entry) -> Result<()>;

    /// Returns when everything taken so far is where it belongs. The default has nothing to wait for.
    ///
    /// # Errors
    /// Why a value could not be written.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes a summary with display name and description.
    ///
    /// # Errors
    /// An empty tag, and those of [`write`](SummarySink::write).
    fn add(&mut self, tag: &str, summary: Summary, step: Step) -> Result<()> {
        self.write(Entry { run: String::new(), tag: Tag::new(tag)?, step, wall_time: None, summary })
    }

    /// Takes a number.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_scalar(&mut self, tag: &str, value: f64, step: Step) -> Result<()> {
        self.add(tag, Summary::scalar(value), step)
    }

    /// Takes a distribution that was counted before.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_histogram_data(&mut self, tag: &str, histogram: &Histogram, step: Step) -> Result<()> {
        self.add(tag, Summary::histogram(histogram), step)
    }

    /// Takes a distribution that was counted elsewhere, in buckets of any width.
    ///
    /// # Errors
    /// Buckets that are not finite, sorted and without overlap, and as [`add`](SummarySink::add).
    fn add_histogram_raw(&mut self, tag: &str, buckets: &[Bucket], step: Step) -> Result<()> {
        self.add(tag, Summary::histogram_raw(buckets.to_vec())?, step)
    }

    /// Takes a picture.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_image(&mut self, tag: &str, image: Image, step: Step) -> Result<()> {
        self.add(tag, Summary::image(image), step)
    }

    /// Takes several pictures of one step, shown side by side with one slider.
    ///
    /// # Errors
    /// No picture at all, and as [`add`](SummarySink::add).
    fn add_images(&mut self, tag: &str, images: Vec<Image>, step: Step) -> Result<()> {
        self.add(tag, Summary::images(images)?, step)
    }

    /// Takes Markdown.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_text(&mut self, tag: &str, markdown: &str, step: Step) -> Result<()> {
        self.add(tag, Summary::text(markdown), step)
    }

    /// Takes a table, as Markdown.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_table(&mut self, tag: &str, table: &Table, step: Step) -> Result<()> {
        self.add(tag, Summary::table(table), step)
    }

    /// Takes a clip of sound.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_audio(&mut self, tag: &str, clip: Audio, step: Step) -> Result<()> {
        self.add(tag, Summary::audio(clip), step)
    }

    /// Takes a video, shown on the page Images.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_video(&mut self, tag: &str, video: Video, step: Step) -> Result<()> {
        self.add(tag, Summary::video(video), step)
    }

    /// Takes a picture with boxes and their labels [drawn](render::draw_boxes) on it.
    ///
    /// # Errors
    /// Those of [`render::draw_boxes`], and as [`add`](SummarySink::add).
    fn add_image_with_boxes(
        &mut self,
        tag: &str,
        image: &Image,
        boxes: &[BoundingBox],
        step: Step,
    ) -> Result<()> {
        self.add_image(tag, render::draw_boxes(image, boxes)?, step)
    }

    /// Takes what another crate draws, as a picture.
    ///
    /// # Errors
    /// Why it could not be drawn, and as [`add`](SummarySink::add).
    fn add_figure(&mut self, tag: &str, figure: &dyn Figure, step: Step) -> Result<()> {
        self.add_image(tag, figure.to_image()?, step)
    }

    /// Takes an array for scripts that read the file.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_tensor(&mut self, tag: &str, tensor: Tensor, step: Step) -> Result<()> {
        self.add(tag, Summary::tensor(TENSOR_PLUGIN, Vec::new(), tensor)?, step)
    }

    /// Takes the graph of the run, shown on the page Graphs. A run has one: the last one counts.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_graph(&mut self, graph: &Graph) -> Result<()> {
        self.add(GRAPH_TAG, Summary::graph(graph), Step::default())
    }

    /// Takes the layers of a model, shown on the page Graphs under "Conceptual graph". Keras uses the tag `keras`.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_conceptual_graph(&mut self, tag: &str, graph: &ConceptualGraph) -> Result<()> {
        self.add(tag, Summary::conceptual_graph(graph), Step::default())
    }

    /// Takes several numbers that belong together, each for a sub-run of its own.
    ///
    /// # Errors
    /// An empty key or main tag, and as [`add`](SummarySink::add).
    fn add_scalars(&mut self, main_tag: &str, values: &[(&str, f64)], step: Step) -> Result<()> {
        let tag = Tag::new(main_tag)?;
        let run = |(key, _): &(&str, f64)| scalars_run(main_tag, key);
        let runs = values.iter().map(run).collect::<Result<Vec<_>>>()?;
        first_error(runs.into_iter().zip(values).map(|(run, (_, value))| {
            self.write(Entry {
                run,
                tag: tag.clone(),
                step,
                wall_time: None,
                summary: Summary::scalar(*value),
            })
        }))
    }

    /// Takes precision and recall of a yes-or-no decision.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_pr_curve(&mut self, tag: &str, curve: PrCurve, step: Step) -> Result<()> {
        self.add(tag, Summary::pr_curve(curve), step)
    }

    /// Takes precision and recall that were computed elsewhere.
    ///
    /// # Errors
    /// As [`PrCurve::raw`] and [`add`](SummarySink::add).
    fn add_pr_curve_raw(&mut self, tag: &str, rows: &PrRows<'_>, step: Step) -> Result<()> {
        self.add_pr_curve(tag, PrCurve::raw(rows)?, step)
    }

    /// Takes points in space, and the triangles between them.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_mesh(&mut self, tag: &str, mesh: &Mesh, step: Step) -> Result<()> {
        let parts = Summary::mesh(tag, mesh).into_iter();
        first_error(parts.map(|(tag, summary)| self.add(&tag, summary, step)))
    }

    /// Takes an arrangement of the page Custom Scalars.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_custom_scalars(&mut self, layout: &Layout) -> Result<()> {
        self.add(LAYOUT_TAG, Summary::custom_scalars(layout), Step::default())
    }

    /// Takes the hyperparameters of the training that starts.
    ///
    /// # Errors
    /// Hyperparameters without names or values, and as [`add`](SummarySink::add).
    fn add_hparams(&mut self, hparams: &HParams) -> Result<()> {
        self.add(HPARAMS_START_TAG, Summary::hparams(hparams)?, Step::default())
    }

    /// Takes how the training ended, which it did now.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn finish_hparams(&mut self, status: SessionStatus) -> Result<()> {
        self.add(HPARAMS_END_TAG, Summary::hparams_end(status, WallTime::now()), Step::default())
    }

    /// Takes points in many dimensions, shown on the page Projector.
    ///
    /// # Errors
    /// As [`add`](SummarySink::add).
    fn add_embedding(&mut self, tag: &str, embedding: &Embedding, step: Step) -> Result<()> {
        self.add(tag, Summary::embedding(embedding), step)
    }
}

/// A borrowed sink is a sink.
impl<S: SummarySink + ?Sized> SummarySink for &mut S {
    fn write(&mut self, entry: Entry) -> Result<()> {
        (**self).write(entry)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }
}

impl dyn SummarySink + '_ {
    /// The same sink, one folder down: `sink.sub_run("train")` writes to the run `train` below this one.
    pub fn sub_run<'a>(&'a mut self, name: &str) -> SubRun<'a> {
        SubRun { sink: self, name: name.to_owned() }
    }
}

/// A sink seen from a sub-run: see `<dyn SummarySink>::sub_run`.
pub struct SubRun<'a> {
    sink: &'a mut dyn SummarySink,
    name: String,
}

impl SummarySink for SubRun<'_> {
    fn write(&mut self, mut entry: Entry) -> Result<()> {
        entry.run = match entry.run.as_str() {
            "" => self.name.clone(),
            below => format!("{}/{below}", self.name),
        };
        self.sink.write(entry)
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.flush()
    }
}

/// Keeps what it is given, in order: for tests, and for looking at values without a file.
///
/// ```
/// use convscope::{MemorySink, Step, SummarySink as _};
///
/// let mut sink = MemorySink::default();
/// sink.add_scalar("loss", 0.5, Step::new(3))?;
/// assert_eq!(sink.entries[0].tag.as_str(), "loss");
/// assert_eq!(sink.entries[0].step, Step::new(3));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    /// Everything taken so far.
    pub entries: Vec<Entry>,
}

impl SummarySink for MemorySink {
    fn write(&mut self, entry: Entry) -> Result<()> {
        self.entries.push(entry);
        Ok(())
    }
}
