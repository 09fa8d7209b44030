//! The size limits of a part.

use std::sync::Arc;

use super::quotas::QuotaShare;
use super::{BlobError, UploadLimits};

/// The limits that a part's size must keep: those of parts and blobs, and the account's quota.
pub(super) struct SizeLimit {
    limits: Arc<UploadLimits>,
    max_part_bytes: u64,
    /// Bytes that the blob's limit leaves beside the other parts.
    left_bytes: u64,
    /// The share of the account's quota that the part takes.
    share: Option<QuotaShare>,
}

impl SizeLimit {
    /// Returns the limit of a part beside others of `others_bytes`.
    pub(super) fn new(limits: Arc<UploadLimits>, others_bytes: u64) -> Self {
        let left_bytes = limits.max_blob_bytes.saturating_sub(others_bytes);
        Self { max_part_bytes: limits.max_part_bytes, limits, left_bytes, share: None }
    }

    /// Returns the limit for a store that takes no part of more than `max_part_bytes`.
    pub(super) fn in_store(self, max_part_bytes: u64) -> Self {
        Self { max_part_bytes: self.max_part_bytes.min(max_part_bytes), ..self }
    }

    /// Returns the limit with the quota of an account.
    pub(super) fn in_quota(self, share: Option<QuotaShare>) -> Self {
        Self { share, ..self }
    }

    /// Checks the size of a part, and takes it from the quota.
    ///
    /// # Errors
    /// When a part of `size_bytes` is too large.
    pub(super) fn check(&self, size_bytes: u64) -> Result<(), BlobError> {
        if size_bytes > self.max_part_bytes {
            return Err(BlobError::PartTooLarge { limit_bytes: self.max_part_bytes });
        }
        if size_bytes > self.left_bytes {
            return Err(BlobError::BlobTooLarge { limit_bytes: self.limits.max_blob_bytes });
        }
        self.share.as_ref().map_or(Ok(()), |share| share.take(size_bytes))
    }
}
