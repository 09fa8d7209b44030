//! Why the blob room refused, named by what the caller can do about it.

use std::path::PathBuf;

use atproto::syntax::Size;
use server::storage::StorageError;

/// Why an upload or a read failed. The source of a storage error is for the log, never for a response.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No open upload of this account has this identity. Unknown, foreign and finished look the same.
    #[error("no such upload")]
    UnknownUpload,
    /// A part number outside 1..=10000.
    #[error("a part number is from 1 to 10000")]
    InvalidPart,
    /// The list of parts is not 1, 2, 3, … with the ETags that were answered.
    #[error("the parts are not exactly those that were received, numbered from 1 without a gap")]
    MissingParts,
    /// The store does not make an object of the parts.
    #[error("the store does not take the parts: {}", explained(code))]
    PartsRefused {
        /// The store's code.
        code: String,
    },
    /// The bytes do not have the digest. What was staged is kept.
    #[error("the content does not have this digest")]
    DigestMismatch,
    /// A part is larger than the hold accepts.
    #[error("the part is larger than {limit_bytes} bytes")]
    PartTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The parts together are larger than the hold accepts.
    #[error("the blob is larger than {limit_bytes} bytes")]
    BlobTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The account has, or would have, more than its quota allows. What was being written is dropped, the upload stays open.
    #[error("quota exceeded: {used} are used, {}and the limit is {limit}", addition(*added))]
    QuotaExceeded {
        /// How much it has, in blobs and in open uploads.
        used: Size,
        /// How much it would get; 0 when that is not known yet.
        added: Size,
        /// How much it may have.
        limit: Size,
    },
    /// The account, or all accounts together, have as many uploads open as they may.
    #[error("too many uploads are open")]
    TooManyUploads,
    /// The body of a part has no announced length, and the store wants to know it beforehand.
    #[error("the length of the part must be announced")]
    LengthRequired,
    /// As many parts pass through the hold as may at once.
    #[error("too many parts are on their way to the store")]
    Busy,
    /// There is no room. What was being written is dropped, the upload stays open.
    #[error("no space left")]
    NoSpace(#[source] StorageError),
    /// Storage takes no writes at the moment.
    #[error("storage is unavailable")]
    Unavailable(#[source] StorageError),
    /// The body did not arrive whole. The part is dropped, the upload stays open.
    #[error("the body did not arrive: {0}")]
    Body(#[from] BodyError),
    /// A defect, damage, or an error whose outcome is unknown.
    #[error("storage failed")]
    Storage(#[source] StorageError),
}

/// A code of a store with what it is about.
fn explained(code: &str) -> String {
    let about = match code {
        "EntityTooSmall" => "every part but the last must have at least 5 MiB",
        "InvalidPart" => "a part is not one that the store received, or at some providers not as long as the others",
        "InvalidPartOrder" | "InvalidPartNumber" => "their numbers are not what the store takes",
        _ => "the list is not what the store received",
    };
    format!("{code} ({about})")
}

fn addition(added: Size) -> String {
    if added.bytes == 0 { String::new() } else { format!("{added} would be added, ") }
}

/// What a transport says about a body that does not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client went away.
    #[error("the client went away")]
    Disconnected,
    /// The client was too slow.
    #[error("the client was too slow")]
    TimedOut,
    /// The transport's own limit was reached.
    #[error("too large")]
    TooLarge,
    /// It ended before, or went on after, the announced length.
    #[error("its length is not the announced one")]
    WrongLength,
    /// Its framing is broken.
    #[error("it is malformed")]
    Malformed,
}

/// Why the room could not be opened. Each line says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenBlobsError {
    /// The storage directory is missing or no directory, or nothing can be written there.
    #[error("storage directory {path} cannot be used: {reason}; create it and let this user write there")]
    Root {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// What an upload needs does not work in the storage directory.
    #[error("storage directory {path} cannot be used: {reason}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What was tried, and what the system said.
        reason: String,
    },
    /// The database or what was staged could not be read.
    #[error("the uploads cannot be recovered: {0}")]
    Storage(#[from] StorageError),
}

impl From<StorageError> for BlobError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NoSpace(_) => Self::NoSpace(error),
            StorageError::Unavailable(_) | StorageError::Refused(_) => Self::Unavailable(error),
            StorageError::Damaged(_) | StorageError::Failed(_) => Self::Storage(error),
        }
    }
}
