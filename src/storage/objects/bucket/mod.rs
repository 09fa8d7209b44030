//! The bucket of a hold, whoever provides it: the few things that uploads, reads and upkeep ask of one.
//!
//! Each provider has its own folder and its own requests; nobody outside of this room knows which one it is.
//! Where a provider cannot do a thing, it says so here ([`Bucket::signs_parts`]) and not in its errors.

mod client;
mod common;
mod fault;
mod http;
mod outcome;
mod probe;
mod read;
mod s3;
mod send;
mod signer;
mod xml;

use ::http::Method;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};

use super::{Listed, Object, ObjectInfo};
use crate::storage::StorageError;

pub use outcome::{Completed, Copied, OpenMultipart, PART_URL_S, Part, READ_URL_S, ResponseHeaders};
pub use probe::{ProbeError, Probed};
pub use s3::{CopyLimits, Credentials, Role, S3, Settings as S3Settings};
pub use send::PartError;

pub(super) use read::BucketObject;

/// What a bucket is opened with. Serialized, it has the secrets: for the ears of another process of the hold alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum BucketSettings {
    /// A provider that speaks S3.
    S3(S3Settings),
}

impl BucketSettings {
    /// Tells the bucket from others, and says to people where it is: `s3://bucket/folder at https://host`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::S3(settings) => settings.name(),
        }
    }
}

/// A bucket, or a folder of one; cheap to clone. Keys are as [`Objects`](super::Objects) has them.
#[derive(Clone)]
pub struct Bucket(Provider);

#[derive(Clone)]
enum Provider {
    S3(S3),
}

impl From<S3> for Bucket {
    fn from(s3: S3) -> Self {
        Self(Provider::S3(s3))
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
        }
    }

    /// As [`S3::probe`].
    ///
    /// # Errors
    /// [`ProbeError`]
    pub async fn probe(&self, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
        match &self.0 {
            Provider::S3(s3) => s3.probe(name, now_us).await,
        }
    }

    /// Whether a part may be sent past the hold, by [`Bucket::presign_part`].
    #[must_use]
    pub fn signs_parts(&self) -> bool {
        match &self.0 {
            Provider::S3(_) => true,
        }
    }

    /// What is under a key, `None` when nothing is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.stat(key).await,
        }
    }

    /// Stores a few bytes under a key, and replaces what is there. They are sent in one piece, out of memory.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.put(key, bytes).await,
        }
    }

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.delete(key).await,
        }
    }

    /// The objects below `folder`, as [`Objects::list`](super::Objects::list) has it.
    pub(super) fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        match &self.0 {
            Provider::S3(s3) => s3.list(folder).boxed(),
        }
    }

    /// Opens an object for reading, `None` when there is none under `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        match &self.0 {
            Provider::S3(s3) => Ok(s3.open_object(key).await?.map(Object::in_bucket)),
        }
    }

    /// The object of this size and ETag, without asking whether it is there: reading any other one fails.
    #[must_use]
    pub fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        match &self.0 {
            Provider::S3(s3) => s3.pinned_object(key, info),
        }
    }

    /// Copies the object `from`, `size_bytes` long, to `to`, if its ETag is still `etag`. No bytes pass the hold.
    ///
    /// # Errors
    /// When the store fails. The target is whole or as it was, and the call may be repeated.
    pub async fn copy_pinned(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<Copied, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.copy_pinned(from, etag, to, size_bytes).await,
        }
    }

    /// Begins an upload in parts and answers the store's name for it.
    ///
    /// # Errors
    /// When the store fails. An upload may have begun all the same: [`Bucket::list_multiparts`] finds it.
    pub async fn create_multipart(&self, key: &str) -> Result<String, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.create_multipart(key).await,
        }
    }

    /// Sends a part of `size_bytes` and answers its ETag. A part of that number is replaced. It is sent once, because
    /// the body can be read only once: whoever has the body repeats it.
    ///
    /// # Errors
    /// [`PartError`]: the store has no part of that number then, or the one it had.
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
        match &self.0 {
            Provider::S3(s3) => s3.upload_part(key, id, number, size_bytes, body).await,
        }
    }

    /// The parts that the store has, in order of their numbers; `None` when there is no such upload. A store may
    /// list a part that was replaced besides the one in its place: it is the ETags that tell.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_parts(&self, key: &str, id: &str) -> Result<Option<Vec<Part>>, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.list_parts(key, id).await,
        }
    }

    /// Makes an object of parts, listed by number and ETag (quoted or bare), in any order. The key must belong to
    /// this upload alone: an object found under it after a lost answer counts as the upload's own.
    ///
    /// # Errors
    /// When the store fails; whether the object is there is unknown then, and the call may be repeated.
    pub async fn complete_multipart(
        &self,
        key: &str,
        id: &str,
        parts: &[(u16, String)],
    ) -> Result<Completed, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.complete_multipart(key, id, parts).await,
        }
    }

    /// Drops an upload with its parts; one that is not there counts as dropped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn abort_multipart(&self, key: &str, id: &str) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.abort_multipart(key, id).await,
        }
    }

    /// The uploads in parts that are open below a folder.
    ///
    /// # Errors
    /// When the store fails; the stream ends there.
    pub fn list_multiparts(&self, folder: &str) -> BoxStream<'static, Result<OpenMultipart, StorageError>> {
        match &self.0 {
            Provider::S3(s3) => s3.list_multiparts(folder).boxed(),
        }
    }

    /// A URL to which one part may be PUT, for [`PART_URL_S`](super::PART_URL_S); only if
    /// [`Bucket::signs_parts`].
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_part(&self, key: &str, id: &str, number: u16) -> Result<String, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.presign_part(key, id, number).await,
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
        }
    }
}
