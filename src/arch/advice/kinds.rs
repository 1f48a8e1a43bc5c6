//! A piece of advice.

use std::fmt;

use crate::error::{Error, Result};

/// One thing to know about a model.
///
/// ```
/// use convscope::arch::{Advice, AdviceKind};
///
/// let advice = Advice { kind: AdviceKind::Gridding, layers: vec!["conv3".into()], message: "It has holes".into() };
/// assert_eq!(advice.to_string(), "gridding: It has holes.");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub kind: AdviceKind,
    /// The layers concerned, in the model's order. None where it is about the model as a whole.
    pub layers: Vec<String>,
    /// What was found, with names and numbers, and what can be done; without a full stop at the end. Long lists of
    /// layers are shortened, which [`layers`](Advice::layers) is not.
    pub message: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.kind, self.message)
    }
}

/// What a piece of advice is about. "The last maps" are those behind which places are lost: read by global pooling,
/// flatten or linear layers, or the model's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdviceKind {
    /// An add or concat joins branches of different strides: the place of a unit has no meaning.
    StrideConflict,
    /// A field larger than can be counted.
    Unsolved,
    /// Pixels of the image that no unit of the last maps sees: borders that windows leave out, or gaps between fields.
    UnseenPixels,
    /// Units of the last maps see their field with holes, because of dilations that leave gaps or strides larger
    /// than their windows (Wang et al.: Understanding Convolution for Semantic Segmentation, 2018).
    Gridding,
    /// An add or concat joins branches whose fields have different centres, so that its maps do not lie on each other
    /// (Araujo et al.: Computing Receptive Fields of Convolutional Neural Networks, 2019).
    MisalignedMerge,
    /// Layers with windows larger than 1x1 whose input's field is already as large as the image, along all axes in which
    /// the window has more than one tap: they cannot add context (Richter et al.: Size Matters, 2021, and Should You Go
    /// Deeper?, 2021; the rule of the tool delve).
    UnproductiveTail,
    /// The last maps see less than an object, or an object is larger than the image.
    SmallFinalField,
    /// Something to know that is no defect.
    Note,
    /// None of the defects above was found.
    Healthy,
}

impl AdviceKind {
    /// Whether it is worth a change: neither a note nor the statement that all is well.
    pub fn is_defect(self) -> bool {
        !matches!(self, AdviceKind::Note | AdviceKind::Healthy)
    }
}

impl fmt::Display for AdviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdviceKind::StrideConflict => "stride conflict",
            AdviceKind::Unsolved => "unknown receptive field",
            AdviceKind::UnseenPixels => "pixels that no unit sees",
            AdviceKind::Gridding => "gridding",
            AdviceKind::MisalignedMerge => "misaligned merge",
            AdviceKind::UnproductiveTail => "unproductive layers",
            AdviceKind::SmallFinalField => "small final field",
            AdviceKind::Note => "note",
            AdviceKind::Healthy => "healthy",
        })
    }
}

/// What [`ModelSpec::advice`](super::super::ModelSpec::advice) is to know besides the model.
///
/// ```
/// use convscope::arch::AdviceOptions;
///
/// let options = AdviceOptions::default().object_size([40, 60]);
/// assert_eq!(options.object_size, Some([40, 60]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AdviceOptions {
    /// Height and width of the objects that are to be told apart, in pixels of the image. Default not known.
    pub object_size: Option<[i64; 2]>,
}

impl AdviceOptions {
    /// Sets the height and width of objects, in pixels of the image: the last maps are compared with it.
    #[must_use]
    pub fn object_size(mut self, size: [i64; 2]) -> AdviceOptions {
        self.object_size = Some(size);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.object_size {
            Some(size) if size.iter().any(|&side| side < 1) => {
                Err(Error::invalid("object size", format!("{size:?} found; height and width are 1 or more")))
            }
            _ => Ok(()),
        }
    }
}
