//! convscope makes a CNN that trains on libtorch explain itself in stock TensorBoard.

#![allow(clippy::module_name_repetitions)]

mod error;
pub mod prelude;
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto;

pub mod arch;
pub mod event;
pub mod record;
pub mod render;
pub mod summary;
pub mod writer;

#[cfg(feature = "tch")]
pub mod callback;
#[cfg(feature = "tch")]
pub mod capture;
#[cfg(feature = "tch")]
pub mod data;
#[cfg(feature = "tch")]
pub mod network;
#[cfg(feature = "tch")]
pub mod params;
#[cfg(feature = "tch")]
pub mod session;
#[cfg(feature = "tch")]
pub mod stats;
#[cfg(feature = "tch")]
pub mod trainer;

pub use crate::{
    arch::ModelSpec,
    error::{Error, ErrorKind, Result},
    summary::{Bucket, Histogram, Image, Kind, Step, Summary, Tag, WallTime},
    writer::{Entry, MemorySink, SubRun, SummarySink, SummaryWriter},
};

#[cfg(feature = "tch")]
pub use crate::{
    callback::{
        Callback, CallbackList, Checkpoint, Context, EarlyStopping, Interrupter, Metrics, Mode, Needs,
        Progress, Schedule, StopReason, TensorBoard,
    },
    network::Network,
    session::{Scope, Session},
    trainer::{Outcome, Trainer, evaluate},
};

/// The README's examples compile and run.
#[cfg(all(doctest, feature = "tch"))]
#[doc = include_str!("../README.md")]
struct Readme;
