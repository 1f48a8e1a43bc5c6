//! Occlusion: what the answer loses when a part of the image is hidden.
//!
//! | file | what it holds |
//! |---|---|
//! | `method` | [`Occlusion`]: the settings, and the lecture's procedure |
//! | `windows` | [`PatchStarts`]: where patches begin |
//! | `measure` | forward passes of occluded images, in pieces |
//! | `coarse_to_fine` | which patches are worth a forward pass |
//! | `map` | [`OcclusionMap`]: the result; one value a patch, one value a pixel |

mod coarse_to_fine;
mod map;
mod measure;
mod method;
mod windows;

pub use self::{
    map::{OcclusionMap, Patch},
    method::Occlusion,
    windows::PatchStarts,
};
