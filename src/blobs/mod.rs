//! Blobs: uploads in parts, the proof that a blob has its digest, and reads.
//!
//! A blob is visible when the database has its row and storage has its file of that size. Both come only after its
//! SHA-256 was computed from the bytes that are on disk. An upload is a row, its parts are rows, their bytes are
//! staged: parts in order are appended to one file and hashed as they arrive, so that completing costs a rename;
//! any other part gets a file of its own and is read once more at the end.
//!
//! This room knows accounts only as names that own uploads. It knows nothing of HTTP, permissions or records.
//! Digests: <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>

mod complete;
mod error;
mod hash;
mod incoming;
mod list;
mod live;
mod names;
mod parts;
mod prove;
mod pump;
mod read;
mod sweep;
mod upload_part;

use std::error::Error as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::storage::StorageError;
use crate::storage::objects::{Objects, Staging};
use crate::storage::sqlite::{Database, Read, UploadKey};
use crate::syntax::Did;

pub use error::{BlobError, BodyError, OpenError};
pub use list::OpenUpload;
pub use names::{ETag, PartNumber, UploadId};
pub use read::OpenBlob;
pub use sweep::Swept;

use live::Uploads;

/// What the room is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The storage directory. It must exist.
    pub root: PathBuf,
    /// What uploads may use.
    pub limits: Limits,
}

/// What uploads may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest part, in bytes.
    pub max_part_bytes: u64,
    /// The largest blob, in bytes.
    pub max_blob_bytes: u64,
    /// Open uploads of one account.
    pub uploads_per_account: u64,
    /// Open uploads of all accounts.
    pub uploads_total: u64,
    /// Seconds after which an upload that nothing touched is dropped.
    pub stale_upload_s: u64,
    /// Bytes of the file system that uploads leave free: the database may be on the same one.
    pub reserve_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_part_bytes: 10 << 30,
            max_blob_bytes: 100 << 30,
            uploads_per_account: 64,
            uploads_total: 1024,
            stale_upload_s: 86_400,
            reserve_bytes: 64 << 20,
        }
    }
}

/// Checks that the storage directory is there, without touching it.
///
/// # Errors
/// [`OpenError::Root`].
pub fn check_root(root: &Path) -> Result<(), OpenError> {
    let reason = match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => "it is not a directory".into(),
        Err(error) => error.to_string(),
    };
    Err(OpenError::Root { path: root.to_owned(), reason })
}

/// The room; cheap to clone. One process has one of it a storage directory: the database's lock sees to that.
#[derive(Clone)]
pub struct Blobs {
    db: Database,
    objects: Objects,
    staging: Staging,
    limits: Arc<Limits>,
    uploads: Arc<Uploads>,
    writers: Arc<Semaphore>,
    write_backs: Arc<Semaphore>,
}

impl Blobs {
    /// Opens the storage directory and drops what no open upload owns.
    ///
    /// # Errors
    /// [`OpenError`] says what an operator can do.
    pub async fn open(settings: Settings, db: Database) -> Result<Self, OpenError> {
        let Settings { root, limits } = settings;
        check_root(&root)?;
        // Only the system's own words: the line around them says the rest.
        let reason = |e: &StorageError| e.source().map_or_else(|| e.to_string(), ToString::to_string);
        let unusable = |e: StorageError| OpenError::Root { path: root.clone(), reason: reason(&e) };
        let blobs = Self {
            db,
            objects: Objects::open(&root).map_err(unusable)?,
            staging: Staging::open(&root, names::STAGING).map_err(unusable)?,
            limits: Arc::new(limits),
            uploads: Arc::default(),
            writers: Arc::new(Semaphore::new(pump::WRITERS)),
            write_backs: Arc::new(Semaphore::new(pump::WRITE_BACKS)),
        };
        blobs.drop_orphans().await?;
        Ok(blobs)
    }

    /// Begins an upload of `account`.
    ///
    /// # Errors
    /// [`BlobError::TooManyUploads`], or a storage error.
    pub async fn initiate(&self, account: &Did, now_us: u64) -> Result<UploadId, BlobError> {
        let id = UploadId::random()?;
        let (account, limits) = (account.clone(), Arc::clone(&self.limits));
        let begin = move |write: &crate::storage::sqlite::Write<'_>| {
            let (own, all) = write.open_uploads(&account)?;
            if own >= limits.uploads_per_account || all >= limits.uploads_total {
                return Err(BlobError::TooManyUploads);
            }
            Ok(write.begin_upload(id.key(), &account, now_us)?)
        };
        self.db.write(begin).await?;
        Ok(id)
    }

    /// Whose open upload this is.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn session_account(&self, id: &UploadId) -> Result<Did, BlobError> {
        let key = *id.key();
        let found = self.db.read(move |read| read.upload(&key).map_err(BlobError::from)).await?;
        found.filter(|upload| upload.digest.is_none()).map(|upload| upload.account).ok_or(BlobError::UnknownUpload)
    }

    /// Ends an open upload and drops what it staged. Parts in flight fail.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn abort(&self, id: &UploadId, account: &Did) -> Result<(), BlobError> {
        let (blobs, id, account) = (self.clone(), *id, account.clone());
        detached(async move {
            let live = blobs.uploads.get(&id);
            let _order = live.order.lock().await;
            let key = *id.key();
            blobs
                .db
                .write(move |write| {
                    open_upload(write, &key, &account)?;
                    Ok::<_, BlobError>(write.delete_upload(&key)?)
                })
                .await?;
            blobs.close_and_remove(&live, &id).await;
            Ok(())
        })
        .await
    }

    /// How many uploads are open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_uploads(&self) -> Result<u64, BlobError> {
        self.db.read(|read| read.open_uploads_total().map_err(BlobError::from)).await
    }

    /// Drops an upload of which it is unknown what is on disk.
    async fn drop_unknown(&self, id: &UploadId) {
        let (blobs, id) = (self.clone(), *id);
        let dropped = detached(async move {
            let live = blobs.uploads.get(&id);
            let _order = live.order.lock().await;
            blobs.drop_open(&live, &id).await
        });
        if let Err(error) = dropped.await {
            tracing::error!(%error, upload = %id, "an upload whose data is unknown could not be dropped");
        }
    }

    /// Drops an upload if it is open. Call it with `live.order` held.
    async fn drop_open(&self, live: &Arc<live::Live>, id: &UploadId) -> Result<bool, BlobError> {
        let key = *id.key();
        let delete = move |write: &crate::storage::sqlite::Write<'_>| {
            let open = write.upload(&key)?.is_some_and(|upload| upload.digest.is_none());
            if open {
                write.delete_upload(&key)?;
            }
            Ok::<_, BlobError>(open)
        };
        let open = self.db.write(delete).await?;
        if open {
            self.close_and_remove(live, id).await;
        }
        Ok(open)
    }

    /// Ends parts in flight and removes what is staged. Its row is gone or finished: what fails here is swept later.
    async fn close_and_remove(&self, live: &Arc<live::Live>, id: &UploadId) {
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

/// Refuses unless the upload is open and belongs to `account`.
fn open_upload(read: &Read<'_>, key: &UploadKey, account: &Did) -> Result<(), BlobError> {
    match read.upload(key)? {
        Some(upload) if upload.digest.is_none() && upload.account == *account => Ok(()),
        _ => Err(BlobError::UnknownUpload),
    }
}

/// Runs `job` on the blocking pool.
async fn blocking<T, E, F>(job: F) -> Result<T, E>
where
    F: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<BlobError> + Send + 'static,
{
    tokio::task::spawn_blocking(job).await.unwrap_or_else(|_| Err(panicked().into()))
}

/// Runs `work` to its end, also when the caller stops waiting.
async fn detached<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<BlobError> + Send + 'static,
{
    tokio::spawn(work).await.unwrap_or_else(|_| Err(panicked().into()))
}

fn panicked() -> BlobError {
    BlobError::Storage(StorageError::failed("a task of the blob room panicked"))
}
