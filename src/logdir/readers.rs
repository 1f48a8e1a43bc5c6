//! What a run's series hold, kind by kind.

use super::{
    column::{Cell, Row},
    point::Point,
    position::Position,
    run::Run,
    series::{Convert, Series},
    skim,
    stored::{MAX_PARTS, Store, Stored},
    tag_info::{SeriesKind, TagInfo},
    value::{self, LoggedBucket, LoggedImages, LoggedPrCurve, LoggedText},
};
use crate::{
    error::{Error, Result},
    event::count_fields,
    proto::{
        self, DataClass, HParamsPluginData, SessionEndInfo, SessionStartInfo, h_params_plugin_data::Data,
        summary::value::Value,
    },
    summary::{GRAPH_TAG, HPARAMS_END_TAG, HPARAMS_START_TAG, LAYOUT_TAG, Tensor},
};

/// Longest message that is unpacked at once where small parts of it can take much memory.
const MAX_MESSAGE: usize = 16 << 20;

/// The hyperparameters of a run and how its training ended, as far as they are there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoggedHParams {
    /// The hyperparameters, and when and in which group the training began.
    pub start: Option<SessionStartInfo>,
    /// How and when it ended.
    pub end: Option<SessionEndInfo>,
}

/// Values of tags. All of these functions leave out what a restart made obsolete. Those that return a [`Series`] read from
/// the files while it is iterated.
///
/// ```
/// use convscope::{Image, SummaryWriter, logdir::LogDir};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let writer = SummaryWriter::open(path)?;
/// writer.add_scalar("loss", 0.5, 1)?;
/// writer.add_image("sample", Image::gray(2, 1, vec![0, 255])?, 1)?;
/// writer.close()?;
///
/// let logs = LogDir::open(path)?;
/// let run = logs.run(".")?;
/// assert_eq!(run.scalars("loss")?[0].value, 0.5);
/// let pictures = run.images("sample")?.next().unwrap()?.value;
/// assert_eq!((pictures.width, pictures.height), (2, 1));
/// assert_eq!(Image::from_png(pictures.samples[0].clone())?.pixels(), [0, 255]);
/// assert!(run.scalars("sample").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Run {
    /// The curve of a tag: its numbers in their order.
    ///
    /// Numbers of 32 bits, which all writers use, are exact; tensors of 64-bit floats and of integers are taken too,
    /// though TensorBoard's data server shows none of those. Values of the tag that are no numbers are left out, as
    /// TensorBoard does.
    ///
    /// # Errors
    /// No such tag, or one of another kind. A file that cannot be read again or changed meanwhile.
    pub fn scalars(&self, tag: &str) -> Result<Vec<Point<f64>>> {
        let info = self.of_kind(tag, SeriesKind::Scalar)?;
        self.numbers(tag, &self.rows(&info.tag, info.data_class))
    }

    /// The numbers of a tag that are behind `position`, which goes on behind them: all of them with a new one, and later
    /// those that were added to whichever file. For one who follows a training.
    ///
    /// They come file by file. Those that a restart made obsolete are among them, by whatever rules the log folder is
    /// read, since one cannot take back what was shown. Of a file that took the place of another at its path, only
    /// values with a later wall time are new. Values that are no numbers are left out as by [`scalars`](Run::scalars).
    ///
    /// ```
    /// use convscope::{SummaryWriter, logdir::{LogDir, Position}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let writer = SummaryWriter::open(folder.path())?;
    /// writer.add_scalar("loss", 0.5, 1)?;
    /// writer.flush()?;
    /// let mut logs = LogDir::open(folder.path())?;
    /// let mut position = Position::default();
    /// assert_eq!(logs.run(".")?.new_scalars("loss", &mut position)?.len(), 1);
    ///
    /// writer.add_scalar("loss", 0.25, 2)?;
    /// writer.flush()?;
    /// logs.refresh()?;
    /// assert_eq!(logs.run(".")?.new_scalars("loss", &mut position)?[0].value, 0.25);
    /// assert!(logs.run(".")?.new_scalars("loss", &mut position)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`scalars`](Run::scalars). The position stays where it was.
    pub fn new_scalars(&self, tag: &str, position: &mut Position) -> Result<Vec<Point<f64>>> {
        let info = self.of_kind(tag, SeriesKind::Scalar)?;
        let (rows, after) = position.advance(self.files(), &info.tag);
        let points = self.numbers(tag, &rows)?;
        *position = after;
        Ok(points)
    }

    /// The numbers among the values in these rows.
    fn numbers(&self, tag: &str, rows: &[(usize, &Row)]) -> Result<Vec<Point<f64>>> {
        let mut store = self.store();
        let mut points = Vec::new();
        for &(file, row) in rows {
            let number = match row.cell {
                Cell::Number(number) => Some(number),
                Cell::Stored { offset, index } => match store.read(file, tag, offset, index)? {
                    Stored::Value(Some(Value::Tensor(tensor))) => skim::number(&tensor),
                    _ => None,
                },
            };
            match number {
                Some(number) => points.push(row.point(number)),
                None => {
                    tracing::warn!(
                        "tag {tag:?}: the value at step {} is no number and is left out",
                        row.step
                    );
                }
            }
        }
        Ok(points)
    }

    /// The distributions of a tag.
    ///
    /// # Errors
    /// No such tag, or one of another kind.
    pub fn histograms(&self, tag: &str) -> Result<Series<'_, Vec<LoggedBucket>>> {
        Ok(self.series(self.of_kind(tag, SeriesKind::Histogram)?, value::buckets))
    }

    /// The pictures of a tag.
    ///
    /// # Errors
    /// No such tag, or one of another kind.
    pub fn images(&self, tag: &str) -> Result<Series<'_, LoggedImages>> {
        Ok(self.series(self.of_kind(tag, SeriesKind::Image)?, value::images))
    }

    /// The sounds of a tag: whole WAV files, one or several of a step.
    ///
    /// # Errors
    /// No such tag, or one of another kind.
    pub fn audio(&self, tag: &str) -> Result<Series<'_, Vec<Vec<u8>>>> {
        Ok(self.series(self.of_kind(tag, SeriesKind::Audio)?, value::audio))
    }

    /// The texts of a tag.
    ///
    /// # Errors
    /// No such tag, or one of another kind.
    pub fn texts(&self, tag: &str) -> Result<Series<'_, LoggedText>> {
        Ok(self.series(self.of_kind(tag, SeriesKind::Text)?, value::text))
    }

    /// Precision and recall of a tag.
    ///
    /// # Errors
    /// No such tag, or one of another kind.
    pub fn pr_curves(&self, tag: &str) -> Result<Series<'_, LoggedPrCurve>> {
        Ok(self.series(self.of_kind(tag, SeriesKind::PrCurve)?, value::pr_curve))
    }

    /// The tensors of a tag of any plugin that keeps tensors: meshes, texts, one's own.
    ///
    /// Types that [`Tensor`] does not have are widened: half floats to 32 bits, small integers to 32 bits, unsigned ones
    /// to 64.
    ///
    /// # Errors
    /// No such tag, or one that keeps numbers or byte strings.
    pub fn tensors(&self, tag: &str) -> Result<Series<'_, Tensor>> {
        Ok(self.series(self.of_class(tag, DataClass::Tensor)?, value::tensor))
    }

    /// The byte strings of a tag of any plugin that keeps such: pictures (after width and height as texts), sounds,
    /// graphs.
    ///
    /// # Errors
    /// No such tag, or one that keeps numbers or tensors.
    pub fn blobs(&self, tag: &str) -> Result<Series<'_, Vec<Vec<u8>>>> {
        let info = self.of_class(tag, DataClass::BlobSequence)?;
        let convert = if info.kind == SeriesKind::Audio { value::audio } else { value::blobs };
        Ok(self.series(info, convert))
    }

    /// The graph of operations, the newest where there are several; `None` where there is none.
    ///
    /// # Errors
    /// A graph of more than a million nodes, and bytes that are no graph.
    pub fn graph(&self) -> Result<Option<proto::GraphDef>> {
        let Some(bytes) = self.newest_blob(GRAPH_TAG)? else { return Ok(None) };
        let nodes = count_fields(&bytes, &[1]).unwrap_or_default();
        if nodes > MAX_PARTS {
            return Err(
                self.refused(GRAPH_TAG, format!("the graph has {nodes} nodes, at most {MAX_PARTS} are read"))
            );
        }
        self.decoded(GRAPH_TAG, &bytes).map(Some)
    }

    /// The graph of layers as JSON, in the form that Keras gives it: the newest of the first tag that has one. `None`
    /// where there is none.
    ///
    /// # Errors
    /// A file that cannot be read again or changed meanwhile.
    pub fn conceptual_graph(&self) -> Result<Option<String>> {
        let Some(info) = self.tags().iter().find(|info| info.kind == SeriesKind::ConceptualGraph) else {
            return Ok(None);
        };
        let json = self.newest_blob(&info.tag)?;
        Ok(json.map(|json| String::from_utf8_lossy(&json).into_owned()))
    }

    /// The layout of the page Custom Scalars, the newest where there are several; `None` where there is none.
    ///
    /// # Errors
    /// Bytes that are no layout, or more than 16 MiB of it.
    pub fn layout(&self) -> Result<Option<proto::CustomScalarLayout>> {
        if !self.has(LAYOUT_TAG, SeriesKind::CustomScalars) {
            return Ok(None);
        }
        let mut values = self.series(self.tag(LAYOUT_TAG)?, value::message);
        match values.next_back() {
            Some(point) => self.decoded(LAYOUT_TAG, &point?.value).map(Some),
            None => Ok(None),
        }
    }

    /// The hyperparameters of the run, and how its training ended.
    ///
    /// Only the first of each that a run holds counts, as in TensorBoard.
    ///
    /// # Errors
    /// Bytes that are no hyperparameters, or more than 16 MiB of them.
    pub fn hparams(&self) -> Result<LoggedHParams> {
        let mut found = LoggedHParams::default();
        for tag in [HPARAMS_START_TAG, HPARAMS_END_TAG] {
            if !self.has(tag, SeriesKind::HParams) {
                continue;
            }
            let content: HParamsPluginData = self.decoded(tag, &self.tag(tag)?.content)?;
            match content.data {
                Some(Data::SessionStartInfo(start)) => found.start = Some(start),
                Some(Data::SessionEndInfo(end)) => found.end = Some(end),
                None => {}
            }
        }
        Ok(found)
    }

    fn has(&self, tag: &str, kind: SeriesKind) -> bool {
        self.tag(tag).is_ok_and(|info| info.kind == kind)
    }

    fn newest_blob(&self, tag: &str) -> Result<Option<Vec<u8>>> {
        let Ok(info) = self.of_class(tag, DataClass::BlobSequence) else { return Ok(None) };
        let newest = self.series(info, value::blobs).next_back().transpose()?;
        Ok(newest.and_then(|point| point.value.into_iter().next()))
    }

    fn decoded<M: prost::Message + Default>(&self, tag: &str, bytes: &[u8]) -> Result<M> {
        if bytes.len() > MAX_MESSAGE && tag != GRAPH_TAG {
            return Err(
                self.refused(tag, format!("it has {} bytes, at most {MAX_MESSAGE} are read", bytes.len()))
            );
        }
        M::decode(bytes)
            .map_err(|error| self.refused(tag, format!("its content cannot be understood: {error}")))
    }

    fn refused(&self, tag: &str, why: String) -> Error {
        Error::invalid(format!("tag `{tag}` of run `{}`", self.name()), why)
    }

    /// The tag, where it is of this kind.
    fn of_kind(&self, tag: &str, kind: SeriesKind) -> Result<&TagInfo> {
        let info = self.tag(tag)?;
        if info.kind == kind {
            return Ok(info);
        }
        Err(Error::invalid(
            "tag",
            format!("`{tag}` of run `{}` is of kind {}, not {kind}", self.name(), info.kind),
        ))
    }

    /// The tag, where it is of this storage class.
    fn of_class(&self, tag: &str, class: DataClass) -> Result<&TagInfo> {
        let info = self.tag(tag)?;
        if info.data_class == class {
            return Ok(info);
        }
        let wanted = if class == DataClass::Tensor { "tensors" } else { "byte strings" };
        Err(Error::invalid(
            "tag",
            format!(
                "`{tag}` of run `{}` is of kind {}, which is not kept as {wanted}",
                self.name(),
                info.kind
            ),
        ))
    }

    fn series<'a, T>(&'a self, info: &'a TagInfo, convert: Convert<T>) -> Series<'a, T> {
        Series::new(
            self.rows(&info.tag, info.data_class),
            self.store(),
            &info.tag,
            self.options().restarts,
            convert,
        )
    }

    fn store(&self) -> Store<'_> {
        Store::new(self.files(), self.options().limits.max_record_bytes)
    }
}
