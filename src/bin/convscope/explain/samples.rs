//! The images whose answers are explained.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context as _, ensure};
use convscope::{
    data::{Dataset, Normalization, Picture, Preprocessing, Split},
    explain::{Case, Classifier, Sample},
};
use tch::{Device, Tensor};

use super::flags::{self, Target};

/// Images that are chosen where the user names none: so many right answers, and so many wrong ones.
const OF_EACH: usize = 2;
/// Images among which they are looked for.
const LOOKED_AT: usize = 1000;

/// An image, and where it came from.
pub struct Source {
    /// A file, or `image 12 of the validation images`.
    pub from: String,
    /// Rows and columns before the preprocessing.
    pub size: [u32; 2],
}

/// Images with their sources, in the same order.
#[derive(Default)]
pub struct Samples {
    pub samples: Vec<Sample>,
    pub sources: Vec<Source>,
}

impl Samples {
    /// Adds pictures from files. `label` is the class of all of them.
    pub fn add_files(
        &mut self,
        paths: &[PathBuf],
        preprocessing: &Preprocessing,
        label: Option<i64>,
        device: Device,
    ) -> anyhow::Result<()> {
        for path in paths {
            let picture = Picture::open(path)?;
            let pixels = preprocessing.pixels(&picture)?;
            let input = preprocessing.normalization.apply(&pixels, device)?;
            let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            self.samples.push(Sample::new(name, input, &pixels, label)?);
            self.sources.push(Source { from: path.display().to_string(), size: picture.size() });
        }
        Ok(())
    }

    /// Adds images of a data set by their places in it.
    pub fn add_places(
        &mut self,
        data: &Dataset,
        part: &str,
        places: &[usize],
        normalization: &Normalization,
        device: Device,
    ) -> anyhow::Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let [_, height, width] = data.image_shape();
        let size = [height, width].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        self.samples.extend(Sample::of(data, places, normalization, device)?);
        self.sources
            .extend(places.iter().map(|place| Source { from: format!("{part} image {place}"), size }));
        Ok(())
    }

    /// Makes names differ, since pictures are called by them.
    pub fn tell_apart(&mut self) {
        let mut seen = BTreeSet::new();
        for sample in &mut self.samples {
            let name = sample.name.clone();
            let mut times = 1;
            while !seen.insert(sample.tag().to_lowercase()) {
                times += 1;
                sample.name = format!("{name} {times}");
            }
        }
    }

    /// What the model answers for each, and the class that is explained.
    pub fn cases<'s>(
        &'s self,
        classifier: &Classifier<'_>,
        target: &Target,
        classes: &[String],
        outputs: i64,
    ) -> anyhow::Result<Vec<Case<'s>>> {
        let wanted = match target {
            Target::Class(text) => Some(flags::class(text, classes, outputs).context("--target")?),
            Target::Predicted | Target::Label => None,
        };
        let case = |sample: &'s Sample| {
            let answer =
                classifier.predict(&sample.input).with_context(|| format!("image `{}`", sample.name))?;
            let prediction = *answer.first().context("the model answers nothing")?;
            let class = match target {
                Target::Label => sample.label.with_context(|| {
                    format!("--target label: the class of `{}` is not known: give it by --label", sample.name)
                })?,
                Target::Predicted | Target::Class(_) => wanted.unwrap_or(prediction.class),
            };
            Ok(Case { sample, prediction, class })
        };
        self.samples.iter().map(case).collect()
    }
}

/// Places of a few images that are worth a look: the first right answers, and the first wrong ones.
pub fn right_and_wrong(
    data: &Dataset,
    normalization: &Normalization,
    classifier: &Classifier<'_>,
    device: Device,
) -> anyhow::Result<Vec<usize>> {
    let all: Vec<usize> = (0..data.len().min(LOOKED_AT)).collect();
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for places in all.chunks(100) {
        let some = data.subset(places)?;
        let input: Tensor = normalization.apply(&some.pixels()?, device)?;
        let answers = classifier.predict(&input)?;
        for ((&place, &label), answer) in places.iter().zip(some.labels()).zip(answers) {
            let group = if answer.class == label { &mut right } else { &mut wrong };
            if group.len() < OF_EACH {
                group.push(place);
            }
        }
        if right.len() == OF_EACH && wrong.len() == OF_EACH {
            break;
        }
    }
    right.append(&mut wrong);
    Ok(right)
}

/// Whether a data set is one for a model.
pub fn check_data(split: &Split, input: [i64; 3], outputs: i64) -> anyhow::Result<()> {
    let found = split.validation.image_shape();
    ensure!(found == input, "its images are {found:?} (channels, rows, columns); the model takes {input:?}");
    let classes = split.validation.classes().len() as i64;
    ensure!(classes == outputs, "it has {classes} classes; the model puts out {outputs} numbers");
    Ok(())
}
