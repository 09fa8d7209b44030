//! Staged bytes without an owner in the bucket: staged objects and multipart uploads whose row is finished, deleted or
//! was never written, also those of a database that was lost; and leftovers of a start-up probe that was cut off. The
//! hold lists them itself: not every provider has lifecycle rules.
//!
//! Only keys that this program makes are touched: the bucket may have other users.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Bucket;
use crate::blobs::BlobError;
use crate::blobs::names::{BLOBS, STAGING, UploadId, blob_digest, staged_key};
use crate::blobs::tables;
use crate::objects::{Listed, OpenMultipart, PROBES, is_probe};

/// Least age of removed items: one hour. Copies of large blobs are open multipart uploads and younger
/// than this, however short the time of stale uploads is.
pub(in crate::blobs) const ORPHAN_AGE: Duration = Duration::from_secs(3600);
const REMOVALS_AT_ONCE: usize = 8;

impl Bucket {
    /// Removes ownerless items from before `before_us`, microseconds since 1970. Returns how many.
    pub(in crate::blobs) async fn drop_orphans(&self, before_us: u64) -> Result<usize, BlobError> {
        let multiparts = self.store.list_multiparts(STAGING).chain(self.store.list_multiparts(BLOBS));
        let multiparts = multiparts.chain(self.store.list_multiparts(PROBES));
        let multiparts = multiparts
            .map_err(BlobError::from)
            .try_filter(|open| std::future::ready(open.begun_us < before_us))
            .map_ok(|open| self.drop_multipart(open))
            .try_buffer_unordered(REMOVALS_AT_ONCE)
            .try_fold(0, |sum, dropped| async move { Ok(sum + usize::from(dropped)) });
        let objects = self.objects.list(STAGING).chain(self.objects.list(PROBES)).map_err(BlobError::from);
        let objects = objects
            .try_filter(|object| std::future::ready(object.modified_us < before_us))
            .map_ok(|object| self.drop_object(object))
            .try_buffer_unordered(REMOVALS_AT_ONCE)
            .try_fold(0, |sum, dropped| async move { Ok(sum + usize::from(dropped)) });
        Ok(multiparts.await? + objects.await?)
    }

    async fn drop_multipart(&self, open: OpenMultipart) -> Result<bool, BlobError> {
        let is_orphan = match staged_id(&open.key) {
            Some(id) => !self.owns(&id, Some(&open.id)).await?,
            // A copy or a probe that was cut off.
            None => blob_digest(&open.key).is_some() || is_probe(&open.key),
        };
        if is_orphan {
            self.store.abort_multipart(&open.key, &open.id).await?;
        }
        Ok(is_orphan)
    }

    async fn drop_object(&self, object: Listed) -> Result<bool, BlobError> {
        let is_orphan = match staged_id(&object.key) {
            Some(id) => !self.owns(&id, None).await?,
            None => is_probe(&object.key),
        };
        if is_orphan {
            self.store.delete(&object.key).await?;
        }
        Ok(is_orphan)
    }

    /// Whether an upload is open and, if `multipart` is given, that is its multipart upload.
    async fn owns(&self, id: &UploadId, multipart: Option<&str>) -> Result<bool, BlobError> {
        let key = *id.key();
        let find = self.sessions.db.read(move |read| {
            let is_open = tables::upload(read, &key)?.is_some_and(|upload| upload.digest.is_none());
            Ok::<_, BlobError>((is_open, tables::bucket_upload(read, &key)?))
        });
        let (is_open, bucket) = find.await?;
        let matches = multipart.is_none_or(|name| bucket.is_some_and(|bucket| bucket.multipart == name));
        Ok(is_open && matches)
    }
}

/// Returns the upload whose staged object has this key.
fn staged_id(key: &str) -> Option<UploadId> {
    let (_, name) = key.split_once('/')?;
    UploadId::parse(name).ok().filter(|id| staged_key(id) == key)
}
