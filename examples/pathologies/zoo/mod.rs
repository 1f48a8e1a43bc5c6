//! The zoo: trainings that are sick on purpose, and healthy ones.

mod figures;
pub mod healthy;
mod models;
mod own_loop;
mod run;
pub mod sick;

pub use self::run::{Result, Run};

/// One training of the zoo.
pub struct Case {
    /// Name of the file, and of the run in TensorBoard.
    pub name: &'static str,
    /// What is wrong on purpose; of a healthy training, what trains.
    pub about: &'static str,
    /// What must be found; `None` where nothing is wrong.
    pub finds: Option<Finds>,
    /// The training.
    pub train: fn(&Run) -> Result<()>,
}

/// The diagnosis that a sick training must get.
pub struct Finds {
    /// The rule.
    pub rule: &'static str,
    /// The layers or parameters of which one at least must be named.
    pub subjects: &'static [&'static str],
    /// By which step.
    pub by: i64,
}
