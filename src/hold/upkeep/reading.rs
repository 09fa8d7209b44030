//! Reads and hashes a whole object.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::UpkeepError;
use super::meter::Meter;
use crate::objects::Objects;
use atproto::syntax::Digest;
use server::storage::StorageError;

/// The result of reading an object.
pub(super) enum Read {
    /// There is no such object.
    Gone,
    /// The object was read whole.
    Whole {
        /// The SHA-256 of its bytes.
        digest: Digest,
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// The object cannot be read to its end, while the store works; with the system's message.
    Unreadable(String),
}

/// Reads and hashes the object under `key`; memory is bounded by a chunk.
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

/// Maps an error of reading. An outage is no finding: a repair of it would remove blobs that are right.
fn unreadable(error: StorageError) -> Result<Read, StorageError> {
    match error {
        StorageError::Unavailable(_) | StorageError::Refused(_) | StorageError::NoSpace(_) => Err(error),
        StorageError::Damaged(reason) | StorageError::Failed(reason) => Ok(Read::Unreadable(reason.to_string())),
    }
}

/// Maps an error of the storage that a migration copies to.
pub(super) fn of_target(error: impl Into<StorageError>) -> UpkeepError {
    UpkeepError::Target(error.into())
}
