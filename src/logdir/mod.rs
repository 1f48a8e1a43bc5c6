//! Floor 3: log folders, read back.
//!
//! [`LogDir`] finds the event files of all runs, indexes them in one pass, and follows them while they grow. `discover`
//! looks for files, `file` indexes one with the help of `skim` and `wire`, which look into events without unpacking them,
//! `restarts` holds the rules for values that were logged again, `stored` reads a value that somebody asks for, and `value`
//! makes of it what its kind is. [`lint`] finds what is wrong with files, [`repair`] saves what is whole of them, and
//! [`merge`] makes one run of several.

mod budget;
mod column;
mod discover;
mod file;
mod identity;
mod limits;
pub mod lint;
mod log_dir;
pub mod merge;
mod options;
mod point;
mod position;
mod problem;
mod readers;
pub mod repair;
mod restarts;
mod run;
mod series;
mod skim;
mod stored;
mod tag_info;
mod value;
mod visits;
mod watch;
mod wire;

pub use self::{
    file::LogFile,
    limits::Limits,
    log_dir::{LogDir, Refreshed},
    options::LogDirOptions,
    point::Point,
    position::Position,
    problem::{Problem, ProblemKind},
    readers::LoggedHParams,
    restarts::Restarts,
    run::Run,
    series::Series,
    tag_info::{SeriesKind, TagInfo},
    value::{LoggedBucket, LoggedImages, LoggedPrCurve, LoggedText},
};
