//! The storage that a migration copies to.

use futures_util::TryStreamExt as _;

use super::finding::Problem;
use super::meter::Meter;
use super::reading::{Read, of_target, read};
use super::{Store, Upkeep, UpkeepError, blocking};
use crate::blobs::{BLOBS, blob_digest, blob_key, random_hex};
use crate::objects::{Location, MIGRATION_LEFT_AFTER_US, OpenMultipart};
use atproto::syntax::{Did, Digest};

/// The result of copying one blob.
pub(super) enum Copied {
    /// The target has the verified bytes in the object with this ETag.
    Done {
        /// The ETag, as the target writes it.
        etag: String,
    },
    /// The source is not the blob: it is missing, unreadable or wrong.
    Wrong(Problem),
}

/// The content of a blob's key in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The blob.
    Right,
    /// An object with other bytes.
    Wrong,
    /// No object, or one that could not be read to its end, as when it is replaced meanwhile.
    Unknown,
}

/// The storage that blobs are copied to.
pub(super) struct Target {
    pub(super) store: Store,
    /// The random id of this migration.
    pub(super) run: String,
}

impl Target {
    /// Opens and probes the storage, and checks that it is that of no hold but `of_hold`. Removes what an earlier migration
    /// left unfinished, if it is older than a day: its hold may run, and another one may migrate to it.
    pub(super) async fn open(place: &Location, upkeep: &Upkeep, of_hold: Option<&Did>) -> Result<Self, UpkeepError> {
        let store = Store::open(place).await.map_err(|error| match place {
            Location::Directory(root) => {
                UpkeepError::UnusableTarget(format!("{} cannot be used: {error}", root.display()))
            }
            Location::Bucket(_) => of_target(error),
        })?;
        if store.name == upkeep.store.name {
            return Err(UpkeepError::SamePlace);
        }
        let target = Self { store, run: random_hex::<8>()? };
        if let Some(bucket) = target.store.objects.bucket() {
            bucket.probe(&target.run, upkeep.clock).await?;
        }
        target.check_marker(upkeep, of_hold).await?;
        let now_us = (upkeep.clock)();
        if let Some(bucket) = target.store.objects.bucket() {
            let left: Vec<_> = bucket.list_multiparts(BLOBS).try_collect().await.map_err(of_target)?;
            for open in left.into_iter().filter(|open| is_left(open, now_us)) {
                bucket.abort_multipart(&open.key, &open.id).await.map_err(of_target)?;
            }
        }
        if let Some(staging) = target.store.staging.clone() {
            blocking(move || staging.drop_left_migrations(now_us)).await.map_err(of_target)?;
        }
        Ok(target)
    }

    /// Checks that the marker of the storage names `of_hold`, or no other hold.
    async fn check_marker(&self, upkeep: &Upkeep, of_hold: Option<&Did>) -> Result<(), UpkeepError> {
        let Some(presence) = &upkeep.presence else { return Ok(()) };
        let found = presence.other_hold_in(&self.store.objects).await.map_err(of_target)?;
        match (found, of_hold) {
            (None, None) => Ok(()),
            (Some(found), Some(wanted)) if found == wanted.as_str() => Ok(()),
            (None, Some(wanted)) => Err(UpkeepError::NotOf(wanted.clone())),
            (Some(hold), _) => Err(UpkeepError::OtherHold { hold }),
        }
    }

    /// Whether the target has the blob's bytes under its key. It reads them.
    pub(super) async fn has(&self, digest: &Digest) -> Result<bool, UpkeepError> {
        Ok(self.content(digest).await? == Content::Right)
    }

    /// Reads what the target has under the blob's key.
    pub(super) async fn content(&self, digest: &Digest) -> Result<Content, UpkeepError> {
        let unmetered = Meter::new(0, None, |_, _| {});
        Ok(match read(&self.store.objects, &blob_key(digest), &unmetered).await.map_err(of_target)? {
            Read::Whole { digest: actual, .. } if actual == *digest => Content::Right,
            Read::Whole { .. } => Content::Wrong,
            Read::Gone | Read::Unreadable(_) => Content::Unknown,
        })
    }
}

/// Whether a migration that was cut off left the upload: that of a blob, and so old that nobody goes on with it. The hold
/// sweeps younger ones once the bucket is its own.
fn is_left(open: &OpenMultipart, now_us: u64) -> bool {
    blob_digest(&open.key).is_some() && open.begun_us < now_us.saturating_sub(MIGRATION_LEFT_AFTER_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_of_today_or_of_something_else_is_not_what_a_migration_left() {
        let now_us = 10 * MIGRATION_LEFT_AFTER_US;
        let open = |key: String, begun_us| OpenMultipart { key, id: "id".into(), begun_us };
        let blob = || blob_key(&Digest::from_bytes([7; 32]));
        assert!(is_left(&open(blob(), now_us - MIGRATION_LEFT_AFTER_US - 1), now_us));
        assert!(!is_left(&open(blob(), now_us - MIGRATION_LEFT_AFTER_US), now_us));
        assert!(!is_left(&open(format!("{BLOBS}/other"), 0), now_us));
    }
}
