//! Maintenance of the storage: verifies and repairs blobs, measures usage, collects garbage,
//! and migrates all blobs.
//!
//! [`Upkeep`] compares the rows of the database with the objects under the keys of blobs, a 256th of them at a time, so
//! that memory stays small with millions of blobs. What seems wrong is judged again, and repaired, while the digest is
//! locked against completion ([`DigestLock`]): a concurrent upload that restores a blob is never undone. Every
//! operation may be interrupted at any point and started again.
//!
//! This room does not know who calls it; of uploads it knows only where they are staged.

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
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::blobs::{DigestLock, Presence, last_used_resolution, random_hex};
use crate::objects::{Bucket, BucketRequests};
use server::daemon::ClockSteps;
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

/// Blobs read or copied concurrently: enough that the latency of a bucket does not add up, and few enough that requests
/// are still served.
const AT_ONCE: usize = 4;

/// The room; cheap to clone. A process has one instance, beside one [`Blobs`](crate::blobs::Blobs).
#[derive(Clone)]
pub struct Upkeep {
    db: Database,
    store: Store,
    digests: DigestLock,
    /// Returns microseconds since 1970.
    clock: fn() -> u64,
    clock_steps: Arc<ClockSteps>,
    /// Grace period: the least time since the last use of an unreferenced blob that may be removed.
    grace: Duration,
    presence: Option<Presence>,
    /// Held by the one migration or collection that may run: what is copied must not be removed meanwhile.
    alone: Arc<Mutex<()>>,
    runs: Arc<Runs>,
}

/// The last finished run of each kind since the start of the process; all 0 before the first.
#[derive(Debug, Default)]
pub struct Runs {
    /// Time when the last verification ended, in microseconds since 1970.
    pub verified_us: Gauge,
    /// Time when the last garbage collection ended, in microseconds since 1970.
    pub collected_us: Gauge,
    /// Number of wrong findings of that verification.
    pub wrong: Gauge,
    /// Number of informational findings of that verification.
    pub noted: Gauge,
    /// Number of repairs by that verification.
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

/// Default grace period of blobs that no record refers to.
const GRACE: Duration = Duration::from_secs(86_400);

impl Upkeep {
    /// Makes the room for the blobs in `store` that `db` records. `digests` is the lock of the room that completes
    /// uploads; `clock` returns microseconds since 1970.
    #[must_use]
    pub fn new(db: Database, store: Store, digests: DigestLock, clock: fn() -> u64) -> Self {
        let (grace, clock_steps, alone, runs) = (GRACE, Arc::default(), Arc::default(), Arc::default());
        let upkeep = Self { db, store, digests, clock, clock_steps, grace, presence: None, alone, runs };
        // The first look at the clock, with which later ones are compared.
        upkeep.unused_before_us();
        upkeep
    }

    /// Returns the room with this grace period: the time that unreferenced blobs are kept after their last use.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Returns the room with a check of the storage: it then refuses to change or copy one that is not the hold's own.
    #[must_use]
    pub fn with_presence(self, presence: Presence) -> Self {
        Self { presence: Some(presence), ..self }
    }

    /// Returns the room with the steps of the clock that others of this process look for too.
    #[must_use]
    pub fn with_clock_steps(self, clock_steps: Arc<ClockSteps>) -> Self {
        Self { clock_steps, ..self }
    }

    /// Marks the storage as the hold's own, whichever hold it belonged to.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn adopt_storage(&self) -> Result<(), UpkeepError> {
        match &self.presence {
            Some(presence) => Ok(presence.adopt(&self.db, random_hex::<16>()?).await?),
            None => Ok(()),
        }
    }

    /// Checks that the storage is the hold's own; one without a mark is marked.
    async fn check_storage(&self) -> Result<(), UpkeepError> {
        match &self.presence {
            Some(presence) => Ok(presence.claim(&self.db, random_hex::<16>()?).await?),
            None => Ok(()),
        }
    }

    /// Checks that the storage still is the hold's own.
    async fn still_there(&self) -> Result<(), UpkeepError> {
        match &self.presence {
            Some(presence) => Ok(presence.check().await?),
            None => Ok(()),
        }
    }

    /// Looks at the clock. Returns the time, in microseconds since 1970, after which a blob must not have been used to be
    /// garbage. The resolution of the last use is added to the grace period: the recorded time may be so much earlier than
    /// the real one. So is what the clock was set ahead by since.
    fn unused_before_us(&self) -> u64 {
        let (clock_us, unused) = ((self.clock)(), self.grace + last_used_resolution(self.grace));
        self.clock_steps.look(clock_us, Instant::now());
        self.clock_steps.before_us(clock_us, unused)
    }

    fn alone(&self) -> Result<OwnedMutexGuard<()>, UpkeepError> {
        Arc::clone(&self.alone).try_lock_owned().map_err(|_| UpkeepError::Busy)
    }

    /// Returns the last runs.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Returns the space of the storage's file system; `None` for a bucket, which reports none.
    ///
    /// # Errors
    /// When the system does not report it.
    pub async fn disk_space(&self) -> Result<Option<DiskSpace>, StorageError> {
        match self.store.staging.clone() {
            Some(staging) => blocking(move || staging.disk_space()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the metrics of requests to the bucket; `None` for a directory.
    #[must_use]
    pub fn bucket_requests(&self) -> Option<&BucketRequests> {
        self.store.objects.bucket().map(Bucket::requests)
    }
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
