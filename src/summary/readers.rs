//! What a summary holds, where it is of a kind.

use super::{Audio, Bucket, Image, Layout, Mesh, PrCurve, Summary, Tensor, Value, Video};

impl Summary {
    /// The number, where it is one.
    ///
    /// ```
    /// use convscope::Summary;
    ///
    /// assert_eq!(Summary::scalar(0.5).as_scalar(), Some(0.5));
    /// assert_eq!(Summary::text("none").as_scalar(), None);
    /// ```
    pub fn as_scalar(&self) -> Option<f64> {
        match self.value {
            Value::Scalar(value) => Some(value),
            _ => None,
        }
    }

    /// The buckets, where it is a distribution.
    pub fn as_buckets(&self) -> Option<&[Bucket]> {
        match &self.value {
            Value::Histogram(buckets) => Some(buckets),
            _ => None,
        }
    }

    /// The pictures, where it holds some.
    pub fn as_images(&self) -> Option<&[Image]> {
        match &self.value {
            Value::Images(images) => Some(images),
            _ => None,
        }
    }

    /// The Markdown, where it is a text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(markdown) => Some(markdown),
            _ => None,
        }
    }

    /// The clips, where it holds sound.
    pub fn as_audio(&self) -> Option<&[Audio]> {
        match &self.value {
            Value::Audio(clips) => Some(clips),
            _ => None,
        }
    }

    /// The curve, where it is one.
    pub fn as_pr_curve(&self) -> Option<&PrCurve> {
        match &self.value {
            Value::PrCurve(curve) => Some(curve),
            _ => None,
        }
    }

    /// The videos, where it holds some.
    pub fn as_videos(&self) -> Option<&[Video]> {
        match &self.value {
            Value::Videos(videos) => Some(videos),
            _ => None,
        }
    }

    /// The layout, where it is one.
    pub fn as_layout(&self) -> Option<&Layout> {
        match &self.value {
            Value::Layout(layout) => Some(layout),
            _ => None,
        }
    }

    /// The array, where it is one for a plugin.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match &self.value {
            Value::Tensor(value) => Some(&value.tensor),
            _ => None,
        }
    }

    /// The whole mesh, where it is a part of one.
    pub fn as_mesh(&self) -> Option<&Mesh> {
        match &self.value {
            Value::Mesh(part) => Some(part.mesh()),
            _ => None,
        }
    }

    /// What no later value of the tag may change, because readers keep it of the first value alone. Empty where there
    /// is no such thing.
    pub(crate) fn fixed(&self) -> Vec<u8> {
        match &self.value {
            Value::Mesh(part) => part.fixed(),
            Value::HParams(session) => session.fixed(),
            Value::Tensor(value) => value.fixed(),
            _ => Vec::new(),
        }
    }
}
