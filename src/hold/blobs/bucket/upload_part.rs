//! A part that passes through the hold into the store: hashed on its way, never kept.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};

use super::Bucket;
use crate::blobs::bound::Bound;
use crate::blobs::hash::Hash;
use crate::blobs::names::{ETag, PartNumber, UploadId, bare, staged_key};
use crate::blobs::sessions::open_upload;
use crate::blobs::tables;
use crate::blobs::tables::{BucketPartRow, UploadKey};
use crate::blobs::{BlobError, BodyError, detached};
use crate::objects::PartError;
use atproto::syntax::Did;
use server::sqlite::{Read, Write};

/// What stores answer for a part without bytes: the MD5 of nothing.
const EMPTY_ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// A part that may be sent.
struct Beginning {
    multipart: String,
    /// The hash of all bytes before the part, if it is of use.
    hash: Option<Hash>,
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
            bucket.record(&id, &account, part, now_us).await?;
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
        let bucket = self.multipart(id, account, false).await?;
        let (key, limits, max_part_bytes) = (*id.key(), self.sessions.limits(), self.store.max_part_bytes());
        let begin = move |write: &Write<'_>| {
            let earlier = tables::bucket_part(write, &key, number.get())?;
            let earlier_bytes = earlier.as_ref().map_or(0, |part| part.size_bytes);
            let others_bytes = tables::bucket_part_bytes(write, &key)?.saturating_sub(earlier_bytes);
            Bound::new(limits, others_bytes).in_store(max_part_bytes).check(length)?;
            if bucket.bypassed_hold {
                return Ok(None);
            }
            if earlier.is_some() {
                // Which of two bodies the store keeps is its own affair, and their ETags can be made equal.
                tables::mark_bypassed_hold(write, &key)?;
                return Ok(None);
            }
            // So that it is known of the next attempt that it is not the first, whatever becomes of this one.
            tables::put_bucket_part(write, &key, &BucketPartRow::begun(number.get()))?;
            hash_before(write, &key, number)
        };
        let hash = self.sessions.db.write(begin).await?;
        Ok(Beginning { multipart: bucket.multipart, hash })
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
        let hash = Arc::new(Mutex::new(begun.hash.clone()));
        let hashing = Arc::clone(&hash);
        let mut left_bytes = length;
        let body = body.map(move |bytes| {
            let bytes = bytes?;
            left_bytes = left_bytes.checked_sub(bytes.len() as u64).ok_or(BodyError::WrongLength)?;
            if let Some(hash) = &mut *hashing.lock().unwrap_or_else(PoisonError::into_inner) {
                hash.update(&bytes);
            }
            Ok::<_, BodyError>(bytes)
        });
        if length == 0 {
            // Some stores refuse a part without bytes: it is a row and nothing else.
            body.try_for_each(|_| std::future::ready(Ok(()))).await?;
            let hash = hash.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Ok((EMPTY_ETAG.to_owned(), hash));
        }
        let sent = self.store.upload_part(&staged_key(id), &begun.multipart, number.to_u16(), length, body).await;
        match sent {
            Ok(etag) => {
                let hash = hash.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok((bare(&etag).to_owned(), hash))
            }
            Err(PartError::Body(error)) => Err(error.into()),
            Err(PartError::TooShort) => Err(BodyError::WrongLength.into()),
            Err(PartError::UnknownUpload) => Err(BlobError::UnknownUpload),
            Err(PartError::Storage(error)) => {
                // Stores have their own words for a part that meets the end of its upload.
                let key = *id.key();
                let takes_parts = self.sessions.db.read(move |read| takes_parts(read, &key)).await?;
                Err(if takes_parts { error.into() } else { BlobError::UnknownUpload })
            }
        }
    }

    async fn record(&self, id: &UploadId, account: &Did, part: BucketPartRow, now_us: u64) -> Result<(), BlobError> {
        let live = self.sessions.uploads.get(id);
        let _order = live.order.lock().await;
        let (key, who, max_blob_bytes) = (*id.key(), account.clone(), self.sessions.limits().max_blob_bytes);
        let store = move |write: &Write<'_>| {
            open_upload(write, &key, &who)?;
            if !takes_parts(write, &key)? {
                return Err(BlobError::UnknownUpload);
            }
            tables::put_bucket_part(write, &key, &part)?;
            if tables::bucket_part_bytes(write, &key)? > max_blob_bytes {
                return Err(BlobError::BlobTooLarge { limit_bytes: max_blob_bytes });
            }
            Ok(tables::touch_upload(write, &key, now_us)?)
        };
        self.sessions.db.write(store).await
    }
}

/// Whether the upload is open and its parts were not put together yet.
fn takes_parts(read: &Read<'_>, key: &UploadKey) -> Result<bool, BlobError> {
    Ok(tables::bucket_upload(read, key)?.is_some_and(|bucket| bucket.staged.is_none()))
}

/// The hash of everything before a part, if all of that is known.
fn hash_before(read: &Read<'_>, key: &UploadKey, number: PartNumber) -> Result<Option<Hash>, BlobError> {
    if number.get() == 1 {
        return Ok(Some(Hash::default()));
    }
    let state = tables::bucket_part(read, key, number.get() - 1)?.and_then(|part| part.hash_state);
    Ok(state.map(|state| Hash::restore(&state)).transpose()?)
}
