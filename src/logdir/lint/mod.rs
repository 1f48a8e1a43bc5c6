//! Looks for everything that keeps TensorBoard from showing what was logged: [`verify`].
//!
//! | file | concept |
//! |---|---|
//! | `decode` | events out of records that anybody may have written |
//! | `rule` | [`Rule`]: what can be wrong, how bad it is, what to do |
//! | `finding` | [`Finding`], [`Report`]: what is wrong, and where |
//! | `tree` | event files of a log folder, run by run |
//! | `verify` | [`verify`]: all files of all runs |
//! | `run` | one run: its files and sessions |
//! | `sessions` | starts of sessions, and what is obsolete after them |
//! | `series` | one tag: kind, metadata, order of its steps |
//! | `graph` | graphs of operations |
//! | `kept` | how many values of a tag TensorBoard keeps |
//! | `projector` | configurations of the page Projector |
//! | `values` | what the values hold, one file per dashboard |

mod decode;
mod finding;
mod graph;
mod kept;
mod projector;
mod rule;
mod run;
mod series;
mod sessions;
mod tree;
mod values;
mod verify;

pub(crate) use self::decode::decode_event;
pub use self::{
    finding::{Finding, Report},
    rule::{Rule, Severity},
    tree::{EventFile, event_files},
    values::picture_extension,
    verify::{MAX_RECORD_BYTES, verify, verify_with},
};
