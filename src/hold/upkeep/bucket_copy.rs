//! Copies a blob to a bucket. The blob is hashed as it is sent, becomes an object under its key only if the hash is
//! right, and is then read back, because no response of a store proves what it stored.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};

use super::UpkeepError;
use super::finding::Problem;
use super::reading::{digest as digest_of, of_target};
use super::target::{Content, Copied, Target};
use crate::blobs::blob_key;
use crate::objects::{Bucket, Completed, Object, Objects, PartError};
use atproto::syntax::Digest;
use server::nonpoison::Mutex;
use server::storage::StorageError;

/// Limit of a blob that is sent in one request from memory.
const PIECE_BYTES: u64 = 1 << 20;
/// Size of a part, and so of what is sent again when a connection breaks. With 10,000 parts a blob has 320 GiB; a
/// larger blob gets larger parts.
const PART_BYTES: u64 = 32 << 20;
const MAX_PARTS: u64 = 10_000;
/// Attempts to send a part.
const TRIES: u32 = 3;

/// Copies the blob from `source` to `bucket`, which is that of `target`.
pub(super) async fn copy(
    source: &Objects,
    digest: &Digest,
    target: &Target,
    bucket: &Bucket,
) -> Result<Copied, UpkeepError> {
    let key = blob_key(digest);
    let Some(object) = source.open_object(&key).await? else { return Ok(Copied::Wrong(Problem::Missing)) };
    let size_bytes = object.size_bytes();
    let copy = BucketCopy { source, target, bucket, digest, key: &key, size_bytes };
    let outcome = if size_bytes <= PIECE_BYTES { copy.send_whole(object).await? } else { copy.send_parts().await? };
    match outcome {
        Some(outcome) => Ok(outcome),
        None => copy.read_back().await,
    }
}

/// One blob on its way to a bucket.
struct BucketCopy<'a> {
    source: &'a Objects,
    target: &'a Target,
    bucket: &'a Bucket,
    digest: &'a Digest,
    key: &'a str,
    size_bytes: u64,
}

impl BucketCopy<'_> {
    /// Sends the blob in one request. Returns `None` when it was sent and is to be read back.
    async fn send_whole(&self, object: Object) -> Result<Option<Copied>, UpkeepError> {
        let bytes = object.stream(0..self.size_bytes).try_collect::<Vec<Bytes>>().await;
        let bytes = match bytes.map_err(StorageError::from) {
            Ok(bytes) => bytes.concat(),
            Err(error) => return of_source(error).map(|problem| Some(Copied::Wrong(problem))),
        };
        if digest_of(Sha256::new_with_prefix(&bytes)) != *self.digest {
            return Ok(Some(Copied::Wrong(Problem::WrongContent)));
        }
        self.bucket.put(self.key, bytes).await.map_err(of_target)?;
        Ok(None)
    }

    /// Sends the blob as a multipart upload, unless it is there. Returns `None` when it was sent and is to be read back.
    async fn send_parts(&self) -> Result<Option<Copied>, UpkeepError> {
        if let Some(info) = self.bucket.stat(self.key).await.map_err(of_target)? {
            match self.target.content(self.digest).await? {
                // Another hold that uses the bucket has made it since the listing.
                Content::Right => return Ok(Some(Copied::Done { etag: info.etag })),
                // It must not be mistaken for the object that this upload makes.
                Content::Wrong => self.bucket.delete(self.key).await.map_err(of_target)?,
                Content::Unknown => {}
            }
        }
        let id = self.bucket.create_multipart(self.key).await.map_err(of_target)?;
        let sent = self.fill(&id).await;
        if !matches!(sent, Ok(None))
            && let Err(error) = self.bucket.abort_multipart(self.key, &id).await
        {
            tracing::warn!(%error, "the parts of a blob that was not copied stay until the next migration");
        }
        Ok(sent?.map(Copied::Wrong))
    }

    /// Reads what the store has under the key; an object with other bytes is removed.
    async fn read_back(&self) -> Result<Copied, UpkeepError> {
        let info = self.bucket.stat(self.key).await.map_err(of_target)?;
        let wrong = match (info, self.target.content(self.digest).await?) {
            (Some(info), Content::Right) => return Ok(Copied::Done { etag: info.etag }),
            (_, Content::Wrong) => {
                self.bucket.delete(self.key).await.map_err(of_target)?;
                "it answered other bytes than it was sent"
            }
            _ => "what it was sent cannot be read there",
        };
        Err(of_target(StorageError::failed(wrong)))
    }

    /// Sends all parts of the upload `id` and completes it, unless the bytes sent are not the blob; then returns the
    /// problem.
    async fn fill(&self, id: &str) -> Result<Option<Problem>, UpkeepError> {
        let part_bytes = PART_BYTES.max(self.size_bytes.div_ceil(MAX_PARTS));
        let mut hash = Sha256::new();
        let mut parts = Vec::new();
        let mut start = 0;
        for number in 1..=u16::MAX {
            let end = (start + part_bytes).min(self.size_bytes);
            match self.send_part(id, number, start..end, hash).await? {
                Ok((etag, longer)) => {
                    parts.push((number, etag));
                    hash = longer;
                }
                Err(problem) => return Ok(Some(problem)),
            }
            start = end;
            if start == self.size_bytes {
                break;
            }
        }
        if digest_of(hash) != *self.digest {
            return Ok(Some(Problem::WrongContent));
        }
        match self.bucket.complete_multipart(self.key, id, &parts).await.map_err(of_target)? {
            Completed::Object(_) => Ok(None),
            Completed::WrongParts { .. } | Completed::Unknown => {
                Err(of_target(StorageError::failed("it lost the parts it was sent")))
            }
        }
    }

    /// Sends a range of the source as a part. Returns the part's ETag, and `hash` extended by the range.
    async fn send_part(
        &self,
        id: &str,
        number: u16,
        range: Range<u64>,
        hash: Sha256,
    ) -> Result<Result<(String, Sha256), Problem>, UpkeepError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(object) = self.source.open_object(self.key).await? else { return Ok(Err(Problem::Missing)) };
            let hashed = Arc::new(Mutex::new(hash.clone()));
            let hashing = Arc::clone(&hashed);
            let body = object.stream(range.clone()).inspect_ok(move |bytes| {
                hashing.lock().update(bytes);
            });
            let size_bytes = range.end - range.start;
            match self.bucket.upload_part(self.key, id, number, size_bytes, body.boxed()).await {
                Ok(etag) => {
                    let hash = hashed.lock().clone();
                    return Ok(Ok((etag, hash)));
                }
                Err(PartError::Storage(_)) if tries < TRIES => {}
                Err(PartError::Storage(error)) => return Err(of_target(error)),
                Err(PartError::UnknownUpload) => {
                    return Err(of_target(StorageError::failed("it lost an upload in parts")));
                }
                Err(PartError::TooShort) => return Ok(Err(Problem::Unreadable("it ended early".into()))),
                Err(PartError::Body(error)) => return of_source(error.into()).map(Err),
            }
        }
    }
}

/// Maps an error of the source: an outage ends the migration; any other error is a problem of this blob.
fn of_source(error: StorageError) -> Result<Problem, UpkeepError> {
    match error {
        StorageError::Unavailable(_) | StorageError::Refused(_) => Err(error.into()),
        other => Ok(Problem::Unreadable(other.to_string())),
    }
}
