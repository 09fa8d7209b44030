//! What a bucket answers, in words that no provider owns.

use crate::objects::ObjectInfo;

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// From 1 to 10,000.
    pub number: u16,
    /// As the store gave it, in quotes.
    pub etag: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// An upload in parts that was neither completed nor dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMultipart {
    /// Where its object would be.
    pub key: String,
    /// The store's name for it.
    pub id: String,
    /// When it began, in microseconds since 1970, by the store's clock.
    pub begun_us: u64,
}

/// How completing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The object is there, made by this request or by an earlier one whose answer was lost.
    Object(ObjectInfo),
    /// The list is not what the store received, or a part is of a size that it does not take. Nothing changed.
    WrongParts {
        /// The store's code, such as `EntityTooSmall`.
        code: String,
    },
    /// There is no such upload, and no object under the key.
    Unknown,
}

/// How a pinned copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The target has the bytes.
    Done,
    /// The source is gone, or is not the object with that ETag any more. The target is as it was where the store heeds
    /// the condition of a copy; where it does not (Ceph, rclone), the target may have bytes of somebody else.
    SourceChanged,
}

/// How long a part may be uploaded, in seconds.
pub const PART_URL_S: u64 = 900;
/// How long an object may be read, in seconds.
pub const READ_URL_S: u64 = 300;

/// What the store is to say about an object that is read by URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
}
