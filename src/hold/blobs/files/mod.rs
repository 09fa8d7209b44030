//! Uploads into a storage directory: parts in order are appended to one file and hashed as they arrive, so that
//! completing costs a rename; any other part gets a file of its own and is read again at completion.

mod complete;
mod failed;
mod incoming_part;
mod orphans;
mod part_writer;
mod parts;
mod upload_part;
mod verify_digest;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::objects::{Object, Objects, Staging};
use atproto::syntax::{Did, Digest};
use server::bulkhead::Bulkhead;
use server::storage::{StorageError, warn_if_full};

use super::names::{BLOBS, STAGING, UploadId, blob_folder, blob_key};
use super::sessions::Sessions;
use super::settings::check_root;
use super::upload_state::UploadGuard;
use super::{BlobError, OpenBlobsError, blocking, detached};

/// The main file of an upload, to which parts in order are appended.
const MAIN: &str = "main";

/// The storage directory with its uploads; cheap to clone.
#[derive(Clone)]
pub(super) struct Files {
    sessions: Sessions,
    objects: Objects,
    staging: Staging,
    root: Arc<Path>,
    writers: Arc<Semaphore>,
    write_backs: Arc<Semaphore>,
    assemblies: Bulkhead<Did>,
}

impl Files {
    /// Opens the directory.
    pub(super) async fn open(root: &Path, sessions: Sessions) -> Result<Self, OpenBlobsError> {
        check_root(root)?;
        // The system's error alone: the message around it has the rest.
        let reason = |e: &StorageError| e.source().map_or_else(|| e.to_string(), ToString::to_string);
        let unusable = |e: StorageError| OpenBlobsError::Root { path: root.to_owned(), reason: reason(&e) };
        let staging = Staging::open(root, STAGING).map_err(unusable)?;
        warn_if_full(root, "blobs", sessions.limits().reserve_bytes);
        Ok(Self {
            sessions,
            objects: Objects::open(root).map_err(unusable)?,
            staging,
            root: root.into(),
            writers: Arc::new(Semaphore::new(part_writer::WRITERS)),
            write_backs: Arc::new(Semaphore::new(part_writer::WRITE_BACKS)),
            assemblies: Bulkhead::new(complete::ASSEMBLIES),
        })
    }

    /// Tries what every upload needs: see [`Staging::probe`].
    pub(super) async fn probe(&self) -> Result<(), OpenBlobsError> {
        let (staging, path) = (self.staging.clone(), self.root.to_path_buf());
        let probe =
            move || staging.probe(&probed_folders()).map_err(|reason| OpenBlobsError::Unusable { path, reason });
        let tried = tokio::task::spawn_blocking(probe).await;
        tried.unwrap_or_else(|_| Err(StorageError::failed("blob task panicked").into()))
    }

    pub(super) async fn stat(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        self.sessions.stored_size(&self.objects, digest).await
    }

    /// Returns the size in bytes of the file under the digest, acknowledged or not.
    pub(super) async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        Ok(self.objects.size(&blob_key(digest)).await?)
    }

    pub(super) async fn open_object(&self, digest: &Digest) -> Result<Option<Object>, BlobError> {
        Ok(self.objects.open_object(&blob_key(digest)).await?)
    }

    /// Drops an upload after a failed fsync: which of its bytes are on disk is unknown.
    async fn drop_unknown(&self, id: &UploadId) {
        let (files, id) = (self.clone(), *id);
        let dropped = detached(async move {
            let upload = files.sessions.uploads.lock(&id).await;
            files.drop_open(&upload).await
        });
        if let Err(error) = dropped.await {
            tracing::error!(%error, upload = %id, "an upload whose data is unknown could not be dropped");
        }
    }

    /// Drops an upload if it is open.
    async fn drop_open(&self, upload: &UploadGuard) -> Result<(), BlobError> {
        if self.sessions.delete_open(upload, |_| true).await?.is_some() {
            self.close_and_remove(upload).await;
        }
        Ok(())
    }

    /// Ends parts in flight and removes staged bytes. The upload's row is gone or finished: a failure here leaves the
    /// bytes to the sweep.
    pub(super) async fn close_and_remove(&self, upload: &UploadGuard) {
        if upload.close().await.is_ok() {
            self.remove_staged(upload.id().to_string()).await;
        }
    }

    /// Removes staged bytes without an owner; a failure here leaves them to the sweep.
    async fn remove_staged(&self, name: String) {
        let staging = self.staging.clone();
        if let Err(error) = blocking(move || staging.remove(&name).map_err(BlobError::from)).await {
            tracing::warn!(%error, "staged bytes could not be removed");
        }
    }
}

/// Returns all folders between the root and the blobs, and the folders of the blobs themselves.
fn probed_folders() -> Vec<String> {
    let above = BLOBS.match_indices('/').map(|(at, _)| BLOBS[..at].to_owned());
    above.chain([BLOBS.to_owned()]).chain((0..=u8::MAX).map(blob_folder)).collect()
}

/// Blobs in the directory `root`, which also has the database.
#[cfg(test)]
async fn opened(root: &Path) -> super::Blobs {
    use super::{BlobPlace, BlobSettings, Blobs, UploadLimits};

    let limits = UploadLimits { reserve_bytes: 0, ..UploadLimits::default() };
    let database = crate::schema::open(&root.join("hold.db")).unwrap();
    Blobs::open(BlobSettings { place: BlobPlace::Directory(root.to_owned()), limits }, database).await.unwrap()
}
