//! convscope makes a CNN that trains on libtorch explain itself in stock TensorBoard.
//!
//! Five ways to use it:
//!
//! * **Watch an own training loop**: attach the [`TensorBoard`] callback with a [`Session`], three lines in a `tch`
//!   loop. Optimiser, loss and parameters stay as they are, bit for bit. [`capture`] shows how layers become visible.
//! * **Train a classifier**: the program `convscope train`, or a [`Trainer`] with a [`Network`] built from an
//!   architecture that is data ([`arch::ModelSpec`]).
//! * **Ask what a network can see** before it is trained: [`arch`] has the networks of the literature
//!   ([`arch::zoo`]) or an own one as data, their costs and the receptive field of every unit, without libtorch;
//!   [`diagnostics`] measures what a unit really looks at.
//! * **Write event files, nothing else**: [`SummaryWriter`], with `default-features = false` and without libtorch, from
//!   any program.
//! * **Read event files back**, whoever wrote them: [`LogDir`], without libtorch too.
//!
//! ```
//! use convscope::SummaryWriter;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let logs = folder.path();
//! let writer = SummaryWriter::create(logs)?; // a new folder logs/<time>_<host>
//! writer.add_scalar("loss", 0.25, 1)?;
//! writer.add_histogram("weights/fc1", &[0.1f32, -0.2, 0.3], 1)?;
//! assert!(writer.path().starts_with(logs));
//! writer.close()?; // says whether everything was written
//! # Ok::<(), convscope::Error>(())
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tch` | yes | everything that needs libtorch: [`capture`], [`callback`], [`diagnostics`], [`Network`], [`Trainer`], [`data`] |
//! | `cli` | yes | the program `convscope`: models and log tools, and with `tch` the training and a bar for [`Progress`] |
//! | `parquet` | no | `convscope logs export scalars --format parquet` |
//! | `tensorboard-rs` | no | `SummarySink` for the writer of that crate |
//!
//! # Conventions
//!
//! Every tag lies on the global [`Step`]: batches seen, counted from 1. Functions return [`Error`], which says what was
//! found, what was expected and what to do; none panics on bad input. Warnings go to [`tracing`].

// What needs libtorch is linked to from text that does not: complete in the documentation with all features.
#![cfg_attr(not(feature = "tch"), allow(rustdoc::broken_intra_doc_links))]

mod error;
pub mod prelude;
#[allow(missing_docs, clippy::all, clippy::pedantic)]
#[rustfmt::skip] // generated
pub mod proto;

pub mod arch;
pub mod classification;
pub mod data;
pub mod event;
pub mod logdir;
pub mod record;
pub mod render;
pub mod rules;
pub mod summary;
pub mod writer;

#[cfg(feature = "tch")]
pub mod callback;
#[cfg(feature = "tch")]
pub mod capture;
#[cfg(feature = "tch")]
pub mod diagnostics;
#[cfg(feature = "tch")]
pub mod explain;
#[cfg(feature = "tch")]
pub mod network;
#[cfg(feature = "tch")]
pub mod params;
#[cfg(feature = "tch")]
pub mod session;
#[cfg(feature = "tch")]
pub mod stats;
#[cfg(feature = "tch")]
mod tch_context;
#[cfg(feature = "tch")]
pub mod trainer;
#[cfg(feature = "tch")]
mod weights;

pub use crate::{
    arch::ModelSpec,
    error::{Error, ErrorKind, Result},
    logdir::LogDir,
    summary::{
        Audio, Bucket, Figure, HParam, HParams, Histogram, Image, Kind, Mesh, PrCounter, PrCurve,
        SessionStatus, Step, Summary, Table, Tag, Tensor, Video, WallTime,
    },
    writer::{Entry, MemorySink, SubRun, SummarySink, SummaryWriter},
};

#[cfg(feature = "tch")]
pub use crate::{
    callback::{
        Callback, CallbackList, Checkpoint, Context, EarlyStopping, Interrupter, Metrics, Mode, ModelCard,
        Needs, Progress, Schedule, StopReason, TensorBoard,
    },
    network::Network,
    session::{Scope, Session},
    trainer::{Outcome, Trainer, evaluate, evaluate_batches},
};

/// The README's examples compile and run.
#[cfg(all(doctest, feature = "tch"))]
#[doc = include_str!("../README.md")]
struct Readme;
