//! What is wrong with a training, said while it runs.
//!
//! | file | what it holds |
//! |---|---|
//! | `callback` | [`Diagnosis`]: observes, examines, writes, acts |
//! | `on_critical`, `handle` | what to do about a critical finding; the verdict after training |
//! | `report` | the verdict and the state of the rules, when they are written |
//! | `statistic`, `history` | numbers of layers, and those of all steps |
//! | `curves`, `extra`, `pictures` | how they are shown |

mod callback;
mod curves;
mod extra;
mod handle;
mod history;
mod on_critical;
mod pictures;
mod report;
mod statistic;

pub use self::{callback::Diagnosis, handle::VerdictHandle, on_critical::OnCritical};
