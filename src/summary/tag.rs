//! The name of a time series.

use std::{borrow::Borrow, fmt, sync::Arc};

use crate::error::{Error, Result};

/// Name of a time series, such as `loss` or `weights/conv1/weight`: what stands before the first `/` is the group in
/// TensorBoard. Never empty. Cheap to clone.
///
/// ```
/// use convscope::Tag;
///
/// assert_eq!(Tag::new("weights/conv1/weight")?.as_str(), "weights/conv1/weight");
/// assert!(Tag::new("").is_err());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// The name of a layer or parameter as the end of a tag: `layer1.0.conv1` becomes `layer1/0/conv1`, because `/` makes
/// groups in TensorBoard.
pub(crate) fn layer_tag(name: &str) -> String {
    name.replace('.', "/")
}

/// The layer of a parameter, and the parameter's name in it: `layer1.0.conv1` and `weight` of `layer1.0.conv1.weight`.
/// A parameter that lies in no layer is its own.
pub(crate) fn layer_and_part(param: &str) -> (&str, &str) {
    param.rsplit_once(['.', '/']).unwrap_or((param, param))
}

impl Tag {
    /// Checks a name.
    ///
    /// # Errors
    /// An empty name: TensorBoard could not show it.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Tag> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::invalid("tag", "it is empty; give the time series a name such as `loss`"));
        }
        Ok(Tag(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
