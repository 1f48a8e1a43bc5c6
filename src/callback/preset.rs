//! How much is written.

use std::str::FromStr;

use crate::error::{Error, Result};

/// How much is written: of the network as a whole, of some layers, or of all of them.
/// [`TensorBoard::preset`](crate::TensorBoard::preset), [`Diagnosis::preset`](crate::diagnostics::Diagnosis::preset) and
/// [`ClassificationReport::preset`](crate::diagnostics::ClassificationReport::preset) (classes instead of layers) say
/// what that means for each.
///
/// ```
/// use convscope::callback::Preset;
///
/// assert_eq!("economy".parse::<Preset>()?, Preset::Economy);
/// assert_eq!(Preset::Standard.to_string(), "standard");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preset {
    /// The network as a whole: no tags of single layers, so that their number does not grow with the depth.
    Economy,
    /// Also tags of up to 16 layers, evenly spread from the first to the last.
    Standard,
    /// Everything.
    Full,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 3] = [Preset::Economy, Preset::Standard, Preset::Full];

    /// `economy`, `standard` or `full`.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Economy => "economy",
            Preset::Standard => "standard",
            Preset::Full => "full",
        }
    }

    /// How many layers get tags of their own.
    pub(crate) const fn layers(self) -> usize {
        match self {
            Preset::Economy => 0,
            Preset::Standard => 16,
            Preset::Full => usize::MAX,
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
            Error::invalid("preset", format!("`{text}` found; give `economy`, `standard` or `full`"))
        })
    }
}
