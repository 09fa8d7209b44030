//! A part that passes through the hold into the store: hashed on its way, never kept here.
//!
//! The row that says a part is on its way gets to the disk meanwhile. The part's last bytes wait for it: the store has no
//! part that the next attempt would not know of.

use server::nonpoison::Mutex;
use server::storage::Hash;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::blobs::tables;
use crate::blobs::tables::{BucketPartRow, UploadKey};
use crate::objects::PartError;
use server::sqlite::{Read, Write};

use super::Bucket;
use crate::blobs::names::{ETag, PartNumber, bare, staged_key};
use crate::blobs::quotas::QuotaShare;
use crate::blobs::sessions::open_upload;
use crate::blobs::size_limit::SizeLimit;
use crate::blobs::{BlobError, BodyError, PartRequest, detached, panicked};

/// The ETag that stores return for a part without bytes: the MD5 of nothing.
const EMPTY_ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The state needed to send a part.
struct PartStart {
    multipart: String,
    /// The hash of all bytes before the part, if known and usable.
    hash: Option<Hash>,
    /// The share of the account's quota that the part takes while it is in flight.
    _share: Option<QuotaShare>,
}

/// The row of a part that was begun, on its way to the disk.
struct BegunRow(JoinHandle<Result<(), BlobError>>);

impl BegunRow {
    /// Waits until the row is on disk.
    ///
    /// # Errors
    /// Why it is not.
    async fn on_disk(self) -> Result<(), BlobError> {
        self.0.await.unwrap_or_else(|_| Err(panicked()))
    }
}

impl Bucket {
    /// Receives a part, as [`Blobs::upload_part`](crate::blobs::Blobs::upload_part). S3 needs a part's length
    /// beforehand.
    pub(in crate::blobs) async fn upload_part<S>(&self, request: PartRequest, body: S) -> Result<ETag, BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    {
        let length_bytes = request.announced_bytes.ok_or(BlobError::LengthRequired)?;
        let slot = self.slots.take(&request.account).ok_or(BlobError::Busy)?;
        let bucket = self.clone();
        // Once the store has the last byte, the part is recorded even if the client disconnects.
        detached(async move {
            let _slot = slot;
            let begun = bucket.begin_part(&request, length_bytes).await;
            let (start, row) =
                begun.inspect_err(|error| bucket.sessions.note_refused(error, &request.account, request.now_us))?;
            let sent = bucket.send(&request, length_bytes, body, &start, row).await;
            if matches!(sent, Err(BlobError::UnknownUpload)) {
                bucket.end_if_lost(&request).await?;
            }
            let (etag, hash) = sent?;
            // The transaction that records it looks at the quota itself: counted here as well it would count twice.
            drop(start);
            let (number, hash_state) = (request.number.get(), hash.map(|hash| hash.save()));
            let part = BucketPartRow { number, size_bytes: length_bytes, etag: etag.clone(), hash_state };
            bucket.record(&request, part).await?;
            Ok(ETag(etag))
        })
        .await
    }

    /// Looks whether the part may be sent. Answers before the row that says it is on its way is on disk.
    async fn begin_part(&self, request: &PartRequest, length_bytes: u64) -> Result<(PartStart, BegunRow), BlobError> {
        let upload = self.sessions.uploads.lock(&request.upload).await;
        let bucket = self.multipart(&upload, &request.account, false).await?;
        let (key, number) = (*upload.id().key(), request.number);
        let (limits, max_part_bytes) = (self.sessions.limits(), self.store.max_part_bytes());
        let (quotas, account) = (Arc::clone(&self.sessions.quotas), request.account.clone());
        let check = move |write: &Write<'_>| {
            let earlier = tables::bucket_part(write, &key, number.get())?;
            let earlier_bytes = earlier.as_ref().map_or(0, |part| part.size_bytes);
            let others_bytes = tables::bucket_part_bytes(write, &key)?.saturating_sub(earlier_bytes);
            SizeLimit::new(limits, others_bytes).in_store(max_part_bytes).check(length_bytes)?;
            let share = quotas.share(&account, quotas.usage(write, &account, earlier_bytes)?);
            if let Some(share) = &share {
                share.take(length_bytes)?;
            }
            if bucket.bypassed_hold {
                return Ok::<_, BlobError>((None, share));
            }
            if earlier.is_some() {
                // Which of two bodies the store keeps is unknown, and their ETags can be made equal.
                tables::mark_bypassed_hold(write, &key)?;
                return Ok((None, share));
            }
            // Recorded so that the next attempt is known not to be the first, whatever the outcome of this one.
            tables::put_bucket_part(write, &key, &BucketPartRow::begun(number.get()))?;
            Ok((hash_before(write, &key, number)?, share))
        };
        let (begun, checked) = oneshot::channel();
        let begin = move |write: &Write<'_>| {
            // Nobody may be waiting any more.
            _ = begun.send(check(write)?);
            Ok::<_, BlobError>(())
        };
        let db = self.sessions.db.clone();
        let row = BegunRow(tokio::spawn(async move {
            let written = db.write(begin).await;
            // Whoever has the lock finds the row.
            drop(upload);
            written
        }));
        match checked.await {
            Ok((hash, _share)) => Ok((PartStart { multipart: bucket.multipart, hash, _share }, row)),
            Err(_) => Err(row.on_disk().await.err().unwrap_or_else(panicked)),
        }
    }

    /// Sends the part. Returns its ETag without quotes, and the hash of everything up to its end if all before it is
    /// known. The part's last bytes leave once its row is on disk.
    async fn send<S>(
        &self,
        request: &PartRequest,
        length_bytes: u64,
        body: S,
        start: &PartStart,
        row: BegunRow,
    ) -> Result<(String, Option<Hash>), BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    {
        let hash = Arc::new(Mutex::new(start.hash.clone()));
        let hashing = Arc::clone(&hash);
        let (mut left_bytes, mut row) = (length_bytes, Some(row));
        let body = body.map(move |bytes| {
            let bytes = bytes?;
            left_bytes = left_bytes.checked_sub(bytes.len() as u64).ok_or(BodyError::WrongLength)?;
            if let Some(hash) = &mut *hashing.lock() {
                hash.update(&bytes);
            }
            Ok::<_, BlobError>((bytes, row.take_if(|_| left_bytes == 0)))
        });
        let body = body.and_then(|(bytes, row)| async move {
            if let Some(row) = row {
                row.on_disk().await?;
            }
            Ok(bytes)
        });
        if length_bytes == 0 {
            // Some stores refuse a part without bytes: it is only a row.
            body.try_for_each(|_| std::future::ready(Ok(()))).await?;
            let hash = hash.lock().take();
            return Ok((EMPTY_ETAG.to_owned(), hash));
        }
        let (key, number) = (staged_key(&request.upload), request.number.to_u16());
        match self.store.upload_part(&key, &start.multipart, number, length_bytes, body).await {
            Ok(etag) => {
                let hash = hash.lock().take();
                Ok((bare(&etag).to_owned(), hash))
            }
            Err(PartError::Body(error)) => Err(error),
            Err(PartError::TooShort) => Err(BodyError::WrongLength.into()),
            Err(PartError::UnknownUpload) => Err(BlobError::UnknownUpload),
            Err(PartError::Storage(error)) => {
                // Stores differ in the error for a part that arrives as its upload ends.
                let key = *request.upload.key();
                let takes_parts = self.sessions.db.read(move |read| takes_parts(read, &key)).await?;
                Err(if takes_parts { error.into() } else { BlobError::UnknownUpload })
            }
        }
    }

    /// Ends an upload that the store does not know any more although nobody ended it here.
    async fn end_if_lost(&self, request: &PartRequest) -> Result<(), BlobError> {
        let upload = self.sessions.uploads.lock(&request.upload).await;
        let key = *upload.id().key();
        if self.sessions.db.read(move |read| takes_parts(read, &key)).await? {
            self.end_lost(&upload).await?;
        }
        Ok(())
    }

    async fn record(&self, request: &PartRequest, part: BucketPartRow) -> Result<(), BlobError> {
        let upload = self.sessions.uploads.lock(&request.upload).await;
        self.sessions.note_use(upload.id());
        let (key, account, now_us) = (*upload.id().key(), request.account.clone(), request.now_us);
        let (max_blob_bytes, quotas) = (self.sessions.limits().max_blob_bytes, Arc::clone(&self.sessions.quotas));
        let record = move |write: &Write<'_>| {
            open_upload(write, &key, &account)?;
            if !takes_parts(write, &key)? {
                return Err(BlobError::UnknownUpload);
            }
            tables::put_bucket_part(write, &key, &part)?;
            if tables::bucket_part_bytes(write, &key)? > max_blob_bytes {
                return Err(BlobError::BlobTooLarge { limit_bytes: max_blob_bytes });
            }
            quotas.check(write, &account)?;
            Ok(tables::touch_upload(write, &key, now_us)?)
        };
        self.sessions.db.write(record).await
    }
}

/// Whether the upload is open and its parts are not assembled yet.
fn takes_parts(read: &Read<'_>, key: &UploadKey) -> Result<bool, BlobError> {
    Ok(tables::bucket_upload(read, key)?.is_some_and(|bucket| bucket.staged.is_none()))
}

/// Returns the hash of all bytes before a part, if they are known.
fn hash_before(read: &Read<'_>, key: &UploadKey, number: PartNumber) -> Result<Option<Hash>, BlobError> {
    if number.get() == 1 {
        return Ok(Some(Hash::default()));
    }
    let state = tables::bucket_part(read, key, number.get() - 1)?.and_then(|part| part.hash_state);
    Ok(state.map(|state| Hash::restore(&state)).transpose()?)
}
