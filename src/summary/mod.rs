//! Floor 1: pure values and how they look on the wire, one file per dashboard of TensorBoard.

mod histogram;
mod image;
mod step;
mod tag;
mod wall_time;

use std::fmt;

pub use self::{histogram::Histogram, image::Image, step::Step, tag::Tag, wall_time::WallTime};

/// Which dashboard of TensorBoard a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A number.
    Scalar,
    /// A distribution.
    Histogram,
    /// One picture or several of one step.
    Image,
    /// Markdown.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scalar => "scalar",
            Kind::Histogram => "histogram",
            Kind::Image => "image",
            Kind::Text => "text",
        })
    }
}

/// What a value holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(f64),
    Histogram(Histogram),
    Images(Vec<Image>),
    Text(String),
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
    pub(crate) display_name: String,
    pub(crate) description: String,
}

impl Summary {
    fn new(value: Value) -> Summary {
        Summary { value, display_name: String::new(), description: String::new() }
    }

    /// A number, shown as a point of a curve.
    pub fn scalar(value: f64) -> Summary {
        Summary::new(Value::Scalar(value))
    }

    /// A distribution, shown on the pages Histograms and Distributions.
    pub fn histogram(histogram: &Histogram) -> Summary {
        Summary::new(Value::Histogram(histogram.clone()))
    }

    /// A picture.
    pub fn image(image: Image) -> Summary {
        Summary::new(Value::Images(vec![image]))
    }

    /// Markdown.
    pub fn text(markdown: impl Into<String>) -> Summary {
        Summary::new(Value::Text(markdown.into()))
    }

    /// The name that TensorBoard shows in place of the tag. Only the first of a tag counts.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Summary {
        self.display_name = name.into();
        self
    }

    /// Markdown that TensorBoard shows beside the value. Only the first of a tag counts.
    #[must_use]
    pub fn with_description(mut self, markdown: impl Into<String>) -> Summary {
        self.description = markdown.into();
        self
    }

    /// Which dashboard the value is for.
    pub fn kind(&self) -> Kind {
        match self.value {
            Value::Scalar(_) => Kind::Scalar,
            Value::Histogram(_) => Kind::Histogram,
            Value::Images(_) => Kind::Image,
            Value::Text(_) => Kind::Text,
        }
    }
}
