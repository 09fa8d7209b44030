//! The blob store: objects under keys, and staged bytes that become objects.
//!
//! A key is a relative path of plain segments, `/` between them. What the keys mean is not known here.
//! [`Objects`] finds, reads, lists and removes objects wherever they are. How bytes get in differs: on a file
//! system [`Staging`] takes them and publishes a staged file as an object, in such an order that an object which
//! can be seen is whole and survives a power cut; a [`Bucket`] has uploads in parts and pinned copies.
//! `tests/hold/objects/` says what every store must keep.

mod bucket;
mod local;
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
    Bucket, BucketRequests, BucketSettings, Completed, Copied, CopyLimits, Credentials, OpenMultipart, PART_URL_S,
    PROBES, PartError, Presigned, ProbeError, Probed, READ_URL_S, ResponseHeaders, Role, S3Settings, StoredPart,
    is_probe,
};
pub use local::Memory;
pub use object::Object;
pub use staging::{StagedFile, Staging, SyncError};

use local::Local;

/// Where a hold keeps its blobs, from the configuration to the client of a bucket. Contains the secrets of a bucket, also
/// when serialized; send it over the admin socket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A directory, which must exist.
    Directory(PathBuf),
    /// A bucket, or a folder of one.
    Bucket(Box<BucketSettings>),
}

impl std::fmt::Display for Location {
    /// As people name it, without secrets.
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
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The ETag as the store writes it: opaque, and another one when the bytes under the key change.
    pub etag: String,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// As [`ObjectInfo::etag`] has it, but perhaps with other quotes around it.
    pub etag: String,
    /// When it was written, in microseconds since 1970, by the store's clock.
    pub modified_us: u64,
}

/// The outcome of removing objects.
#[derive(Debug, Default)]
pub struct Removed {
    /// The keys under which nothing is any more.
    pub gone: Vec<String>,
    /// The first failure. Objects under the keys that are not [gone](Self::gone) may be there, or go later: whether
    /// the store carries out what it was asked is unknown.
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

/// The objects of a hold, wherever they are; cheap to clone.
#[derive(Clone)]
pub struct Objects(Backend);

#[derive(Clone)]
enum Backend {
    Local(Local),
    Bucket(Bucket),
}

impl Objects {
    /// Serves the objects under `root`, a directory that exists.
    ///
    /// # Errors
    /// When `root` is not there.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        Ok(Self(Backend::Local(Local::open(root)?)))
    }

    /// Serves the objects that a program has in memory: for tests of what is built on this room.
    #[must_use]
    pub fn in_memory(memory: &Memory) -> Self {
        Self(Backend::Local(memory.local()))
    }

    /// Serves the objects of a bucket.
    #[must_use]
    pub fn in_bucket(bucket: Bucket) -> Self {
        Self(Backend::Bucket(bucket))
    }

    /// Returns the bucket, when the objects are in one.
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

    /// Lists the objects below `folder`: whole segments of a path without a slash at the end; all when it is empty.
    /// The order is the store's. The stream ends at the first error.
    pub fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        match &self.0 {
            Backend::Local(local) => local.list(folder),
            Backend::Bucket(bucket) => bucket.list(folder),
        }
    }

    /// Stores a few bytes under a key, and replaces what is there. They are on disk when it answers.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        match &self.0 {
            Backend::Local(local) => local.put(key, bytes.into()).await,
            Backend::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match &self.0 {
            Backend::Local(local) => local.delete(key).await,
            Backend::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// Gives the object `from` the key `to`, in place of what is there, if it still is the one that `info` describes;
    /// answers whether it was. In a bucket it is copied and removed, so that a fault may leave it under both keys.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn quarantine(&self, from: &str, to: &str, info: &ObjectInfo) -> Result<bool, StorageError> {
        match &self.0 {
            Backend::Local(local) => local.rename(from, to).await,
            Backend::Bucket(bucket) => match bucket.copy_pinned(from, &info.etag, to, info.size_bytes).await? {
                Copied::SourceChanged => Ok(false),
                Copied::Done => bucket.delete(from).await.map(|()| true),
            },
        }
    }

    /// Removes many objects; one that is not there counts as removed. Each is asked for once.
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
