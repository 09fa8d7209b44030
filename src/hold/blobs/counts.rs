//! Metrics of uploads, since the process began.

use super::BlobError;
use super::measure::PassedLimit;
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

/// The counters of the room.
#[derive(Debug)]
pub struct UploadCounts {
    /// Uploads that were begun.
    pub begun: Counter,
    /// Attempts to complete an upload, by result.
    pub completions: CounterBy<CompletionResult>,
    /// Uploads that their client aborted.
    pub aborted: Counter,
    /// Uploads that were refused, by the limit.
    pub refused: CounterBy<UploadLimit>,
    /// Uploads whose parts went past the hold and beyond a limit, by the limit.
    pub passed_limit: CounterBy<PassedLimit>,
    /// Uploads that were dropped because nothing touched them.
    pub swept: Counter,
    /// Uploads that were dropped because their account may not write any more.
    pub revoked: Counter,
    /// Staged objects that were read back from a bucket, to their end.
    pub proofs: Counter,
    /// Bytes that were read back.
    pub proof_bytes: Counter,
    /// How long reading back took, in microseconds.
    pub proof_us: Counter,
}

impl Default for UploadCounts {
    fn default() -> Self {
        Self {
            begun: Counter::new(),
            completions: CounterBy::default(),
            aborted: Counter::new(),
            refused: CounterBy::default(),
            passed_limit: CounterBy::default(),
            swept: Counter::new(),
            revoked: Counter::new(),
            proofs: Counter::new(),
            proof_bytes: Counter::new(),
            proof_us: Counter::new(),
        }
    }
}

impl CompletionResult {
    pub(super) fn of(outcome: &Result<(), BlobError>) -> Self {
        match outcome {
            Ok(()) => Self::Completed,
            Err(BlobError::NoSpace(_) | BlobError::Unavailable(_) | BlobError::Storage(_) | BlobError::Busy) => {
                Self::Failed
            }
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
