//! Paths that are built in one place and taken apart in another.

/// A blob by signed URL: this prefix and the digest.
pub(super) const BLOBS_PREFIX: &str = "/blobs/";
