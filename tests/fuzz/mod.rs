//! What must hold for every input, however hostile: one function per fuzz target. Each panics where it does not hold.
//!
//! `fuzz/` runs them with libFuzzer, `fuzz_corpus.rs` over the inputs that are kept in `corpus/`.

mod chopped;
mod events;
mod idx;
mod logdir;
pub mod mutate;
mod records;
mod spec;
mod stream;

use peak_alloc::PeakAlloc;

pub use self::{events::events, idx::idx, logdir::logdir, records::records, spec::spec};

/// What is run for each input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 5] =
    [("events", events), ("idx", idx), ("logdir", logdir), ("records", records), ("spec", spec)];

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Runs `work`, which may take `most` bytes of memory more than there are in use.
fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let result = work();
    let taken = HEAP.peak_usage().saturating_sub(before);
    assert!(taken <= most, "{taken} bytes of memory taken, {most} allowed");
    result
}
