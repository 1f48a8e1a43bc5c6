//! Joins several runs, or several files of a run, into one: [`merge`].
//!
//! | file | concept |
//! |---|---|
//! | `sources` | which files become which run |
//! | `budget` | how much a run may take |
//! | `tag` | what is known of a tag: its kind, which all sources must agree on |
//! | `index` | what the values of a run are, and where they stand |
//! | `overlap` | which of them are kept |
//! | `write` | one file with them, in order |
//! | `merge` | [`merge`]: all runs |

mod budget;
mod index;
#[expect(clippy::module_inception, reason = "the function has the module's name")]
mod merge;
mod overlap;
mod sources;
mod tag;
mod write;

pub use self::{
    merge::{Merged, merge, merge_with},
    overlap::Overlap,
};
