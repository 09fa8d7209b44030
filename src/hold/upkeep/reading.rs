//! Reads and hashes a whole object.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::UpkeepError;
use super::meter::Meter;
use crate::objects::Objects;
use atproto::syntax::Digest;
use server::storage::StorageError;

/// What an object turned out to be.
pub(super) enum Read {
    /// There is none.
    Gone,
    /// All of it was read.
    Whole {
        /// The SHA-256 of its bytes.
        digest: Digest,
        /// How many they are.
        size_bytes: u64,
    },
    /// It could not be read to its end, and it is the object's own fault: the system's words.
    Unreadable(String),
}

/// Reads and hashes what is under `key`; memory is bounded by a chunk.
///
/// # Errors
/// When the store as a whole fails.
pub(super) async fn read(objects: &Objects, key: &str, meter: &Meter) -> Result<Read, StorageError> {
    let object = match objects.open_object(key).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(Read::Gone),
        Err(error) => return unreadable(error),
    };
    let size_bytes = object.size_bytes();
    let mut stream = object.stream(0..size_bytes);
    let mut hash = Sha256::new();
    loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => {
                hash.update(&bytes);
                meter.read(bytes.len() as u64).await;
            }
            Ok(None) => return Ok(Read::Whole { digest: digest(hash), size_bytes }),
            Err(error) => return unreadable(error.into()),
        }
    }
}

pub(super) fn digest(hash: Sha256) -> Digest {
    Digest::from_bytes(hash.finalize().into())
}

/// An outage is no finding: whoever acts on it would take away blobs that are right.
fn unreadable(error: StorageError) -> Result<Read, StorageError> {
    match error {
        StorageError::Unavailable(_) | StorageError::Refused(_) | StorageError::NoSpace(_) => Err(error),
        StorageError::Damaged(reason) | StorageError::Failed(reason) => Ok(Read::Unreadable(reason.to_string())),
    }
}

/// Errors of the storage that blobs are copied to.
pub(super) fn of_target(error: impl Into<StorageError>) -> UpkeepError {
    UpkeepError::Target(error.into())
}
