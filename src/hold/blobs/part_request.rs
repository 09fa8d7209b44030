//! One part on its way in, and the sizes that parts may have.

use atproto::syntax::Did;

use super::names::{PartNumber, UploadId};

/// A part that a client sends.
#[derive(Debug, Clone)]
pub struct PartRequest {
    /// The upload that it belongs to.
    pub upload: UploadId,
    /// The account that sends it; it must be the one that began the upload.
    pub account: Did,
    /// Its number.
    pub number: PartNumber,
    /// Its length in bytes, when the client announced one.
    pub announced_bytes: Option<u64>,
    /// The current time, in microseconds since 1970.
    pub now_us: u64,
}

/// The sizes that parts may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSizes {
    /// Any, also when none is announced.
    Any,
    /// From `min_bytes`, which the last part need not have, to `max_bytes`; announced beforehand.
    Between {
        /// The least, in bytes.
        min_bytes: u64,
        /// The most, in bytes.
        max_bytes: u64,
    },
}
