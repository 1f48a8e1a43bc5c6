//! Saves what is whole of damaged event files, into new files: [`repair`].
//!
//! | file | concept |
//! |---|---|
//! | `salvage` | the whole records of a damaged file |
//! | `window` | a part of a file that moves on |
//! | `mend` | what an event needs to be taken by both loaders |
//! | `output` | files that are there only when they are complete |
//! | `repair` | [`repair`]: a file, or all below a folder |

mod mend;
mod output;
#[expect(clippy::module_inception, reason = "the function has the module's name")]
mod repair;
mod salvage;
mod window;

pub(crate) use self::{
    output::NewFile,
    repair::{check_new_folder, refuse_filled},
    salvage::{Piece, Salvage},
};
pub use self::{
    repair::{MAX_LISTED, Repaired, repair, repair_with},
    salvage::Damage,
};
