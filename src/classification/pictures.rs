//! What an evaluation found, as pictures.

use super::{
    calibration::{Calibration, CalibrationBin},
    confusion_matrix::ConfusionMatrix,
    tables::class_name,
};
use crate::{
    error::Result,
    render::{Caption, ConfusionCells, ConfusionScale, ReliabilityBin, confusion_matrix, reliability},
    summary::{Image, thousands},
};

impl ConfusionMatrix {
    /// A picture of the matrix: see [`confusion_matrix`](crate::render::confusion_matrix). `names` are those of the
    /// classes; a class without one is called by its number.
    ///
    /// # Errors
    /// As [`confusion_matrix`](crate::render::confusion_matrix).
    pub fn to_image(&self, names: &[String], scale: ConfusionScale, caption: &Caption<'_>) -> Result<Image> {
        let names: Vec<String> = (0..self.classes()).map(|class| class_name(names, class)).collect();
        let cells: Vec<(usize, usize, u64)> = self.cells().collect();
        let accuracy =
            self.accuracy().map_or_else(String::new, |share| format!(", accuracy {}", percent(share)));
        let note = format!("{} images{accuracy}", thousands(&self.total()));
        confusion_matrix(&ConfusionCells { classes: &names, cells: &cells }, scale, &note, caption)
    }
}

impl Calibration {
    /// A reliability diagram: see [`reliability`](crate::render::reliability). ECE and MCE stand above it.
    ///
    /// # Errors
    /// More than 100 bins.
    pub fn to_image(&self, caption: &Caption<'_>) -> Result<Image> {
        let bin = |bin: &CalibrationBin| ReliabilityBin {
            count: bin.count,
            accuracy: bin.accuracy().unwrap_or(0.0),
            confidence: bin.confidence().unwrap_or(0.0),
        };
        let bins: Vec<ReliabilityBin> = self.bins().iter().map(bin).collect();
        reliability(&bins, &self.words(), caption)
    }

    /// The errors, and how confident the answers are on the whole, in one line.
    pub fn words(&self) -> String {
        let all = self.overall();
        let errors = [self.ece(), self.mce(), all.confidence(), all.accuracy()];
        let [Some(ece), Some(mce), Some(confidence), Some(accuracy)] = errors.map(|share| share.map(percent))
        else {
            return "no images".to_owned();
        };
        let count = thousands(&all.count);
        format!("ECE {ece}, MCE {mce}; {count} images, mean confidence {confidence}, accuracy {accuracy}")
    }
}

/// `4.2 %`.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
