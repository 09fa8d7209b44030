//! Uploads into a storage directory: parts in order are appended to one file and hashed as they arrive, so that
//! completing costs a rename; any other part gets a file of its own and is read once more at the end.

mod complete;
mod incoming;
mod orphans;
mod parts;
mod prove;
mod pump;
mod upload_part;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::objects::{Object, Objects, Staging};
use atproto::syntax::Digest;
use server::storage::StorageError;

use super::live::Live;
use super::names::{STAGING, UploadId, blob_key};
use super::sessions::Sessions;
use super::settings::check_root;
use super::{BlobError, OpenError, blocking, detached};

/// The file of an upload that parts in order are appended to.
const MAIN: &str = "main";

/// The storage directory; cheap to clone.
#[derive(Clone)]
pub(super) struct Files {
    sessions: Sessions,
    objects: Objects,
    staging: Staging,
    writers: Arc<Semaphore>,
    write_backs: Arc<Semaphore>,
}

impl Files {
    /// Opens the directory and drops what no open upload owns.
    pub(super) async fn open(root: &Path, sessions: Sessions) -> Result<Self, OpenError> {
        check_root(root)?;
        // Only the system's own words: the line around them says the rest.
        let reason = |e: &StorageError| e.source().map_or_else(|| e.to_string(), ToString::to_string);
        let unusable = |e: StorageError| OpenError::Root { path: root.to_owned(), reason: reason(&e) };
        let files = Self {
            sessions,
            objects: Objects::open(root).map_err(unusable)?,
            staging: Staging::open(root, STAGING).map_err(unusable)?,
            writers: Arc::new(Semaphore::new(pump::WRITERS)),
            write_backs: Arc::new(Semaphore::new(pump::WRITE_BACKS)),
        };
        files.drop_orphans().await?;
        Ok(files)
    }

    pub(super) async fn stat(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        self.sessions.stored_size(&self.objects, digest).await
    }

    pub(super) async fn open_object(&self, digest: &Digest) -> Result<Option<Object>, BlobError> {
        Ok(self.objects.open_object(&blob_key(digest)).await?)
    }

    /// Drops an upload of which it is unknown what is on disk.
    async fn drop_unknown(&self, id: &UploadId) {
        let (files, id) = (self.clone(), *id);
        let dropped = detached(async move {
            let live = files.sessions.uploads.get(&id);
            let _order = live.order.lock().await;
            files.drop_open(&live, &id).await
        });
        if let Err(error) = dropped.await {
            tracing::error!(%error, upload = %id, "an upload whose data is unknown could not be dropped");
        }
    }

    /// Drops an upload if it is open. Call it with `live.order` held.
    async fn drop_open(&self, live: &Arc<Live>, id: &UploadId) -> Result<(), BlobError> {
        if self.sessions.delete_open(id, |_| true).await?.is_some() {
            self.close_and_remove(live, id).await;
        }
        Ok(())
    }

    /// Ends parts in flight and removes what is staged. Its row is gone or finished: what fails here is swept later.
    pub(super) async fn close_and_remove(&self, live: &Arc<Live>, id: &UploadId) {
        if live.close().await.is_ok() {
            self.remove_staged(id.to_string()).await;
        }
    }

    /// Removes staged bytes that nothing refers to; what fails here is swept later.
    async fn remove_staged(&self, name: String) {
        let staging = self.staging.clone();
        if let Err(error) = blocking(move || staging.remove(&name).map_err(BlobError::from)).await {
            tracing::warn!(%error, "staged bytes could not be removed");
        }
    }
}
