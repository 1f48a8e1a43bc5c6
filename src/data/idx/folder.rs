//! Folders of IDX files.

use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::file::{IdxImages, IdxLabels};
use crate::data::dataset::{Dataset, Split};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// What the file names of the training images begin with.
const TRAIN: &[&str] = &["train"];
/// The same for validation: MNIST calls them `t10k`.
const VALIDATION: &[&str] = &["validation", "t10k", "test"];
/// Names of the classes, one a line. May be absent.
const CLASSES: &str = "classes.txt";

/// Reads a folder of IDX files, such as that of Debian's package `dataset-fashion-mnist` or an unpacked MNIST:
///
/// | file | holds |
/// |---|---|
/// | `train-images-idx3-ubyte` | training images, grey |
/// | `train-labels-idx1-ubyte` | their labels |
/// | `validation-...` or `t10k-...` or `test-...` | the same for validation |
/// | `classes.txt` (may be absent) | names of the classes, one a line, from label 0 on |
///
/// Each data file may be packed with gzip (with or without `.gz` in its name), and `.idx` may stand for `-idx` in it.
/// Without `classes.txt` the classes are the labels of the training images, which must then be 0, 1, 2 ... without a gap.
///
/// # Errors
/// A missing folder or file; a file that is no IDX file of its kind, is shorter or longer than its header says, has a
/// damaged gzip stream, or holds nothing; other numbers of labels than of images; a label outside the classes;
/// validation images of another size. Each says which file, what was found and what was expected.
pub fn idx(folder: &Path) -> Result<Split> {
    if !folder.is_dir() {
        let found = if folder.exists() { "it is not a folder" } else { "there is no such folder" };
        let why = format!("{found}; a folder with IDX files such as train-images-idx3-ubyte.gz is expected");
        return Err(Error::invalid(format!("data folder {}", folder.display()), why));
    }
    let train = Part::open(folder, TRAIN)?;
    let validation = Part::open(folder, VALIDATION)?;
    let classes = match read_classes(folder)? {
        Some(classes) => classes,
        None => train.labels.classes()?,
    };
    let train = train.into_dataset(&classes)?;
    Split::new(train, validation.into_dataset(&classes)?)
        .map_err(|error| Error::invalid(format!("data folder {}", folder.display()), error.to_string()))
}

/// Images and labels that belong together.
pub(in crate::data) struct Part {
    images: IdxImages,
    labels: IdxLabels,
}

impl Part {
    fn open(folder: &Path, prefixes: &[&str]) -> Result<Part> {
        let images = IdxImages::open(find(folder, prefixes, "images", 3)?)?;
        let labels = IdxLabels::open(find(folder, prefixes, "labels", 1)?)?;
        Ok(Part { images, labels })
    }

    /// Both files are given as name and content.
    pub(in crate::data) fn from_bytes(images: (&str, &[u8]), labels: (&str, &[u8])) -> Result<Part> {
        Ok(Part {
            images: IdxImages::from_bytes(images.0, images.1)?,
            labels: IdxLabels::from_bytes(labels.0, labels.1)?,
        })
    }

    pub(in crate::data) fn into_dataset(self, classes: &[String]) -> Result<Dataset> {
        let Part { images, labels } = self;
        let [count, height, width] = images.size();
        if labels.values().len() as u64 != u64::from(count) {
            let why =
                format!("{} labels found for the {count} images of {}", labels.values().len(), images.name);
            return Err(Error::invalid(labels.name, why));
        }
        labels.check_range(classes.len())?;
        let size = [count.into(), 1, height.into(), width.into()];
        let context = || images.name.clone();
        let pixels = Tensor::f_from_data_size(images.pixels(), &size, Kind::Uint8).context(context)?;
        let labels = Tensor::f_from_slice(labels.values()).context(context)?;
        Dataset::new(&pixels, &labels, classes.to_vec())
    }
}

impl IdxLabels {
    fn check_range(&self, classes: usize) -> Result<()> {
        match self.values().iter().enumerate().find(|&(_, &label)| usize::from(label) >= classes) {
            None => Ok(()),
            Some((index, label)) => Err(Error::invalid(
                &self.name,
                format!(
                    "label {label} of image {index} found; {classes} classes allow 0 to {}",
                    classes.max(1) - 1
                ),
            )),
        }
    }

    /// Classes named after the labels, which must leave none out: a damaged label would else make up new classes.
    fn classes(&self) -> Result<Vec<String>> {
        let mut seen = [false; 256];
        for &label in self.values() {
            seen[usize::from(label)] = true;
        }
        let count = seen.iter().rposition(|&seen| seen).map_or(0, |last| last + 1);
        match seen.iter().take(count).position(|&seen| !seen) {
            None => Ok((0..count).map(|class| class.to_string()).collect()),
            Some(gap) => Err(Error::invalid(
                &self.name,
                format!(
                    "label {} found, but no image of class {gap}; if that is right, name the classes in classes.txt \
                     beside it, one a line",
                    count - 1
                ),
            )),
        }
    }
}

/// The first file that is there, of all names that are in use.
fn find(folder: &Path, prefixes: &[&str], what: &str, dimensions: u8) -> Result<PathBuf> {
    for prefix in prefixes {
        for separator in ['-', '.'] {
            for packed in ["", ".gz"] {
                let name = format!("{prefix}-{what}{separator}idx{dimensions}-ubyte{packed}");
                let path = folder.join(name);
                if path.is_file() {
                    return Ok(path);
                }
            }
        }
    }
    let names: Vec<String> =
        prefixes.iter().map(|prefix| format!("{prefix}-{what}-idx{dimensions}-ubyte[.gz]")).collect();
    Err(Error::invalid(
        format!("data folder {}", folder.display()),
        format!("there is no file {}", names.join(" or ")),
    ))
}

/// `None` where the file is absent.
fn read_classes(folder: &Path) -> Result<Option<Vec<String>>> {
    let path = folder.join(CLASSES);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    let classes: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if classes.is_empty() || classes.iter().any(String::is_empty) {
        let why =
            format!("{} lines found, one of them empty; one class name a line is expected", classes.len());
        return Err(Error::invalid(path.display().to_string(), why));
    }
    Ok(Some(classes))
}
