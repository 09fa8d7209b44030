//! The request to upload a part, and the sizes that parts may have.

use atproto::syntax::Did;

use super::names::{PartNumber, UploadId};

/// A part sent by a client.
#[derive(Debug, Clone)]
pub struct PartRequest {
    /// The part's upload.
    pub upload: UploadId,
    /// The account that sends the part; the one that began the upload, or the part is refused.
    pub account: Did,
    /// The part's number.
    pub number: PartNumber,
    /// The part's length in bytes, if the client announced one.
    pub announced_bytes: Option<u64>,
    /// The current time, in microseconds since 1970.
    pub now_us: u64,
}

/// The sizes that parts may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSizes {
    /// Any size, announced or not.
    Any,
    /// From `min_bytes` to `max_bytes`, announced beforehand; the last part may be smaller.
    Between {
        /// The smallest size, in bytes.
        min_bytes: u64,
        /// The largest size, in bytes.
        max_bytes: u64,
    },
}
