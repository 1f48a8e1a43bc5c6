//! The properties that are fuzzed. They lie with the tests, which run them as well: over the kept corpus, in seconds.

#[path = "../../tests/fuzz/mod.rs"]
pub mod properties;
