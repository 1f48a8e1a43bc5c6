//! Values of the page Projector: points in many dimensions, with labels and small pictures.
//!
//! `metadata` holds the labels, `sprites` puts the pictures into one file.

mod metadata;
mod sprites;

use std::{fmt::Write as _, sync::Arc};

use self::metadata::Metadata;
use super::{EmbeddingFiles, Image, Summary, Value};
use crate::{
    error::{Error, Result},
    proto::DataClass,
};

pub(super) const PLUGIN: &str = "projector";
/// Nothing of it is in an event file.
pub(super) const DATA_CLASS: DataClass = DataClass::Unknown;

/// So many points TensorBoard shows.
const MAX_POINTS: usize = 100_000;
/// Fewer dimensions leave the page's first view, three principal components, empty.
const MIN_DIMENSIONS: usize = 3;

/// Points in many dimensions, such as the features of images, for the page Projector: PCA, t-SNE and UMAP in the
/// browser, with a label and a small picture at each point. Cheap to clone.
///
/// The page shows the first 100,000 points. A point with a number that is not finite cannot be shown: it is left out,
/// with its labels and picture; [`non_finite`](Embedding::non_finite) counts them. Points of fewer than three dimensions
/// get zeros behind, for the page starts with three principal components.
///
/// ```
/// use convscope::{Image, summary::Embedding};
///
/// let embedding = Embedding::from_rows(&[[0.0, 1.0, 2.0], [1.0, f32::NAN, 0.0], [3.0, 0.0, 0.0]])?
///     .labels(["cat", "dog", "cat"])?
///     .sprites(vec![Image::gray(8, 8, vec![128; 64])?; 3])?;
/// assert_eq!((embedding.points(), embedding.dimensions(), embedding.non_finite()), (3, 3, 1));
///
/// let error = embedding.labels(["cat"]).unwrap_err();
/// assert_eq!(error.to_string(), "embedding: 1 label for 3 points; give one for each");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    values: Arc<[f32]>,
    dimensions: usize,
    /// Whether all numbers of a point are finite.
    finite: Arc<[bool]>,
    metadata: Option<Arc<Metadata>>,
    sprites: Option<Arc<[Image]>>,
}

impl Embedding {
    /// Points one after another: `values` holds `dimensions` numbers of each.
    ///
    /// # Errors
    /// No dimension, a number of values that is no multiple of `dimensions`, and fewer than two points of which all numbers
    /// are finite: the page does not list those.
    pub fn new(values: impl Into<Arc<[f32]>>, dimensions: usize) -> Result<Embedding> {
        let values = values.into();
        if dimensions == 0 || values.is_empty() || values.len() % dimensions != 0 {
            return invalid(format!(
                "{} numbers for points of {dimensions} dimensions; give all numbers of each point",
                values.len()
            ));
        }
        let finite: Arc<[bool]> =
            values.chunks(dimensions).map(|point| point.iter().all(|v| v.is_finite())).collect();
        let embedding = Embedding { values, dimensions, finite, metadata: None, sprites: None };
        let (points, left_out) = (embedding.points(), embedding.non_finite());
        if points - left_out < 2 {
            return invalid(format!(
                "{points} points, {left_out} of them with a number that is not finite; TensorBoard shows two or more"
            ));
        }
        if left_out > 0 {
            tracing::warn!(
                "embedding: {left_out} of {points} points have a number that is not finite and are left out"
            );
        }
        if points - left_out > MAX_POINTS {
            tracing::warn!(
                "embedding: {points} points; TensorBoard shows the first {MAX_POINTS}. Take a sample of them"
            );
        }
        Ok(embedding)
    }

    /// One row of numbers for each point.
    ///
    /// # Errors
    /// Rows of different lengths, and as [`new`](Embedding::new).
    pub fn from_rows<R: AsRef<[f32]>>(rows: &[R]) -> Result<Embedding> {
        let dimensions = rows.first().map_or(0, |row| row.as_ref().len());
        if let Some((index, row)) = rows.iter().enumerate().find(|(_, row)| row.as_ref().len() != dimensions)
        {
            return invalid(format!(
                "point {index} has {} numbers, point 0 has {dimensions}; all points need the same dimensions",
                row.as_ref().len()
            ));
        }
        let values: Vec<f32> = rows.iter().flat_map(AsRef::as_ref).copied().collect();
        Embedding::new(values, dimensions)
    }

    /// Gives each point a label, by which the page can also colour, where there are 50 different ones at most.
    ///
    /// # Errors
    /// A number of labels other than that of the points.
    pub fn labels<T: Into<String>>(self, labels: impl IntoIterator<Item = T>) -> Result<Embedding> {
        let rows: Vec<Vec<String>> = labels.into_iter().map(|label| vec![label.into()]).collect();
        if rows.len() != self.points() {
            let plural = if rows.len() == 1 { "" } else { "s" };
            return invalid(format!(
                "{} label{plural} for {} points; give one for each",
                rows.len(),
                self.points()
            ));
        }
        self.metadata(&["label"], rows)
    }

    /// Gives each point a row of texts or numbers, one for each column. The page can colour by a column of numbers, and
    /// by one of 50 different texts at most.
    ///
    /// A tab or another control character is written as a space, and `-` stands in a row that is blank, because
    /// TensorBoard would skip it and shift those after it. Where there is one column, TensorBoard calls it `label`,
    /// whatever its name.
    ///
    /// # Errors
    /// No column, a name that is blank or given twice, a number of rows other than that of the points, and a row with more
    /// or fewer cells than columns.
    pub fn metadata(mut self, columns: &[&str], rows: Vec<Vec<String>>) -> Result<Embedding> {
        self.metadata = Some(Arc::new(Metadata::new(columns, rows, self.points())?));
        Ok(self)
    }

    /// Gives each point a small picture, all of one size. The page draws them as squares, in the colour of the point: white
    /// takes it on, black stays. Together they are one picture of at most 8,192 x 8,192 pixels; where they would take more,
    /// they are made smaller.
    ///
    /// # Errors
    /// A number of pictures other than that of the points, or of different sizes.
    pub fn sprites(mut self, pictures: Vec<Image>) -> Result<Embedding> {
        sprites::check(&pictures, self.points())?;
        self.sprites = Some(pictures.into());
        Ok(self)
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.finite.len()
    }

    /// Numbers of a point.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The numbers, point by point.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Points that are left out, because a number of theirs is not finite.
    pub fn non_finite(&self) -> usize {
        self.finite.iter().filter(|finite| !**finite).count()
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        let sprites = self.sprites.as_deref().unwrap_or_default();
        size_of_val(&*self.values)
            + self.finite.len()
            + self.metadata.as_ref().map_or(0, |metadata| metadata.size())
            + sprites.iter().map(Image::size).sum::<usize>()
    }

    /// What of each point is shown.
    fn shown<'a, T>(&'a self, each: &'a [T]) -> impl Iterator<Item = &'a T> {
        each.iter().zip(&*self.finite).filter_map(|(value, finite)| finite.then_some(value))
    }

    fn tensors(&self) -> Vec<u8> {
        let points: Vec<&[f32]> = self.values.chunks(self.dimensions).collect();
        let mut tsv = String::with_capacity(self.values.len() * 12);
        for point in self.shown(&points) {
            for (index, value) in point.iter().chain(self.padding()).enumerate() {
                let _ = write!(tsv, "{}{value:?}", if index == 0 { "" } else { "\t" });
            }
            tsv.push('\n');
        }
        tsv.into_bytes()
    }

    /// Zeros behind each point.
    fn padding(&self) -> &'static [f32] {
        &[0.0; MIN_DIMENSIONS][self.dimensions.min(MIN_DIMENSIONS)..]
    }
}

impl Summary {
    /// Points with labels and pictures, shown on the page Projector under the tag and the step. They are kept in files of
    /// their own, below `projector/` in the run's folder. TensorBoard has no place for a display name and a description.
    pub fn embedding(embedding: &Embedding) -> Summary {
        Summary::new(Value::Embedding(Box::new(embedding.clone())))
    }

    /// The points, where it holds some.
    pub fn as_embedding(&self) -> Option<&Embedding> {
        match &self.value {
            Value::Embedding(embedding) => Some(embedding),
            _ => None,
        }
    }
}

/// The contents of the files.
pub(super) fn encode(embedding: &Embedding) -> Result<EmbeddingFiles> {
    let sprites = embedding.sprites.as_deref().map(|all| {
        let shown: Vec<&Image> = embedding.shown(all).collect();
        sprites::encode(&shown)
    });
    Ok(EmbeddingFiles {
        tensors: embedding.tensors(),
        shape: [
            embedding.points() - embedding.non_finite(),
            embedding.dimensions + embedding.padding().len(),
        ],
        metadata: embedding.metadata.as_ref().map(|metadata| metadata.encode(|rows| embedding.shown(rows))),
        sprites: sprites.transpose()?,
    })
}

fn invalid<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::invalid("embedding", why))
}
