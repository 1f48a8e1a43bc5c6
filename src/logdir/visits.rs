//! Which folders a walk has looked into.

use std::collections::HashMap;

use walkdir::DirEntry;

use super::identity;

/// Deepest folder that is looked into.
pub(super) const MAX_DEPTH: usize = 64;
/// How often a folder is looked into, under different names: two links in each of many folders would lead to more names
/// than can ever be visited.
pub(super) const MAX_VISITS: u32 = 16;

/// How often each folder was looked into, by the numbers of its device and of itself.
#[derive(Debug, Default)]
pub(super) struct Visits(HashMap<(u64, u64), u32>);

impl Visits {
    /// Counts a visit. Whether it is one too many.
    pub fn are_over(&mut self, folder: &DirEntry) -> bool {
        let Some(number) = folder.metadata().ok().and_then(|metadata| identity::number(&metadata)) else {
            return false;
        };
        let visits = self.0.entry(number).or_default();
        *visits += 1;
        *visits > MAX_VISITS
    }
}
