//! Maintenance of the storage: verifies and repairs blobs, measures usage, collects garbage,
//! and migrates all blobs.
//!
//! [`Upkeep`] compares the database's rows with the objects under the blobs' keys, a 256th of them at a time, so that
//! memory stays small with millions of blobs. What looks wrong is judged again, and repaired, while the digest is locked
//! against completion ([`DigestLock`]): an upload that heals a blob meanwhile is never undone. Everything here may be
//! ended at any point and begun again.
//!
//! This room knows nothing of who asks, and of uploads only where they lie.

mod bucket_copy;
mod directory_copy;
mod error;
mod finding;
mod garbage;
mod judge;
mod meter;
mod migrate;
mod reading;
mod removal;
mod store;
pub mod tables;
mod target;
mod usage;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::blobs::{DigestLock, Presence};
use crate::objects::{Bucket, BucketRequests};
use server::metrics::Gauge;
use server::sqlite::Database;
use server::storage::{DiskSpace, StorageError};

pub use error::UpkeepError;
pub use finding::{BlobFinding, Findings, Problem, Repair};
pub use garbage::{CollectOptions, Collected, Garbage};
pub use migrate::Migrated;
pub use store::Store;
pub use usage::{Amount, Staged, Usage};
pub use verify::{BlobsVerified, VerifyOptions};

/// Blobs that are read or copied at once: enough that a bucket's answers are not waited for one by one, little enough
/// that requests go on.
const AT_ONCE: usize = 4;

/// The room; cheap to clone. One process has one of it, beside one [`Blobs`](crate::blobs::Blobs).
#[derive(Clone)]
pub struct Upkeep {
    db: Database,
    store: Store,
    digests: DigestLock,
    /// Microseconds since 1970.
    clock: fn() -> u64,
    /// How long a blob that nothing names must not have been used before it goes.
    grace: Duration,
    presence: Option<Presence>,
    /// Held by the one migration or collection that may run: what is copied must not go meanwhile.
    alone: Arc<Mutex<()>>,
    runs: Arc<Runs>,
}

/// The last finished run of each kind since the process began; all 0 before the first.
#[derive(Debug, Default)]
pub struct Runs {
    /// When the last verification ended, in microseconds since 1970.
    pub verified_us: Gauge,
    /// When the last garbage collection ended.
    pub collected_us: Gauge,
    /// The number of wrong findings of that verification.
    pub wrong: Gauge,
    /// The number of its informational findings.
    pub noted: Gauge,
    /// The number of its repairs.
    pub repaired: Gauge,
}

impl Runs {
    fn verified(&self, now_us: u64, findings: &Findings) {
        self.wrong.set(findings.wrong);
        self.noted.set(findings.noted);
        self.repaired.set(findings.repaired);
        self.verified_us.set(now_us);
    }
}

/// How long blobs that nothing names are kept, unless it is said otherwise.
const GRACE: Duration = Duration::from_secs(86_400);

impl Upkeep {
    /// Makes the room for the blobs in `store` that `db` records. `digests` are those of the room that completes
    /// uploads;
    /// `clock` gives microseconds since 1970.
    #[must_use]
    pub fn new(db: Database, store: Store, digests: DigestLock, clock: fn() -> u64) -> Self {
        Self { db, store, digests, clock, grace: GRACE, presence: None, alone: Arc::default(), runs: Arc::default() }
    }

    /// Returns the room with a grace: how long blobs that nothing names are kept after their last use.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Returns the room with a check of the storage: it refuses to change or copy one that is not the hold's own.
    #[must_use]
    pub fn with_presence(self, presence: Presence) -> Self {
        Self { presence: Some(presence), ..self }
    }

    /// Marks the storage that is there as the hold's own.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn adopt_storage(&self) -> Result<(), UpkeepError> {
        match &self.presence {
            Some(presence) => Ok(presence.adopt(&self.db, new_id()?).await?),
            None => Ok(()),
        }
    }

    /// Checks that the storage is the hold's own; one that was never marked is marked.
    async fn check_storage(&self) -> Result<(), UpkeepError> {
        match &self.presence {
            Some(presence) => Ok(presence.claim(&self.db, new_id()?).await?),
            None => Ok(()),
        }
    }

    fn alone(&self) -> Result<OwnedMutexGuard<()>, UpkeepError> {
        Arc::clone(&self.alone).try_lock_owned().map_err(|_| UpkeepError::Busy)
    }

    /// Returns the last runs.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Returns the space of the storage's file system; `None` in a bucket, which does not say.
    ///
    /// # Errors
    /// When the system does not say.
    pub async fn room(&self) -> Result<Option<DiskSpace>, StorageError> {
        match self.store.staging.clone() {
            Some(staging) => blocking(move || staging.room()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the metrics of requests to the bucket; `None` for a directory.
    #[must_use]
    pub fn bucket_requests(&self) -> Option<&BucketRequests> {
        self.store.objects.bucket().map(Bucket::requests)
    }
}

/// The id of a marker: 128 random bits.
fn new_id() -> Result<String, UpkeepError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(UpkeepError::Randomness)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// Runs `job` on the blocking pool.
async fn blocking<T, F>(job: F) -> Result<T, StorageError>
where
    F: FnOnce() -> Result<T, StorageError> + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(job).await.unwrap_or_else(|_| Err(panicked()))
}

/// Runs `work` to its end, also when the caller stops waiting.
async fn detached<T>(work: impl Future<Output = Result<T, UpkeepError>> + Send + 'static) -> Result<T, UpkeepError>
where
    T: Send + 'static,
{
    tokio::spawn(work).await.unwrap_or_else(|_| Err(panicked().into()))
}

fn panicked() -> StorageError {
    StorageError::failed("upkeep task panicked")
}
