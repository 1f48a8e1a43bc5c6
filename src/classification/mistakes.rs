//! The most confident wrong answers.

/// A wrong answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Position of the sample among all that were given, from 0.
    pub index: u64,
    /// The true class.
    pub truth: usize,
    /// The class it was taken for.
    pub predicted: usize,
    /// Probability of the predicted class, 0 to 1.
    pub confidence: f64,
    /// Probability of the true class, 0 to 1.
    pub truth_probability: f64,
}

/// The most confident ones, most confident first; among equals the earlier sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mistakes {
    kept: Vec<Mistake>,
    most: usize,
}

impl Mistakes {
    /// None yet; at most so many are kept.
    pub fn new(most: usize) -> Mistakes {
        Mistakes { kept: Vec::new(), most }
    }

    /// Takes the next mistake, and drops the least confident one where there is no room.
    pub fn add(&mut self, mistake: Mistake) {
        let place = self.kept.partition_point(|kept| kept.confidence >= mistake.confidence);
        if place < self.most {
            self.kept.insert(place, mistake);
            self.kept.truncate(self.most);
        }
    }

    pub fn as_slice(&self) -> &[Mistake] {
        &self.kept
    }
}
