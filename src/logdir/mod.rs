//! Floor 3: log folders, read back.
//!
//! [`LogDir`] finds the event files of all runs, indexes them in one pass, and follows them while they grow. `discover`
//! looks for files, `file` indexes one with the help of `skim` and `wire`, which look into events without unpacking them,
//! `restarts` holds the rules for values that were logged again. [`lint`] finds what is wrong with files, and [`repair`] saves
//! what is whole of them.

mod budget;
mod column;
mod discover;
mod file;
mod identity;
mod limits;
pub mod lint;
mod log_dir;
mod options;
mod point;
mod problem;
pub mod repair;
mod restarts;
mod run;
mod skim;
mod tag_info;
mod wire;

pub use self::{
    file::LogFile,
    limits::Limits,
    log_dir::{LogDir, Refreshed},
    options::LogDirOptions,
    point::Point,
    problem::{Problem, ProblemKind},
    restarts::Restarts,
    run::Run,
    tag_info::{SeriesKind, TagInfo},
};
