//! Metrics of uploads since the process began.

use super::BlobError;
use super::upload_share::UploadLimit;
use server::metrics::{Counter, CounterBy};

server::label! {
    /// The result of an attempt to complete an upload.
    pub enum CompletionResult {
        /// The blob is acknowledged.
        Completed = "completed",
        /// Refused, for a reason that the client can change.
        Refused = "refused",
        /// Failed, for a reason that the client cannot change.
        Failed = "failed",
    }
}

server::label! {
    /// The limit that ended an upload whose parts go past the hold.
    pub enum PassedLimit {
        /// The largest part.
        Part = "part",
        /// The largest blob.
        Blob = "blob",
        /// The quota of its account.
        Quota = "quota",
    }
}

impl PassedLimit {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Part => "a part is larger than limits.max_part_bytes",
            Self::Blob => "its parts are larger than limits.max_blob_bytes together",
            Self::Quota => "its account has more than its quota allows",
        }
    }
}

/// The counters of uploads.
#[derive(Debug, Default)]
pub struct UploadCounts {
    /// Uploads begun.
    pub begun: Counter,
    /// Attempts to complete an upload, by result.
    pub completions: CounterBy<CompletionResult>,
    /// Uploads aborted by their client.
    pub aborted: Counter,
    /// Refused uploads, and parts and completions refused by a quota; by the limit.
    pub refused: CounterBy<UploadLimit>,
    /// Uploads aborted because the parts that bypassed the hold were beyond a limit, by the limit.
    pub passed_limit: CounterBy<PassedLimit>,
    /// Uploads dropped as stale, as empty, or as idle when their account needed the space.
    pub swept: Counter,
    /// Uploads dropped because their account lost its permission to write.
    pub revoked: Counter,
    /// Staged objects read back from a bucket to their end.
    pub proofs: Counter,
    /// Bytes read back.
    pub proof_bytes: Counter,
    /// Time spent on reading back, in microseconds.
    pub proof_us: Counter,
}

impl CompletionResult {
    pub(super) fn of(outcome: &Result<(), BlobError>) -> Self {
        match outcome {
            Ok(()) => Self::Completed,
            Err(
                BlobError::NoSpace(_)
                | BlobError::Unavailable(_)
                | BlobError::Storage(_)
                | BlobError::StagedLost
                | BlobError::Busy,
            ) => Self::Failed,
            Err(
                BlobError::UnknownUpload
                | BlobError::InvalidPart
                | BlobError::MissingParts
                | BlobError::PartsRefused { .. }
                | BlobError::DigestMismatch
                | BlobError::PartTooLarge { .. }
                | BlobError::BlobTooLarge { .. }
                | BlobError::TooManyUploads
                | BlobError::QuotaExceeded { .. }
                | BlobError::LengthRequired
                | BlobError::Body(_),
            ) => Self::Refused,
        }
    }
}
