//! Stock TensorBoard reads what we write: each of its loaders sees exactly the runs, tags, steps, wall times and values
//! that were written, and has nothing to complain about.
//!
//! The loaders run in the Python environment `.venv` that `cargo xtask test` makes; the environment variable
//! `CONVSCOPE_TEST_PYTHON` names another interpreter.

#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(feature = "tch")]
mod classification;
#[cfg(feature = "tch")]
#[path = "../support/diagnosed_run.rs"]
mod diagnosed_run;
#[cfg(feature = "tch")]
mod diagnosis;
mod kinds;
#[cfg(feature = "tch")]
mod own_reader;
#[cfg(all(feature = "cli", feature = "tch"))]
mod program;
#[path = "../support/python.rs"]
mod python;
mod routes;
mod series;
#[cfg(all(feature = "cli", feature = "tch"))]
#[path = "../support/small_run.rs"]
mod small_run;
mod synthetic;
