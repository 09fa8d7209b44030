//! Removes the objects of blobs whose rows were deleted.
//!
//! The database lists these objects, in the transaction that deletes the rows, so that an interrupted removal is found
//! and finished. An upload of the blob takes it off the list in the transaction that adds its row. A removal request to
//! which a bucket has not responded may still be carried out later: until that time has passed the blob cannot be
//! uploaded, and the request is not repeated.
//!
//! A database that was restored from a backup may list an object that was uploaded again after the backup, and that an
//! image needs. Such an object is newer than the request to remove it: it is taken off the list, and stays.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::usage::Amount;
use super::{AT_ONCE, Upkeep, UpkeepError, blocking, detached};
use crate::blobs;
use crate::blobs::{PendingDeletionRow, Presence};
use crate::blobs::{REMOVAL_SETTLED_US, blob_digest, blob_key};
use crate::objects::Removed;
use atproto::syntax::Digest;
use server::sqlite::{Read, Write};

/// Objects removed in one batch.
const REMOVED_AT_ONCE: usize = 100;
/// Time after the request to remove an object from a bucket, in microseconds, from which on an object is newer than the
/// request. The clocks of both differ by less, and an upload waits for twice as long.
const NEWER_AFTER_US: u64 = REMOVAL_SETTLED_US / 2;

impl Upkeep {
    /// Finishes removals that were interrupted, or that the store refused. Returns what it removed.
    ///
    /// # Errors
    /// [`UpkeepError`]; the rest stays on the list. All of it does when the storage that is there is not the hold's own.
    pub async fn finish_removals(&self) -> Result<Amount, UpkeepError> {
        // A look at the clock: this is called every ten minutes.
        self.unused_before_us();
        self.presence.as_ref().map_or(Ok(()), Presence::require)?;
        let mut finished = Amount::default();
        loop {
            // A directory has no removal pending once the process that requested it is gone.
            let settled_us = if self.store.staging.is_some() { 0 } else { REMOVAL_SETTLED_US };
            let now_us = (self.clock)();
            let before_us = now_us.saturating_sub(settled_us);
            let find = move |read: &Read<'_>| blobs::pending_deletions(read, before_us, now_us, REMOVED_AT_ONCE);
            let rows = self.db.read(find).await?;
            let upkeep = self.clone();
            let removed = detached(async move { upkeep.remove_again(rows).await }).await?;
            if removed.is_empty() {
                return Ok(finished);
            }
            removed.iter().for_each(|row| finished.add(row.size_bytes));
        }
    }

    /// Removes the objects of these blobs, but for those that are being uploaded. Returns the removed rows.
    async fn remove_again(&self, rows: Vec<PendingDeletionRow>) -> Result<Vec<PendingDeletionRow>, UpkeepError> {
        let locked = rows.into_iter().filter_map(|row| Some((self.digests.try_lock(&row.digest)?, row)));
        let (alone, rows): (Vec<_>, Vec<_>) = locked.unzip();
        let looked = rows.into_iter().map(|row| async move { Ok::<_, UpkeepError>((self.is_newer(&row).await?, row)) });
        let looked: Vec<_> = stream::iter(looked).buffer_unordered(AT_ONCE).try_collect().await?;
        let (newer, rows): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(is_newer, _)| *is_newer);
        let now_us = (self.clock)();
        let mark = move |write: &Write<'_>| {
            for (_, row) in newer {
                tracing::warn!(
                    digest = %row.digest,
                    "an object that was to be removed was uploaded again since, and stays: storage verify --repair records it"
                );
                blobs::delete_pending_deletion(write, &row.digest)?;
            }
            let mut pending = Vec::new();
            for (_, row) in rows {
                if blobs::renew_pending_deletion(write, &row.digest, now_us)? {
                    pending.push(row);
                }
            }
            Ok::<_, UpkeepError>(pending)
        };
        let pending = self.db.write(mark).await?;
        self.remove(pending.iter().map(|row| row.digest).collect()).await?;
        drop(alone);
        Ok(pending)
    }

    /// Whether the object was made after the store was asked to remove it, by an upload that the database does not know of.
    async fn is_newer(&self, row: &PendingDeletionRow) -> Result<bool, UpkeepError> {
        let key = blob_key(&row.digest);
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        let after_us = if self.store.staging.is_some() { 0 } else { NEWER_AFTER_US };
        let after_us = row.removed_us.saturating_add(after_us);
        let newer = self.store.objects.list(folder);
        let newer = newer.try_any(|object| std::future::ready(object.key == key && object.modified_us > after_us));
        Ok(newer.await?)
    }

    /// Removes the objects, and deletes the removed ones from the list. All digests must be locked.
    pub(super) async fn remove(&self, digests: Vec<Digest>) -> Result<(), UpkeepError> {
        if digests.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = digests.iter().map(blob_key).collect();
        let removed = match self.store.staging.clone() {
            None => self.store.objects.remove_all(keys).await,
            Some(staging) => {
                let outcome = blocking(move || staging.remove_objects(&keys).map(|()| keys)).await;
                match outcome {
                    Ok(gone) => Removed { gone, failure: None },
                    Err(error) => Removed { gone: Vec::new(), failure: Some(error) },
                }
            }
        };
        let gone: Vec<_> = removed.gone.iter().filter_map(|key| blob_digest(key)).collect();
        let forget =
            move |write: &Write<'_>| gone.iter().try_for_each(|digest| blobs::delete_pending_deletion(write, digest));
        self.db.write(forget).await?;
        removed.failure.map_or(Ok(()), |error| Err(error.into()))
    }
}
