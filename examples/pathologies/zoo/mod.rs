//! The zoo: trainings that are sick on purpose, and healthy ones.

mod healthy;
mod models;
mod own_loop;
mod run;
mod said;
mod sick;

use convscope::{SummaryWriter, rules::Severity};

pub use self::{
    healthy::HEALTHY,
    run::{Result, Run},
    said::Said,
    sick::SICK,
};

/// One training of the zoo.
pub struct Case {
    /// How it is called; of a sick one also the name of its file.
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
    /// How bad it is.
    pub severity: Severity,
    /// What is concerned: any of them will do.
    pub subjects: &'static [&'static str],
    /// By which step.
    pub by: i64,
}

impl Case {
    /// Trains and tells what was found. What the viewer shows goes to `writer`, if there is one.
    pub fn run(&self, seed: u64, writer: Option<SummaryWriter>) -> Result<Said> {
        let run = Run::new(seed, writer);
        (self.train)(&run)?;
        Ok(run.said())
    }
}
