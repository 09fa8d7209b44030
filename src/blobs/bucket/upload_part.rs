//! A part that passes through the hold into the store: hashed on its way, never kept.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};

use crate::storage::objects::PartError;
use crate::storage::sqlite::{BucketPartRow, Read, Write};
use crate::syntax::Did;

use super::Bucket;
use super::passing::Passage;
use crate::blobs::bound::Bound;
use crate::blobs::hash::Hash;
use crate::blobs::names::{ETag, PartNumber, UploadId, bare, staged_key};
use crate::blobs::sessions::open_upload;
use crate::blobs::{BlobError, BodyError, detached};

/// A part that may be sent.
struct Beginning {
    multipart: String,
    passage: Passage,
    before: Before,
}

/// What is known of the bytes before a part.
#[derive(Clone, PartialEq, Eq)]
enum Before {
    /// There are none.
    Nothing,
    /// Their unfinished hash.
    Hashed(Vec<u8>),
    Unknown,
}

impl Bucket {
    /// As [`Blobs::upload_part`](crate::blobs::Blobs::upload_part). S3 wants to know a part's length beforehand.
    pub(in crate::blobs) async fn upload_part<S>(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        length: Option<u64>,
        body: S,
        now_us: u64,
    ) -> Result<ETag, BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    {
        let length = length.ok_or(BlobError::LengthRequired)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| BlobError::Busy)?;
        let (bucket, id, account) = (self.clone(), *id, account.clone());
        // Once the store has the last byte, the part counts even when the client goes away.
        detached(async move {
            let _slot = slot;
            let begun = bucket.begin_part(&id, &account, number, length).await?;
            let (etag, hash) = bucket.send(&id, number, length, body, &begun).await?;
            let hash_state = hash.map(|hash| hash.save());
            let part = BucketPartRow { number: number.get(), size_bytes: length, etag: etag.clone(), hash_state };
            bucket.record(&id, &account, part, begun, now_us).await?;
            Ok(ETag(etag))
        })
        .await
    }

    async fn begin_part(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        length: u64,
    ) -> Result<Beginning, BlobError> {
        let live = self.sessions.uploads.get(id);
        let _order = live.order.lock().await;
        let (key, limits) = (*id.key(), Arc::clone(&self.sessions.limits));
        let judge = move |read: &Read<'_>| {
            let earlier = read.bucket_part(&key, number.get())?;
            let others_bytes =
                read.bucket_part_bytes(&key)?.saturating_sub(earlier.as_ref().map_or(0, |p| p.size_bytes));
            Bound::new(limits, others_bytes).check(length)?;
            Ok::<_, BlobError>((earlier.is_some(), before(read, &key, number)?))
        };
        let (is_repeated, before) = self.sessions.db.read(judge).await?;
        let bucket = self.multipart(id, account, false).await?;
        let before = if bucket.unseen { Before::Unknown } else { before };
        if is_repeated {
            // From here on the store may have either body.
            let forget = move |write: &Write<'_>| write.forget_hashes_from(&key, number.get()).map_err(BlobError::from);
            self.sessions.db.write(forget).await?;
        }
        Ok(Beginning { multipart: bucket.multipart, passage: self.passing.enter(id, number), before })
    }

    /// Answers the part's ETag without quotes, and the hash of everything up to its end if all before it is known.
    async fn send<S>(
        &self,
        id: &UploadId,
        number: PartNumber,
        length: u64,
        body: S,
        begun: &Beginning,
    ) -> Result<(String, Option<Hash>), BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    {
        let hash = match &begun.before {
            Before::Nothing => Some(Hash::default()),
            Before::Hashed(state) => Some(Hash::restore(state)?),
            Before::Unknown => None,
        };
        let hash = Arc::new(Mutex::new(hash));
        let hashing = Arc::clone(&hash);
        let body = body.inspect_ok(move |bytes| {
            if let Some(hash) = &mut *hashing.lock().unwrap_or_else(PoisonError::into_inner) {
                hash.update(bytes);
            }
        });
        let sent = self.s3.upload_part(&staged_key(id), &begun.multipart, number.to_u16(), length, body).await;
        match sent {
            Ok(etag) => {
                let hash = hash.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok((bare(&etag).to_owned(), hash))
            }
            Err(PartError::Body(error)) => Err(error.into()),
            Err(PartError::TooShort) => Err(BodyError::WrongLength.into()),
            Err(PartError::UnknownUpload) => Err(BlobError::UnknownUpload),
            Err(PartError::Storage(error)) => {
                // The store may have it all the same.
                self.mark_unseen(id).await?;
                Err(error.into())
            }
        }
    }

    async fn record(
        &self,
        id: &UploadId,
        account: &Did,
        mut part: BucketPartRow,
        begun: Beginning,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let live = self.sessions.uploads.get(id);
        let _order = live.order.lock().await;
        let (key, who, max_blob_bytes) = (*id.key(), account.clone(), self.sessions.limits.max_blob_bytes);
        let store = move |write: &Write<'_>| {
            open_upload(write, &key, &who)?;
            let takes_parts = write.bucket_upload(&key)?.is_some_and(|bucket| bucket.staged.is_none());
            if !takes_parts {
                return Err(BlobError::UnknownUpload);
            }
            let number = PartNumber::new(part.number)?;
            if begun.passage.is_contested() || before(write, &key, number)? != begun.before {
                part.hash_state = None;
            }
            write.put_bucket_part(&key, &part)?;
            if write.bucket_part_bytes(&key)? > max_blob_bytes {
                return Err(BlobError::BlobTooLarge { limit_bytes: max_blob_bytes });
            }
            Ok(write.touch_upload(&key, now_us)?)
        };
        self.sessions.db.write(store).await
    }
}

fn before(read: &Read<'_>, key: &[u8; 16], number: PartNumber) -> Result<Before, BlobError> {
    if number.get() == 1 {
        return Ok(Before::Nothing);
    }
    let previous = read.bucket_part(key, number.get() - 1)?;
    Ok(previous.and_then(|part| part.hash_state).map_or(Before::Unknown, Before::Hashed))
}
