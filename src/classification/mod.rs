//! Floor 4: how well a classifier answers, class by class. Plain numbers, without libtorch.
//!
//! An [`Evaluation`] is fed batch by batch with labels and logits; everything else is read from it.
//! `diagnostics::ClassificationReport` does that while a network trains on libtorch.
//!
//! | file | what it holds |
//! |---|---|
//! | `evaluation` | [`Evaluation`]: labels and logits in, all the rest out |
//! | `confusion_matrix` | [`ConfusionMatrix`]: how often each class was taken for each other |
//! | `class_report` | [`ClassReport`]: precision, recall, F1 and support, and their averages |
//! | `calibration` | [`Calibration`]: whether the answers are as often right as they claim |
//! | `mistakes` | [`Mistake`]: the most confident wrong answers |
//! | `average_precision` | [`average_precision`]: a precision-recall curve as one number |
//! | `log_softmax` | from logits to logarithms of probabilities and of odds |
//! | `pictures` | the same as pictures |
//! | `tables` | the same as tables |

mod average_precision;
mod calibration;
mod class_report;
mod confusion_matrix;
mod evaluation;
mod log_softmax;
mod mistakes;
mod pictures;
mod tables;

#[cfg(feature = "tch")]
pub(crate) use self::tables::class_name;
pub use self::{
    average_precision::average_precision,
    calibration::{Calibration, CalibrationBin},
    class_report::{Averages, ClassReport, ClassScores, ZeroDivision},
    confusion_matrix::{Confusion, ConfusionMatrix},
    evaluation::{Evaluation, LeftOut},
    mistakes::Mistake,
};
