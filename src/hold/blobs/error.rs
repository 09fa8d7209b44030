//! Errors of the blob room, named by what the caller can do about them.

use std::path::PathBuf;

use atproto::syntax::Size;
use server::storage::StorageError;

/// Errors of an upload or a read. The source of a storage error is for the log, never for a response.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No open upload of this account has this id. Unknown, foreign and finished uploads look the same.
    #[error("no such upload")]
    UnknownUpload,
    /// Somebody else removed the staged bytes from the store, or changed them. The upload is ended.
    #[error("what was uploaded is gone from the store: begin the upload anew")]
    StagedLost,
    /// A part number outside 1..=10000.
    #[error("a part number is from 1 to 10000")]
    InvalidPart,
    /// The list of parts is not 1, 2, 3, … with the ETags that their uploads returned.
    #[error("the parts are not exactly those that were received, numbered from 1 without a gap")]
    MissingParts,
    /// The store refuses to make an object of the parts.
    #[error("the store does not take the parts: {}", explained(code))]
    PartsRefused {
        /// The store's code.
        code: String,
    },
    /// The bytes do not have the digest. The staged bytes are kept.
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
    /// The account has, or would have, more than its quota allows. The bytes being written are dropped, the upload
    /// stays open.
    #[error("quota exceeded: {used} are used, {}and the limit is {limit}", addition(*added))]
    QuotaExceeded {
        /// Bytes the account has, in blobs and in open uploads.
        used: Size,
        /// Bytes that would be added; 0 when that is not known yet.
        added: Size,
        /// The account's limit.
        limit: Size,
    },
    /// The account, or all accounts together, have as many open uploads as allowed.
    #[error("too many uploads are open")]
    TooManyUploads,
    /// The body of a part has no announced length, and the store needs it beforehand.
    #[error("the length of the part must be announced")]
    LengthRequired,
    /// The limit of parts that pass through the hold at once is reached: of all accounts, or of this one.
    #[error("too many parts are on their way to the store")]
    Busy,
    /// No space is left. The bytes being written are dropped, the upload stays open.
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

/// Returns the code of a store with an explanation.
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

/// Errors of a body that did not arrive whole, as its transport reports them.
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
    /// The body ended before, or went on after, the announced length.
    #[error("its length is not the announced one")]
    WrongLength,
    /// The framing of the body is broken.
    #[error("it is malformed")]
    Malformed,
}

/// The option with the storage directory.
const ROOT_DIR: &str = "storage.root_dir (STORAGE_ROOT_DIR)";

/// Errors of opening the room. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenBlobsError {
    /// The storage directory is missing or no directory, or nothing can be written there.
    #[error(
        "storage directory {path} cannot be used: {reason}; create it and let this user write there, or correct {ROOT_DIR}"
    )]
    Root {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// An operation that uploads need does not work in the storage directory.
    #[error("storage directory {path} cannot be used: {reason}; correct that, or {ROOT_DIR}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The operation that was tried, and the system's error.
        reason: String,
    },
    /// The database or the staged bytes could not be read.
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

impl From<getrandom::Error> for BlobError {
    fn from(error: getrandom::Error) -> Self {
        Self::Storage(StorageError::failed(error.to_string()))
    }
}
