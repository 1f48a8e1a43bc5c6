//! Floor 0: bytes. TFRecord framing and its checksums.

/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct RecordError;
