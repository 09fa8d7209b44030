//! Judges a blob again that seems wrong, and repairs it.

use std::sync::Arc;

use super::finding::{BlobFinding, Problem, Repair};
use super::meter::Meter;
use super::reading::{Read, read};
use super::{Upkeep, UpkeepError, detached};
use crate::blobs;
use crate::blobs::blob_key;
use crate::objects::{ObjectInfo, Quarantined};
use atproto::syntax::Digest;
use server::sqlite::Write;
use server::storage::StorageError;

/// The folder of quarantined objects.
pub(super) const QUARANTINE: &str = "quarantine";

impl Upkeep {
    /// Judges a blob while no upload can complete it, and repairs what is wrong if `repair` is set. Returns `None` when
    /// nothing is wrong: the first check met an upload in progress.
    ///
    /// It runs to its end, also when the caller stops waiting: an object must not be removed after the lock is
    /// released.
    pub(super) async fn judge(
        &self,
        digest: Digest,
        repair: bool,
        meter: &Arc<Meter>,
    ) -> Result<Option<BlobFinding>, UpkeepError> {
        let (upkeep, meter) = (self.clone(), Arc::clone(meter));
        detached(async move {
            let _alone = upkeep.digests.lock(&digest).await;
            let Some((problem, found)) = upkeep.problem(&digest, &meter).await? else { return Ok(None) };
            if problem == Problem::Missing {
                // When a disk is unmounted meanwhile, all blobs are missing, and none is lost.
                upkeep.still_there().await?;
            }
            let repair = if repair { upkeep.repair(&digest, &problem, found).await? } else { None };
            if let Some(repair) = repair {
                tracing::warn!(%digest, ?problem, ?repair, "blob repaired");
            }
            Ok(Some(BlobFinding { digest: Some(digest), key: None, problem, repair }))
        })
        .await
    }

    async fn problem(
        &self,
        digest: &Digest,
        meter: &Meter,
    ) -> Result<Option<(Problem, Option<ObjectInfo>)>, UpkeepError> {
        let key = blob_key(digest);
        let wanted = *digest;
        let rows = self.db.read(move |read| {
            Ok::<_, StorageError>((blobs::blob_size(read, &wanted)?, blobs::pending_deletion_us(read, &wanted)?))
        });
        let (recorded, pending_deletion_us) = rows.await?;
        if pending_deletion_us.is_some() {
            // Garbage whose object is to be removed.
            return Ok(None);
        }
        let found = match self.store.objects.stat(&key).await? {
            Some(found) => Some((read(&self.store.objects, &key, meter).await?, found)),
            None => None,
        };
        let (actual, found) = match found {
            None | Some((Read::Gone, _)) => return Ok(recorded.map(|_| (Problem::Missing, None))),
            Some((Read::Unreadable(reason), _)) => return Ok(Some((Problem::Unreadable(reason), None))),
            Some((Read::Whole { digest, .. }, found)) => (digest, found),
        };
        let found_bytes = found.size_bytes;
        let problem = match recorded {
            Some(recorded_bytes) if recorded_bytes != found_bytes && actual == *digest => {
                Problem::WrongRecord { recorded_bytes, found_bytes }
            }
            Some(recorded_bytes) if recorded_bytes != found_bytes => Problem::WrongSize { recorded_bytes, found_bytes },
            Some(_) if actual == *digest => return Ok(None),
            Some(_) => Problem::WrongContent,
            None if actual == *digest => Problem::Unrecorded,
            None => Problem::UnrecordedWrong,
        };
        Ok(Some((problem, Some(found))))
    }

    /// Repairs a problem. Interrupted at any point, it leaves the blob absent or right.
    async fn repair(
        &self,
        digest: &Digest,
        problem: &Problem,
        found: Option<ObjectInfo>,
    ) -> Result<Option<Repair>, UpkeepError> {
        match (problem, found) {
            (Problem::Missing, _) => {
                self.forget(digest).await?;
                Ok(Some(Repair::Forgotten))
            }
            (Problem::Unrecorded | Problem::WrongRecord { .. }, Some(found)) => {
                self.record(digest, found.size_bytes, *problem == Problem::Unrecorded).await?;
                Ok(Some(Repair::Recorded))
            }
            (Problem::WrongContent | Problem::WrongSize { .. } | Problem::UnrecordedWrong, Some(found)) => {
                // The row is deleted first: from then on the blob is absent, whether or not the object can be moved.
                self.forget(digest).await?;
                let (key, quarantined) = (blob_key(digest), format!("{QUARANTINE}/{}", digest.hex()));
                match self.store.objects.quarantine(&key, &quarantined, &found).await? {
                    Quarantined::Changed => return Ok(None),
                    Quarantined::Moved => {}
                    Quarantined::Copied => self.remove_copied(digest, found.size_bytes).await?,
                }
                Ok(Some(Repair::Quarantined))
            }
            _ => Ok(None),
        }
    }

    /// Removes an object that was copied, as garbage is removed: the store may carry out a request that it does not answer
    /// later, and until that time has passed the blob cannot be uploaded.
    async fn remove_copied(&self, digest: &Digest, size_bytes: u64) -> Result<(), UpkeepError> {
        let (digest, now_us) = (*digest, (self.clock)());
        self.db.write(move |write| blobs::put_pending_deletion(write, &digest, size_bytes, now_us)).await?;
        self.remove(vec![digest]).await
    }

    async fn forget(&self, digest: &Digest) -> Result<(), StorageError> {
        let digest = *digest;
        self.db.write(move |write| blobs::delete_blob(write, &digest)).await
    }

    async fn record(&self, digest: &Digest, size_bytes: u64, is_found: bool) -> Result<(), StorageError> {
        let (digest, now_us) = (*digest, (self.clock)());
        let record = move |write: &Write<'_>| {
            blobs::put_blob(write, &digest, size_bytes, now_us)?;
            if is_found { blobs::put_found(write, &digest) } else { Ok(()) }
        };
        self.db.write(record).await
    }
}
