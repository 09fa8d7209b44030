//! Receiving one part: from the client's first byte to a recorded row.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use super::Files;
use super::incoming::{Beginning, Incoming};
use super::parts::{self, Recorded};
use super::pump::{self, Failed, leave_reserve};
use crate::blobs::bound::Bound;
use crate::blobs::hash::Hash;
use crate::blobs::names::{ETag, PartNumber, UploadId};
use crate::blobs::sessions::open_upload;
use crate::blobs::tables;
use crate::blobs::tables::{PartPlace, PartRow, UploadKey};
use crate::blobs::{BlobError, BodyError, blocking, detached};
use atproto::syntax::Did;
use server::sqlite::Write;

impl Files {
    /// As [`Blobs::upload_part`](crate::blobs::Blobs::upload_part).
    pub(in crate::blobs) async fn upload_part<S>(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        length: Option<u64>,
        mut body: S,
        now_us: u64,
    ) -> Result<ETag, BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        let received = async {
            let (part, bound) = self.begin_part(id, account, number, length.unwrap_or(0)).await?;
            let part = pump::receive(self, part, &mut body, &bound).await?;
            if length.is_some_and(|bytes| bytes != part.size_bytes()) {
                pump::discard(part).await;
                return Err(BodyError::WrongLength.into());
            }
            // The part is whole: from here on it is recorded even when the client goes away.
            let (files, id, account) = (self.clone(), *id, account.clone());
            detached(async move { files.record(part, &id, &account, now_us).await }).await
        };
        match received.await {
            Ok(etag) => Ok(etag),
            Err(Failed::Part(error)) => Err(error),
            Err(Failed::Unsynced(error)) => {
                self.drop_unknown(id).await;
                Err(error.into())
            }
        }
    }

    /// Decides where the part goes and opens its file.
    async fn begin_part(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        length: u64,
    ) -> Result<(Incoming, Bound), BlobError> {
        let live = self.sessions.uploads.get(id);
        let _order = live.order.lock().await;
        // Taken before the rows are read, so that no other part can be appended after they were.
        let lease = live.lease();
        let (key, who) = (*id.key(), account.clone());
        let recorded = self
            .sessions
            .db
            .read(move |read| {
                open_upload(read, &key, &who)?;
                let (previous, earlier) =
                    (tables::part(read, &key, number.get() - 1)?, tables::part(read, &key, number.get())?);
                Ok::<_, BlobError>(Recorded { totals: tables::part_totals(read, &key)?, previous, earlier })
            })
            .await?;
        let before = parts::before(number, &recorded);
        let hash = match before {
            Some((_, Some(saved))) => Some(Hash::restore(saved)?),
            Some((_, None)) => Some(Hash::default()),
            None => None,
        };
        let append = match before {
            Some((end, _)) if parts::follows_appended(number, &recorded.totals) => lease.map(|lease| (end, lease)),
            _ => None,
        };
        let earlier_bytes = recorded.earlier.as_ref().map_or(0, |part| part.size_bytes);
        let bound = Bound::new(self.sessions.limits(), recorded.totals.size_bytes.saturating_sub(earlier_bytes));
        bound.check(length)?;
        let beginning = Beginning {
            staging: self.staging.clone(),
            round: live.round(),
            live: Arc::clone(&live),
            id: *id,
            number,
            hash,
            append,
        };
        let (reserve_bytes, first) = (self.sessions.limits().reserve_bytes, recorded.totals.parts == 0);
        let part = blocking(move || {
            leave_reserve(&beginning.staging, length, reserve_bytes)?;
            if first {
                beginning.staging.make_folder(&beginning.id.to_string())?;
            }
            Incoming::begin(beginning)
        })
        .await?;
        Ok((part, bound))
    }

    /// Makes the part last, and records it unless the upload was closed meanwhile.
    async fn record(&self, part: Incoming, id: &UploadId, account: &Did, now_us: u64) -> Result<ETag, Failed> {
        let (live, round) = (Arc::clone(part.live()), part.round());
        let seal = move || {
            let row = part.seal();
            part.or_discard(row)
        };
        let sealed = blocking(seal).await;
        let _order = live.order.lock().await;
        let (part, row) = match sealed {
            Err(Failed::Unsynced(error)) => return Err(Failed::Unsynced(error)),
            // Whoever closed the upload removed its folder too, and sealing may have met that.
            _ if live.round() != round => return Err(BlobError::UnknownUpload.into()),
            sealed => sealed?,
        };
        let etag = ETag(row.etag.clone());
        let (key, who, max_blob_bytes) = (*id.key(), account.clone(), self.sessions.limits().max_blob_bytes);
        match self.sessions.db.write(move |write| store(write, &key, &who, &row, max_blob_bytes, now_us)).await {
            Ok(Stored::Same) => pump::discard(part).await,
            Ok(Stored::New { replaced_file }) => {
                part.keep();
                if let Some(name) = replaced_file {
                    self.remove_staged(id.file(&name)).await;
                }
            }
            Err(error) => {
                // Whether the row was committed is unknown, so its bytes stay.
                match error {
                    BlobError::Storage(_) => part.keep(),
                    _ => pump::discard(part).await,
                }
                return Err(error.into());
            }
        }
        Ok(etag)
    }
}

/// What recording a part came to.
enum Stored {
    /// The same bytes were there already; the new ones go.
    Same,
    /// It is recorded; the file of an earlier one is no longer needed.
    New { replaced_file: Option<String> },
}

fn store(
    write: &Write<'_>,
    key: &UploadKey,
    account: &Did,
    row: &PartRow,
    max_blob_bytes: u64,
    now_us: u64,
) -> Result<Stored, BlobError> {
    open_upload(write, key, account)?;
    let earlier = tables::part(write, key, row.number)?;
    if let Some(PartRow { size_bytes, etag, place: PartPlace::Appended { .. }, .. }) = &earlier
        && (*size_bytes, etag) == (row.size_bytes, &row.etag)
    {
        tables::touch_upload(write, key, now_us)?;
        return Ok(Stored::Same);
    }
    tables::put_part(write, key, row, now_us)?;
    if tables::part_totals(write, key)?.size_bytes > max_blob_bytes {
        return Err(BlobError::BlobTooLarge { limit_bytes: max_blob_bytes });
    }
    let replaced_file = match earlier {
        Some(PartRow { place: PartPlace::OwnFile { name }, .. }) => Some(name),
        _ => None,
    };
    Ok(Stored::New { replaced_file })
}
