//! The bucket of a hold, whoever provides it: the few things that uploads, reads and upkeep ask of one.
//!
//! Each provider has its own folder and its own requests; nobody outside of this room knows which one it is.
//! Where a provider cannot do a thing, it says so here ([`Bucket::signs_parts`]) and not in its errors.

#[cfg(feature = "azure")]
mod azure;
mod client;
mod clock;
mod common;
mod fault;
mod http;
mod outcome;
mod probe;
mod read;
mod s3;
mod secret;
mod send;
mod signer;
mod uploads;
mod xml;

use ::http::Method;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};

use super::{Listed, Object, ObjectInfo, Removed};
use server::storage::StorageError;

#[cfg(feature = "azure")]
pub use azure::{Azure, Settings as AzureSettings};
pub use client::Traffic;
pub use outcome::{Completed, Copied, OpenMultipart, PART_URL_S, Part, READ_URL_S, ResponseHeaders};
pub use probe::{PROBES, ProbeError, Probed, is_probe};
#[cfg(feature = "gcs")]
pub use s3::GoogleSettings;
pub use s3::{CopyLimits, Credentials, Role, S3, Settings as S3Settings};
pub use send::PartError;

pub(super) use read::BucketObject;

/// What a bucket is opened with. Contains secrets; send it over the admin socket only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum BucketSettings {
    /// A provider that speaks S3.
    S3(S3Settings),
    /// Google Cloud Storage.
    #[cfg(feature = "gcs")]
    Google(GoogleSettings),
    /// Azure Blob Storage.
    #[cfg(feature = "azure")]
    Azure(AzureSettings),
}

impl BucketSettings {
    /// Tells the bucket from others, and says to people where it is: `s3://bucket/folder at https://host`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::S3(settings) => settings.name(),
            #[cfg(feature = "gcs")]
            Self::Google(settings) => settings.name(),
            #[cfg(feature = "azure")]
            Self::Azure(settings) => settings.name(),
        }
    }
}

/// A bucket, or a folder of one; cheap to clone. Keys are as [`Objects`](super::Objects) has them.
#[derive(Clone)]
pub struct Bucket(Provider);

#[derive(Clone)]
enum Provider {
    /// Google too: it has the same requests.
    S3(S3),
    #[cfg(feature = "azure")]
    Azure(Azure),
}

impl From<S3> for Bucket {
    fn from(s3: S3) -> Self {
        Self(Provider::S3(s3))
    }
}

#[cfg(feature = "azure")]
impl From<Azure> for Bucket {
    fn from(azure: Azure) -> Self {
        Self(Provider::Azure(azure))
    }
}

impl Bucket {
    /// Prepares the requests; sends none.
    ///
    /// # Errors
    /// When the settings do not fit together, or the system has no certificates.
    pub fn open(settings: &BucketSettings) -> Result<Self, StorageError> {
        match settings {
            BucketSettings::S3(settings) => S3::open(settings).map(Self::from),
            #[cfg(feature = "gcs")]
            BucketSettings::Google(settings) => S3::open_google(settings).map(Self::from),
            #[cfg(feature = "azure")]
            BucketSettings::Azure(settings) => Azure::open(settings).map(Self::from),
        }
    }

    /// As [`S3::probe`].
    ///
    /// # Errors
    /// [`ProbeError`]
    pub async fn probe(&self, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
        match &self.0 {
            Provider::S3(s3) => s3.probe(name, now_us).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.probe(name, now_us).await,
        }
    }

    /// What is under a key, `None` when nothing is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.stat(key).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.stat(key).await,
        }
    }

    /// Stores a few bytes under a key, and replaces what is there. They are sent in one piece, out of memory.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.put(key, bytes).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.put(key, bytes).await,
        }
    }

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.delete(key).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.delete(key).await,
        }
    }

    /// Removes many objects, as [`Objects::remove_all`](super::Objects::remove_all) has it.
    pub(super) async fn remove_all(&self, keys: Vec<String>) -> Removed {
        match &self.0 {
            Provider::S3(s3) => s3.remove_all(keys).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.remove_all(&keys).await,
        }
    }

    /// What this and its clones have sent.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        match &self.0 {
            Provider::S3(s3) => s3.traffic(),
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.traffic(),
        }
    }

    /// The objects below `folder`, as [`Objects::list`](super::Objects::list) has it.
    pub(super) fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        match &self.0 {
            Provider::S3(s3) => s3.list(folder).boxed(),
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.list(folder).boxed(),
        }
    }

    /// Opens an object for reading, `None` when there is none under `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        match &self.0 {
            Provider::S3(s3) => Ok(s3.open_object(key).await?.map(Object::in_bucket)),
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.open_object(key).await,
        }
    }

    /// The object of this size and ETag, without asking whether it is there: reading any other one fails.
    #[must_use]
    pub fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        match &self.0 {
            Provider::S3(s3) => s3.pinned_object(key, info),
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.pinned_object(key, info),
        }
    }

    /// Copies the object `from`, `size_bytes` long, to `to`, if its ETag is still `etag`. No bytes pass the hold.
    ///
    /// # Errors
    /// When the store fails. The target is whole or as it was, or as for [`Copied::SourceChanged`], and the call may be
    /// repeated.
    pub async fn copy_pinned(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<Copied, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.copy_pinned(from, etag, to, size_bytes).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.copy_pinned(from, etag, to, size_bytes).await,
        }
    }

    /// A URL by which an object may be read with this method, GET or HEAD, for [`READ_URL_S`](super::READ_URL_S).
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_read(
        &self,
        method: Method,
        key: &str,
        headers: &ResponseHeaders,
    ) -> Result<String, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.presign_read(method, key, headers).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.presign_read(key).await,
        }
    }
}

/// The beginning of all keys: empty, or ends in a slash.
fn folder_of(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

/// A bucket as people name it, and unlike any other.
fn shown(scheme: &str, bucket: &str, prefix: &str, at: &str) -> String {
    let folder = folder_of(prefix);
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{scheme}://{bucket}{slash}{} at {at}", folder.trim_end_matches('/'))
}
