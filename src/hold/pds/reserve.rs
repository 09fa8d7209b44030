//! The space on the database's disk: growth by accounts ends while there is enough left for the captain.

use std::sync::atomic::Ordering;

use super::{GrowthBound, Pds, PdsError};
use server::storage::{Reservation, StorageError};

/// Bytes by which a request makes the database and its log grow: a push of 1,000 layers took 423 KB.
const GROWTH_BYTES: u64 = 1 << 20;

impl Pds {
    /// Reserves space for a request that makes the database grow. Half of the reserve stays free, 32 of 64 MiB: the
    /// removal of a member takes some 20 KB in the log and as much in the file, so that there is space for 800 of them,
    /// and for garbage collection. Uploads of blobs leave the whole reserve free, so that pushes fail at their blobs
    /// first.
    ///
    /// # Errors
    /// [`PdsError::NoSpace`].
    pub async fn reserve_growth(&self) -> Result<Reservation, PdsError> {
        let outcome = self.reserve(GROWTH_BYTES).await;
        let is_full = matches!(outcome, Err(PdsError::NoSpace(_)));
        if is_full {
            self.count_refused_growth(GrowthBound::Disk);
        }
        match (is_full, self.inner.is_full.swap(is_full, Ordering::Relaxed)) {
            (true, false) => tracing::warn!(
                reserve_bytes = self.inner.limits().reserve_bytes,
                "the file system of the database is full: only the captain's requests and deletions are taken (507)"
            ),
            (false, true) => tracing::info!("the file system of the database has room again"),
            _ => {}
        }
        outcome
    }

    /// Reserves `bytes` beside the database. Half of the reserve stays free.
    ///
    /// # Errors
    /// [`PdsError::NoSpace`].
    pub async fn reserve(&self, bytes: u64) -> Result<Reservation, PdsError> {
        let kept_bytes = self.inner.limits().reserve_bytes / 2;
        let outcome = self.inner.database.reserve(bytes, kept_bytes).await;
        Ok(outcome.inspect_err(|error| match error {
            StorageError::NoSpace(_) => {}
            error => tracing::warn!(%error, "how much room the file system of the database has is unknown"),
        })?)
    }
}
