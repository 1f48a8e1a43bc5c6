//! The data set that is part of the crate.

use super::{dataset::Split, idx::Part};
use crate::error::Result;

/// Names of Fashion-MNIST's classes, by label.
const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

macro_rules! bundled {
    ($name:literal) => {
        ($name, &include_bytes!(concat!("../../data/", $name))[..])
    };
}

/// A sample of Fashion-MNIST: 6,000 images to train on, 1,000 to validate with, 28 x 28 pixels, ten classes of equal
/// size. By Zalando SE, MIT licence.
///
/// ```
/// let split = convscope::data::bundled()?;
/// assert_eq!((split.train.len(), split.validation.len()), (6000, 1000));
/// assert_eq!(split.train.image_shape(), [1, 28, 28]);
/// assert_eq!(split.train.classes()[9], "Ankle boot");
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Too little memory.
pub fn bundled() -> Result<Split> {
    let classes = CLASSES.map(str::to_owned);
    let train =
        Part::from_bytes(bundled!("train-images-idx3-ubyte.gz"), bundled!("train-labels-idx1-ubyte.gz"))?;
    let validation =
        Part::from_bytes(bundled!("t10k-images-idx3-ubyte.gz"), bundled!("t10k-labels-idx1-ubyte.gz"))?;
    Split::new(train.into_dataset(&classes)?, validation.into_dataset(&classes)?)
}
