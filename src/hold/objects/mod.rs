//! The blob store: objects under keys, and staged bytes that become objects.
//!
//! A key is a relative path of plain segments, `/` between them. The meaning of keys is not known here. [`Objects`]
//! finds, reads, lists and removes objects in any store. Stores differ in how bytes get in: on a file system,
//! [`Staging`] takes them and publishes a staged file as an object, in such an order that a visible object is whole and
//! survives a power cut; a [`Bucket`] has multipart uploads and pinned copies. The tests in `tests/hold/objects/` say
//! what every store must do.

mod bucket;
mod local;
mod lock;
mod object;
mod staging;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use server::storage::StorageError;

#[cfg(feature = "azure")]
pub use bucket::AzureSettings;
#[cfg(feature = "gcs")]
pub use bucket::GoogleSettings;
pub use bucket::{
    Bucket, BucketRequests, BucketSettings, Completed, Copied, CopyLimits, CopySource, Credentials, OpenMultipart,
    PART_URL_S, PROBES, PartError, Presigned, ProbeError, Probed, READ_URL_S, ResponseHeaders, Role, S3Settings,
    StoredPart, is_probe,
};
pub use local::Memory;
pub use lock::DirectoryLock;
pub use object::Object;
pub use staging::{MIGRATION_FOLDER, MIGRATION_LEFT_AFTER_US, StagedFile, Staging, SyncError};

use local::Local;

/// The place where a hold keeps its blobs, as configured. Contains the secrets of a bucket, also when serialized; send
/// it over the admin socket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A directory, which must exist.
    Directory(PathBuf),
    /// A bucket, or a folder of one.
    Bucket(Box<BucketSettings>),
}

impl std::fmt::Display for Location {
    /// Writes the name of the place for messages, without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket(settings) => f.write_str(&settings.name()),
        }
    }
}

/// Size and ETag of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object's size in bytes.
    pub size_bytes: u64,
    /// The object's ETag as the store writes it: opaque, and different when the bytes under the key change.
    pub etag: String,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The object's key.
    pub key: String,
    /// The object's size in bytes.
    pub size_bytes: u64,
    /// The object's ETag, as [`ObjectInfo::etag`], but perhaps with other quotes around it.
    pub etag: String,
    /// Time when the object was written, in microseconds since 1970, by the store's clock.
    pub modified_us: u64,
}

/// The outcome of moving an object to another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarantined {
    /// The object is gone, or another one is in its place. Nothing was moved.
    Changed,
    /// The object is under its new key alone.
    Moved,
    /// The object is under both keys: the caller removes it from the first one.
    Copied,
}

/// The outcome of removing objects.
#[derive(Debug, Default)]
pub struct Removed {
    /// The keys without an object, now that it is removed or was absent.
    pub gone: Vec<String>,
    /// The first failure. Objects under the keys that are not in [`gone`](Self::gone) may still be there, or be removed
    /// later: whether the store carries out an unanswered request is unknown.
    pub failure: Option<StorageError>,
}

impl Removed {
    fn note(&mut self, key: &str, outcome: Result<(), StorageError>) {
        match outcome {
            Ok(()) => self.gone.push(key.to_owned()),
            Err(error) => _ = self.failure.get_or_insert(error),
        }
    }
}

/// The objects of a hold, in any store; cheap to clone.
#[derive(Clone)]
pub struct Objects(Backend);

#[derive(Clone)]
enum Backend {
    Local(Local),
    Bucket(Bucket),
}

impl Objects {
    /// Opens the objects under `root`, a directory that exists.
    ///
    /// # Errors
    /// When `root` does not exist.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        Ok(Self(Backend::Local(Local::open(root)?)))
    }

    /// Opens objects in memory, for tests.
    #[must_use]
    pub fn in_memory(memory: &Memory) -> Self {
        Self(Backend::Local(memory.local()))
    }

    /// Opens the objects of a bucket.
    #[must_use]
    pub fn in_bucket(bucket: Bucket) -> Self {
        Self(Backend::Bucket(bucket))
    }

    /// Returns the bucket; `None` when the objects are not in one.
    #[must_use]
    pub fn bucket(&self) -> Option<&Bucket> {
        match &self.0 {
            Backend::Bucket(bucket) => Some(bucket),
            Backend::Local(_) => None,
        }
    }

    /// Returns size and ETag of the object under `key`; `None` when there is none.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        match &self.0 {
            Backend::Local(local) => local.stat(key).await,
            Backend::Bucket(bucket) => bucket.stat(key).await,
        }
    }

    /// Returns the size of an object in bytes; `None` when there is none under `key`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, StorageError> {
        match &self.0 {
            Backend::Local(local) => local.size(key).await,
            Backend::Bucket(bucket) => Ok(bucket.stat(key).await?.map(|info| info.size_bytes)),
        }
    }

    /// Opens an object for reading; `None` when there is none under `key`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        match &self.0 {
            Backend::Local(local) => local.open_object(key).await,
            Backend::Bucket(bucket) => bucket.open_object(key).await,
        }
    }

    /// Lists the objects below `folder`: whole segments of a path without a slash at the end; all objects when it is
    /// empty. The order is the store's. The stream ends at the first error.
    pub fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        match &self.0 {
            Backend::Local(local) => local.list(folder),
            Backend::Bucket(bucket) => bucket.list(folder),
        }
    }

    /// Stores `bytes` in one piece under a key, in place of an earlier object. When it returns they are on disk.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        match &self.0 {
            Backend::Local(local) => local.put(key, bytes.into()).await,
            Backend::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// Removes an object; an absent one counts as removed.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match &self.0 {
            Backend::Local(local) => local.delete(key).await,
            Backend::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// Moves the object `from` to the key `to`, in place of an earlier object. A bucket only copies it, if it still is the
    /// object that `info` describes; a directory does not check `info`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn quarantine(&self, from: &str, to: &str, info: &ObjectInfo) -> Result<Quarantined, StorageError> {
        Ok(match &self.0 {
            Backend::Local(local) if local.rename(from, to).await? => Quarantined::Moved,
            Backend::Local(_) => Quarantined::Changed,
            Backend::Bucket(bucket) => {
                let source = CopySource { key: from, etag: &info.etag, size_bytes: info.size_bytes };
                match bucket.copy_pinned(source, to).await? {
                    Copied::SourceChanged => Quarantined::Changed,
                    Copied::Done => Quarantined::Copied,
                }
            }
        })
    }

    /// Removes many objects; an absent one counts as removed. Each is requested once.
    pub async fn remove_all(&self, keys: Vec<String>) -> Removed {
        match &self.0 {
            Backend::Bucket(bucket) => bucket.remove_all(&keys).await,
            Backend::Local(local) => {
                let mut removed = Removed::default();
                for key in &keys {
                    removed.note(key, local.delete(key).await);
                }
                removed
            }
        }
    }
}
