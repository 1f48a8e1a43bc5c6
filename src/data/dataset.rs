//! Images, labels and class names.

use tch::{Device, Kind, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Images to train on, and others to validate with. Both have the same classes and image shape.
#[derive(Debug)]
pub struct Split {
    /// What the model learns from.
    pub train: Dataset,
    /// What it is measured with.
    pub validation: Dataset,
}

impl Split {
    /// Puts the two together.
    ///
    /// # Errors
    /// Other classes or another image shape in `validation` than in `train`.
    pub fn new(train: Dataset, validation: Dataset) -> Result<Split> {
        let refuse = |what: &str, found: String, expected: String| {
            Err(Error::invalid(
                "validation data",
                format!("{what} {found} found; the training data has {expected}"),
            ))
        };
        if train.image_shape() != validation.image_shape() {
            let [found, expected] = [&validation, &train].map(|data| format!("{:?}", data.image_shape()));
            return refuse("image shape (C, H, W)", found, expected);
        }
        if train.classes != validation.classes {
            let [found, expected] = [&validation, &train].map(|data| data.classes.join(", "));
            return refuse("classes", found, expected);
        }
        Ok(Split { train, validation })
    }
}

/// Labelled images in memory. Never empty.
///
/// ```
/// use convscope::data::Dataset;
/// use tch::{Device, Kind, Tensor};
///
/// let images = Tensor::zeros([4, 1, 8, 8], (Kind::Uint8, Device::Cpu));
/// let labels = Tensor::from_slice(&[0i64, 1, 1, 0]);
/// let data = Dataset::new(&images, &labels, vec!["cat".into(), "dog".into()])?;
/// assert_eq!((data.len(), data.image_shape()), (4, [1, 8, 8]));
/// assert_eq!(data.class_counts(), [2, 2]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct Dataset {
    images: Tensor,
    labels: Vec<i64>,
    classes: Vec<String>,
}

impl Dataset {
    /// Checks that images, labels and classes belong together.
    ///
    /// `images` is `[N, C, H, W]`, either bytes in `0..=255` or floats, which are taken as they are and should lie in
    /// `0..=1`. `labels` is `[N]`, integers in `0..classes.len()`. Images on another device are
    /// copied to the CPU; else the data set shares them, so do not change them in place.
    ///
    /// # Errors
    /// Another shape or kind, no image, an image without pixels, another number of labels than of images, a label
    /// outside the classes, a pixel that is NaN or infinite.
    pub fn new(images: &Tensor, labels: &Tensor, classes: Vec<String>) -> Result<Dataset> {
        let images = on_cpu("images", images)?;
        let count = check_images(&images)?;
        let labels = check_labels(&on_cpu("labels", labels)?, count, classes.len())?;
        Ok(Dataset { images, labels, classes })
    }

    /// How many images there are.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Channels, height and width of every image.
    pub fn image_shape(&self) -> [i64; 3] {
        match self.images.size().as_slice() {
            &[_, channels, height, width] => [channels, height, width],
            _ => [0; 3], // `new` lets only four dimensions pass
        }
    }

    /// Names of the classes; a label is a position in this list.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// All images as they are stored, `[N, C, H, W]` on the CPU: bytes in `0..=255`, or floats.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// The label of every image.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The name of every image's class.
    pub fn label_names(&self) -> Vec<&str> {
        self.label_indices().map(|class| self.classes.get(class).map_or("", String::as_str)).collect()
    }

    /// How many images each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for class in self.label_indices() {
            counts[class] += 1;
        }
        counts
    }

    /// All images as `f32` in `0..=1`, `[N, C, H, W]` on the CPU: four times the memory of bytes, so meant for a few
    /// images.
    ///
    /// # Errors
    /// Too little memory.
    pub fn pixels(&self) -> Result<Tensor> {
        scaled(&self.images).context(|| format!("scale {} images", self.len()))
    }

    /// A copy of the images at `indices`, in that order.
    ///
    /// # Errors
    /// No index, or one beyond the last image.
    pub fn subset(&self, indices: &[usize]) -> Result<Dataset> {
        if let Some(bad) = indices.iter().find(|&&index| index >= self.len()) {
            return Err(Error::invalid(
                "subset of a data set",
                format!("image {bad} asked for; there are {} images, counted from 0", self.len()),
            ));
        }
        if indices.is_empty() {
            return Err(Error::invalid("subset of a data set", "no image asked for; at least one is needed"));
        }
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        let images = select(&self.images, indices).context(|| "subset of a data set".to_owned())?;
        Ok(Dataset { images, labels, classes: self.classes.clone() })
    }

    /// `count` images to look at during the whole training: the first of every class in the order of the classes, then
    /// the second of every class, and so on. The same images every time. All images where there are fewer.
    ///
    /// # Errors
    /// A `count` of 0.
    pub fn probe(&self, count: usize) -> Result<Dataset> {
        self.subset(&self.probe_places(count))
    }

    /// Places of the images of [`probe`](Dataset::probe).
    pub(crate) fn probe_places(&self, count: usize) -> Vec<usize> {
        let mut seen = vec![0; self.classes.len()];
        let mut ranked: Vec<(usize, usize, usize)> = Vec::with_capacity(self.len());
        for (index, class) in self.label_indices().enumerate() {
            ranked.push((seen[class], class, index));
            seen[class] += 1;
        }
        ranked.sort_unstable();
        ranked.into_iter().take(count).map(|(_, _, index)| index).collect()
    }

    fn label_indices(&self) -> impl Iterator<Item = usize> {
        self.labels.iter().map(|&label| usize::try_from(label).unwrap_or_default())
    }
}

/// Bytes in `0..=255` become `f32` in `0..=1`; floats stay as they are, as `f32`.
pub(super) fn scaled(images: &Tensor) -> Result<Tensor, tch::TchError> {
    let floats = images.f_to_kind(Kind::Float)?;
    if images.f_kind()? == Kind::Uint8 { floats.f_div_scalar(255.0) } else { Ok(floats) }
}

/// Rows of a tensor.
pub(super) fn select(tensor: &Tensor, indices: &[usize]) -> Result<Tensor, tch::TchError> {
    let indices: Vec<i64> = indices.iter().filter_map(|&index| i64::try_from(index).ok()).collect();
    tensor.f_index_select(0, &Tensor::f_from_slice(&indices)?)
}

fn on_cpu(what: &str, tensor: &Tensor) -> Result<Tensor> {
    if !tensor.defined() {
        return Err(Error::invalid(what, "the tensor is undefined"));
    }
    tensor.f_detach().and_then(|t| t.f_to_device(Device::Cpu)).context(|| what.to_owned())
}

fn check_images(images: &Tensor) -> Result<usize> {
    let size = images.size();
    if size.len() != 4 || size.contains(&0) {
        return Err(Error::invalid(
            "images",
            format!("shape {size:?} found; at least one image is expected as [N, C, H, W]"),
        ));
    }
    match images.f_kind().context(|| "images".to_owned())? {
        Kind::Uint8 => {}
        Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double => check_finite(images)?,
        other => {
            return Err(Error::invalid(
                "images",
                format!("{other:?} found; bytes (0 to 255) or floats (0 to 1) are expected"),
            ));
        }
    }
    Ok(size.first().copied().and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

fn check_finite(images: &Tensor) -> Result<()> {
    let finite = || bool::try_from(images.f_isfinite()?.f_all()?);
    if finite().context(|| "images".to_owned())? {
        return Ok(());
    }
    Err(Error::invalid("images", "a pixel is NaN or infinite; finite numbers are expected"))
}

fn check_labels(labels: &Tensor, images: usize, classes: usize) -> Result<Vec<i64>> {
    let size = labels.size();
    let kind = labels.f_kind().context(|| "labels".to_owned())?;
    if size.len() != 1 || !matches!(kind, Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64) {
        return Err(Error::invalid(
            "labels",
            format!("{kind:?} of shape {size:?} found; one integer for each image is expected, as [N]"),
        ));
    }
    let labels: Vec<i64> = Vec::try_from(labels).context(|| "labels".to_owned())?;
    if labels.len() != images {
        return Err(Error::invalid("labels", format!("{} labels found for {images} images", labels.len())));
    }
    let fits = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes);
    match labels.iter().enumerate().find(|&(_, &label)| !fits(label)) {
        None => Ok(labels),
        Some((index, label)) => Err(Error::invalid(
            "labels",
            format!(
                "label {label} of image {index} found; {classes} classes allow 0 to {}",
                classes.max(1) - 1
            ),
        )),
    }
}
