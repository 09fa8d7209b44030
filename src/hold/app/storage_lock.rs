//! Keeps two processes with different databases, one a copy of the other, from changing one storage: what the copy does
//! not know it would remove.
//!
//! A directory has a lock, which the daemon has for as long as it runs. A bucket has none: a command that is to change
//! one asks whether a hold answers at the public URL, which can only be one with another database, as the command has
//! the lock of its own.

use std::time::Duration;

use super::{StartError, resolver};
use crate::blobs::BlobPlace;
use crate::config::Config;
use crate::objects::DirectoryLock;
use atproto::lexicon::nsid::CAPTAIN;
use server::identity::Pool;

/// What a process does with the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageUse {
    /// It serves: the daemon.
    Serve,
    /// A command that may remove or move objects or staged bytes, or copies all of them.
    Change,
    /// A command that reads them, or needs only the database.
    Read,
}

impl StorageUse {
    /// Whether no other process may change the storage meanwhile.
    fn is_exclusive(self) -> bool {
        self != Self::Read
    }
}

/// Attempts to lock the storage, and the pause between two: a process that ends has given up its database a moment
/// before, and a command that reads has the lock while it opens the hold.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The lock of the storage, or why there is none.
pub(super) enum StorageLock {
    Taken(DirectoryLock),
    /// Another process has it.
    InUse,
    /// There is none: a bucket, or a file system without locks.
    Absent,
}

impl StorageLock {
    /// Tries to lock the storage at `place`.
    pub(super) async fn take(place: &BlobPlace, purpose: StorageUse) -> Self {
        let BlobPlace::Directory(root) = place else { return Self::Absent };
        let attempts = if purpose.is_exclusive() { ATTEMPTS } else { 1 };
        for attempt in 1..=attempts {
            match DirectoryLock::try_take(root) {
                Ok(Some(lock)) => return Self::Taken(lock),
                Ok(None) if attempt < attempts => tokio::time::sleep(PAUSE).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "the storage directory cannot be locked: no command with a copy of the database is kept from it"
                    );
                    return Self::Absent;
                }
            }
        }
        Self::InUse
    }

    /// Whether a storage without a marker may be marked.
    pub(super) fn may_mark(&self, purpose: StorageUse) -> bool {
        match self {
            Self::Taken(_) => true,
            Self::InUse => false,
            Self::Absent => purpose.is_exclusive(),
        }
    }

    /// Returns the lock that a process with this purpose keeps.
    ///
    /// # Errors
    /// [`StartError::StorageInUse`]
    pub(super) fn keep(self, config: &Config, purpose: StorageUse) -> Result<Option<DirectoryLock>, StartError> {
        match self {
            Self::InUse if purpose.is_exclusive() => Err(StartError::StorageInUse(config.storage.to_string())),
            Self::Taken(lock) if purpose.is_exclusive() => Ok(Some(lock)),
            Self::Taken(_) | Self::InUse | Self::Absent => Ok(None),
        }
    }
}

/// Checks, before a command changes a bucket, that no hold answers at the public URL, nor at the address in the DID
/// document. One that cannot be reached from here is not found.
///
/// # Errors
/// [`StartError::StorageServed`]
pub(super) async fn check_bucket(config: &Config, place: &BlobPlace, purpose: StorageUse) -> Result<(), StartError> {
    if purpose != StorageUse::Change || matches!(place, BlobPlace::Directory(_)) {
        return Ok(());
    }
    let resolver = resolver(config)?;
    let mut addresses = vec![config.public_url.to_string()];
    // The document of a did:plc may name another address.
    if config.did.is_plc()
        && let Ok(account) = resolver.resolve(&config.did, Pool::Members).await
    {
        addresses.extend(account.pds.clone());
    }
    for url in addresses {
        if resolver.list_records_at(&url, &config.did, CAPTAIN).await.is_ok() {
            let (storage, database) = (config.storage.to_string(), config.database_path.clone());
            return Err(StartError::StorageServed { url, storage, database });
        }
    }
    Ok(())
}
