//! Which images are explained.

use tch::{Device, Tensor};

use super::{
    classifier::{Classifier, Prediction},
    sample::{Case, Sample},
};
use crate::{
    data::{Dataset, Normalization},
    error::Result,
    tch_context::TchContext as _,
};

/// Labelled images, and how many of them are looked at one by one.
#[derive(Debug)]
pub(super) struct Choice {
    pub data: Dataset,
    pub normalization: Normalization,
    device: Device,
    /// The same images every time.
    fixed: Vec<Sample>,
    /// How many of each class that are answered rightly, and wrongly, the most confident first.
    pub right: usize,
    pub wrong: usize,
}

impl Choice {
    pub fn new(data: Dataset, normalization: &Normalization, device: Device) -> Choice {
        let (normalization, fixed) = (normalization.clone(), Vec::new());
        Choice { data, normalization, device, fixed, right: 0, wrong: 0 }
    }

    /// Looks at the first `count` of [`Dataset::probe`] every time.
    pub fn fix(&mut self, count: usize) -> Result<()> {
        // `probe` gives copies; the places are wanted, for the names.
        let places: Vec<usize> = self.data.probe_places(count);
        self.fixed = if places.is_empty() {
            Vec::new()
        } else {
            Sample::of(&self.data, &places, &self.normalization, self.device)?
        };
        Ok(())
    }

    /// The images that are always looked at.
    pub fn fixed(&self) -> &[Sample] {
        &self.fixed
    }

    /// Those chosen by what the model answers now; they stand in tags by class and rank.
    pub fn by_answer(&self, classifier: &Classifier<'_>) -> Result<Vec<Sample>> {
        if self.right == 0 && self.wrong == 0 {
            return Ok(Vec::new());
        }
        let answers = self.answers(classifier)?;
        let mut chosen = Vec::new();
        for class in 0..self.data.classes().len() as i64 {
            for (kind, right, most) in [("right", true, self.right), ("wrong", false, self.wrong)] {
                let places = most_confident(self.data.labels(), &answers, class, right, most);
                if places.is_empty() {
                    continue;
                }
                let samples = Sample::of(&self.data, &places, &self.normalization, self.device)?;
                let name = &self.data.classes()[class as usize];
                chosen.extend(
                    samples
                        .into_iter()
                        .enumerate()
                        .map(|(rank, sample)| sample.in_place(format!("{name} {kind} {}", rank + 1))),
                );
            }
        }
        Ok(chosen)
    }

    /// What the model answers for all images, a batch at a time.
    fn answers(&self, classifier: &Classifier<'_>) -> Result<Vec<Prediction>> {
        const BATCH: usize = 64;
        let count = self.data.len();
        let mut answers = Vec::with_capacity(count);
        for start in (0..count).step_by(BATCH) {
            let length = BATCH.min(count - start);
            let images = self.data.images().f_narrow(0, start as i64, length as i64);
            let images: Tensor = images.context(|| format!("images from {start} on"))?;
            answers.extend(classifier.predict(&self.normalization.apply(&images, self.device)?)?);
        }
        Ok(answers)
    }
}

/// Places of images of a class that were answered rightly or wrongly, the most confident first.
fn most_confident(
    labels: &[i64],
    answers: &[Prediction],
    class: i64,
    right: bool,
    most: usize,
) -> Vec<usize> {
    let mut places: Vec<usize> = (0..labels.len().min(answers.len()))
        .filter(|&place| labels[place] == class && (answers[place].class == class) == right)
        .collect();
    let confidence = |place: &usize| answers[*place].log_probability;
    places.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.cmp(b)));
    places.truncate(most);
    places
}

/// What the model answers for `samples` now; the answer is what is explained.
///
/// # Errors
/// What the model refuses.
pub(super) fn cases<'s>(
    classifier: &Classifier<'_>,
    samples: impl IntoIterator<Item = &'s Sample>,
) -> Result<Vec<Case<'s>>> {
    let case = |sample: &'s Sample| -> Result<Vec<Case<'s>>> {
        let predictions = classifier.predict(&sample.input)?;
        Ok(predictions
            .into_iter()
            .map(|prediction| Case { sample, prediction, class: prediction.class })
            .collect())
    };
    let cases: Vec<Vec<Case<'s>>> = samples.into_iter().map(case).collect::<Result<_>>()?;
    Ok(cases.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confident_come_first() {
        let answer = |class, log_probability| Prediction { class, log_probability };
        let labels = [1, 1, 0, 1, 1];
        let answers = [answer(1, -0.5), answer(0, -0.1), answer(1, -0.01), answer(1, -0.2), answer(0, -0.3)];
        assert_eq!(most_confident(&labels, &answers, 1, true, 5), [3, 0]);
        assert_eq!(most_confident(&labels, &answers, 1, false, 1), [1]);
        assert_eq!(most_confident(&labels, &answers, 0, true, 5), [0usize; 0]);
    }
}
