//! Uploads in parts, as every bucket has them.

use bytes::Bytes;
#[cfg(feature = "azure")]
use futures_util::stream;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

#[cfg(feature = "azure")]
use super::azure;
use super::{Bucket, Completed, OpenMultipart, Part, PartError, Provider};
use server::storage::StorageError;

impl Bucket {
    /// Whether a part may be sent past the hold, by [`Bucket::presign_part`].
    #[must_use]
    pub fn signs_parts(&self) -> bool {
        match &self.0 {
            Provider::S3(_) => true,
            #[cfg(feature = "azure")]
            Provider::Azure(_) => false,
        }
    }

    /// The largest part that may be sent through the hold, in bytes, where that is known of the provider.
    #[must_use]
    pub fn max_part_bytes(&self) -> u64 {
        match &self.0 {
            // Those who speak S3 differ, and refuse what is too large themselves.
            Provider::S3(_) => u64::MAX,
            #[cfg(feature = "azure")]
            Provider::Azure(_) => azure::MAX_PART_BYTES,
        }
    }

    /// Begins an upload in parts and answers the store's name for it.
    ///
    /// # Errors
    /// When the store fails. An upload may have begun all the same: [`Bucket::list_multiparts`] finds it.
    pub async fn create_multipart(&self, key: &str) -> Result<String, StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.create_multipart(key).await,
            #[cfg(feature = "azure")]
            Provider::Azure(_) => Ok(azure::UPLOAD.to_owned()),
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
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.upload_part(key, number, size_bytes, body).await,
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
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.list_parts(key).await,
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
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.complete_multipart(key, parts).await,
        }
    }

    /// Drops an upload with its parts; one that is not there counts as dropped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn abort_multipart(&self, key: &str, id: &str) -> Result<(), StorageError> {
        match &self.0 {
            Provider::S3(s3) => s3.abort_multipart(key, id).await,
            #[cfg(feature = "azure")]
            Provider::Azure(azure) => azure.abort_multipart(key).await,
        }
    }

    /// The uploads in parts that are open below a folder.
    ///
    /// # Errors
    /// When the store fails; the stream ends there.
    pub fn list_multiparts(&self, folder: &str) -> BoxStream<'static, Result<OpenMultipart, StorageError>> {
        match &self.0 {
            Provider::S3(s3) => s3.list_multiparts(folder).boxed(),
            #[cfg(feature = "azure")]
            Provider::Azure(_) => stream::empty().boxed(),
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
            #[cfg(feature = "azure")]
            Provider::Azure(_) => Err(StorageError::failed("Azure signs no parts")),
        }
    }
}
