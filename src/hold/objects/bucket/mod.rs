//! The bucket of a hold, of any provider: the operations that uploads, reads and upkeep need.
//!
//! Two layers. [`Bucket`] is all that other rooms see. Below it each [`Provider`] has a folder with its own requests;
//! code outside of this folder does not know the provider, and the faults of all are converted here. A missing ability
//! of a provider is a method here ([`Bucket::signs_parts`]), not an error.

#[cfg(feature = "azure")]
mod azure;
mod client;
mod clock;
mod fault;
mod folder;
mod http;
mod probe;
mod probe_plan;
mod provider;
mod read;
mod requests;
mod s3;
mod secrets;
mod send;
mod settings;
mod signer;
mod types;
mod xml;

use std::sync::Arc;

use ::http::Method;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};

use self::provider::{Provider, paged};
use super::{Listed, Object, ObjectInfo, Removed};
use server::storage::StorageError;

#[cfg(feature = "azure")]
pub use azure::AzureSettings;
pub use client::BucketRequests;
pub use probe::{PROBES, ProbeError, Probed, is_probe};
#[cfg(feature = "gcs")]
pub use s3::GoogleSettings;
pub use s3::{CopyLimits, Credentials, Role, S3Settings};
pub use send::PartError;
pub use settings::{BucketSettings, Presigned};
pub use types::{Completed, Copied, CopySource, OpenMultipart, PART_URL_S, READ_URL_S, ResponseHeaders, StoredPart};

pub(super) use read::BucketObject;

/// A bucket, or a folder of one; cheap to clone. Keys are as for [`Objects`](super::Objects).
#[derive(Clone)]
pub struct Bucket(Arc<dyn Provider>);

/// Requests for objects.
impl Bucket {
    /// Opens a bucket; sends no request.
    ///
    /// # Errors
    /// When the settings do not fit together, or the system has no certificates.
    pub fn open(settings: &BucketSettings) -> Result<Self, StorageError> {
        Ok(Self(match settings {
            BucketSettings::S3(settings) => Arc::new(s3::S3::open(settings)?),
            #[cfg(feature = "gcs")]
            BucketSettings::Google(settings) => Arc::new(s3::S3::open_google(settings)?),
            #[cfg(feature = "azure")]
            BucketSettings::Azure(settings) => Arc::new(azure::Azure::open(settings)?),
        }))
    }

    /// Tries all operations that the hold needs, within half a minute, and leaves nothing behind. `name` is a word that
    /// no other hold probes with; `now_us` returns the time in microseconds since 1970.
    ///
    /// # Errors
    /// [`ProbeError`], one line that says what to do.
    pub async fn probe(&self, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
        probe::run(&*self.0, name, now_us).await
    }

    /// Returns the counters of the requests that this bucket and its clones sent.
    #[must_use]
    pub fn requests(&self) -> &BucketRequests {
        &self.0.client().requests
    }

    /// Returns size and ETag of an object; `None` when there is none under the key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        Ok(self.0.client().find(key).await?)
    }

    /// Opens an object for reading; `None` when there is none under the key.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        Ok(self.stat(key).await?.map(|info| self.pinned_object(key, info)))
    }

    /// Returns the object of this size and ETag, without asking whether it exists: reading any other object fails.
    #[must_use]
    pub fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        Object::in_bucket(BucketObject::new(Arc::clone(self.0.client()), key.to_owned(), info))
    }

    /// Lists the objects below `folder`, as [`Objects::list`](super::Objects::list).
    pub(super) fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        let (provider, prefix) = (Arc::clone(&self.0), self.0.client().listed_prefix(folder));
        paged(move |from| {
            let (provider, prefix) = (Arc::clone(&provider), prefix.clone());
            async move { provider.list(&prefix, from).await }
        })
    }

    /// Stores `bytes` under a key in one request, in place of an earlier object.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        self.0.client().exchange(&self.0.put(key).body(bytes)).await?;
        Ok(())
    }

    /// Copies an object to the key `to` inside the store, if its ETag is still that of `source`.
    ///
    /// # Errors
    /// When the store fails. The target is whole or unchanged, or as for [`Copied::SourceChanged`], and the call may be
    /// repeated.
    pub async fn copy_pinned(&self, source: CopySource<'_>, to: &str) -> Result<Copied, StorageError> {
        Ok(self.0.copy(source, to).await?)
    }

    /// Removes an object; an absent one counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Ok(self.0.client().remove(key).await?)
    }

    /// Removes many objects, as [`Objects::remove_all`](super::Objects::remove_all).
    pub(super) async fn remove_all(&self, keys: &[String]) -> Removed {
        let mut removed = Removed::default();
        for (key, outcome) in self.0.remove_all(keys).await {
            removed.note(&key, outcome.map_err(Into::into));
        }
        removed
    }

    /// Returns a URL to read an object with `method`, GET or HEAD, valid for [`READ_URL_S`].
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_read(
        &self,
        method: Method,
        key: &str,
        headers: &ResponseHeaders,
    ) -> Result<String, StorageError> {
        Ok(self.0.read_url(method, key, headers).await?)
    }
}

/// Multipart uploads.
impl Bucket {
    /// Whether a part may bypass the hold, by [`Bucket::presign_part`].
    #[must_use]
    pub fn signs_parts(&self) -> bool {
        self.0.signs_parts()
    }

    /// Returns the size of the largest part that may be sent through the hold, in bytes; `u64::MAX` where it is not
    /// known.
    #[must_use]
    pub fn max_part_bytes(&self) -> u64 {
        self.0.max_part_bytes()
    }

    /// Begins a multipart upload. Returns the store's id of it.
    ///
    /// # Errors
    /// When the store fails. An upload may have begun nevertheless: [`Bucket::list_multiparts`] finds it.
    pub async fn create_multipart(&self, key: &str) -> Result<String, StorageError> {
        Ok(self.0.create(key).await?)
    }

    /// Sends a part of `size_bytes`, in place of an earlier one of that number. Returns its ETag, in quotes. The part
    /// is sent once, because the body can be read only once: a caller that has the body repeats the call.
    ///
    /// # Errors
    /// [`PartError`]. The store then has no part of that number, or still the earlier one.
    pub async fn upload_part<B, E>(
        &self,
        key: &str,
        id: &str,
        number: u16,
        size_bytes: u64,
        body: B,
    ) -> Result<String, PartError<E>>
    where
        B: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
    {
        let part = self.0.part(key, id, number).map_err(StorageError::from)?;
        let answer = match self.0.client().send_part(&part.call, size_bytes, body).await {
            // A store that refuses a part before it has read it may break the connection off: its answer is lost.
            Err(PartError::Storage(StorageError::Unavailable(_))) if self.0.has_lost(key, id).await => {
                return Err(PartError::UnknownUpload);
            }
            sent => sent?,
        };
        Ok(part.etag(answer.headers()).map_err(StorageError::from)?)
    }

    /// Returns the parts that the store has, in order of their numbers; `None` when there is no such upload. A store
    /// may list a replaced part beside the one in its place: only the ETags tell them apart.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_parts(&self, key: &str, id: &str) -> Result<Option<Vec<StoredPart>>, StorageError> {
        Ok(self.0.parts(key, id).await?)
    }

    /// Makes an object of parts, listed by number and ETag (quoted or bare), in any order. The key must belong to this
    /// upload alone: an object found under it after a lost response counts as the upload's own.
    ///
    /// # Errors
    /// When the store fails. Whether the object exists is unknown then, and the call may be repeated.
    pub async fn complete_multipart(
        &self,
        key: &str,
        id: &str,
        parts: &[(u16, String)],
    ) -> Result<Completed, StorageError> {
        Ok(self.0.complete(key, id, parts).await?)
    }

    /// Drops an upload with its parts; an absent one counts as dropped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn abort_multipart(&self, key: &str, id: &str) -> Result<(), StorageError> {
        Ok(self.0.abort(key, id).await?)
    }

    /// Lists the open multipart uploads below a folder. The stream ends at the first error.
    ///
    /// # Errors
    /// When the store fails; the stream ends there.
    pub fn list_multiparts(&self, folder: &str) -> BoxStream<'static, Result<OpenMultipart, StorageError>> {
        let (provider, prefix) = (Arc::clone(&self.0), self.0.client().listed_prefix(folder));
        paged(move |from| {
            let (provider, prefix) = (Arc::clone(&provider), prefix.clone());
            async move { provider.list_uploads(&prefix, from).await }
        })
    }

    /// Returns a URL to PUT one part, valid for [`PART_URL_S`]; only if [`Bucket::signs_parts`].
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_part(&self, key: &str, id: &str, number: u16) -> Result<String, StorageError> {
        Ok(self.0.part_url(key, id, number).await?)
    }
}
