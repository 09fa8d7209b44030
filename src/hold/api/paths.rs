//! Paths that are built in one place and parsed in another.

/// The path of a blob by signed URL: this prefix and the digest.
pub(super) const BLOBS_PREFIX: &str = "/blobs/";
