//! Results of requests to a bucket, the same for all providers.

use crate::objects::ObjectInfo;

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The part's number, from 1 to 10,000.
    pub number: u16,
    /// The part's ETag as the store returned it, in quotes.
    pub etag: String,
    /// The part's size in bytes.
    pub size_bytes: u64,
}

/// A multipart upload that was neither completed nor dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMultipart {
    /// The key of the object that it would become.
    pub key: String,
    /// The store's id of the upload.
    pub id: String,
    /// Time when the upload began, in microseconds since 1970, by the store's clock.
    pub begun_us: u64,
}

/// The outcome of completing a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The object is there, made by this request or by an earlier one whose response was lost.
    Object(ObjectInfo),
    /// The list is not what the store received, or a part has a size that it does not accept. Nothing changed.
    WrongParts {
        /// The store's error code, such as `EntityTooSmall`.
        code: String,
    },
    /// There is no such upload, and no object under the key.
    Unknown,
}

/// The version of an object that is copied.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    /// The object's key.
    pub key: &'a str,
    /// The ETag of the version, with or without quotation marks.
    pub etag: &'a str,
    /// Its size in bytes.
    pub size_bytes: u64,
}

impl CopySource<'_> {
    /// Returns the ETag as a header has it.
    pub(super) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag.trim_matches('"'))
    }
}

/// The outcome of a pinned copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The target has the bytes.
    Done,
    /// The source is gone, or its ETag has changed. The target is unchanged if the store honours the condition of a
    /// copy; if it does not (Ceph, rclone), the target may have the bytes of the changed source.
    SourceChanged,
}

/// Validity of a URL for uploading a part, in seconds.
pub const PART_URL_S: u64 = 900;
/// Validity of a URL for reading an object, in seconds.
pub const READ_URL_S: u64 = 300;

/// The headers that the store is to send when an object is read by a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
}
