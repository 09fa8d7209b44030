//! Receiving one part: from the client's first byte to a recorded row.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use server::storage::{Hash, Need};

use super::Files;
use super::failed::Failed;
use super::incoming_part::{IncomingPart, PartStart};
use super::part_writer;
use super::parts::{self, Recorded};
use crate::blobs::names::ETag;
use crate::blobs::sessions::open_upload;
use crate::blobs::size_limit::SizeLimit;
use crate::blobs::tables;
use crate::blobs::tables::{PartPlace, PartRow, UploadKey};
use crate::blobs::upload_state::UploadGuard;
use crate::blobs::{BlobError, BodyError, PartRequest, blocking, detached};
use atproto::syntax::Did;
use server::sqlite::Write;

impl Files {
    /// Receives a part, as [`Blobs::upload_part`](crate::blobs::Blobs::upload_part).
    pub(in crate::blobs) async fn upload_part<S>(&self, request: PartRequest, mut body: S) -> Result<ETag, BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        let received = async {
            let (part, limit) = self.begin_part(&request).await?;
            let part = part_writer::receive(self, part, &mut body, &limit).await?;
            if request.announced_bytes.is_some_and(|bytes| bytes != part.size_bytes()) {
                part_writer::discard(part).await;
                return Err(BodyError::WrongLength.into());
            }
            // The transaction that records the part checks the quota itself: a share held until then would count twice.
            drop(limit);
            // The part is whole: from here on it is recorded even if the client disconnects.
            let (files, request) = (self.clone(), request.clone());
            detached(async move { files.record(part, &request).await }).await
        };
        match received.await {
            Ok(etag) => Ok(etag),
            Err(Failed::Part(error)) => {
                self.sessions.note_refused(&error, &request.account, request.now_us);
                Err(error)
            }
            Err(Failed::Unsynced(error)) => {
                self.drop_unknown(&request.upload).await;
                Err(error.into())
            }
        }
    }

    /// Chooses the file that the part is written to, and opens it.
    async fn begin_part(&self, request: &PartRequest) -> Result<(IncomingPart, SizeLimit), BlobError> {
        let (number, length_bytes) = (request.number, request.announced_bytes.unwrap_or(0));
        let upload = self.sessions.uploads.lock(&request.upload).await;
        // Taken before the rows are read, so that no other part can be appended after the look at them.
        let append_guard = upload.append_guard();
        let (key, who, quotas) = (*upload.id().key(), request.account.clone(), Arc::clone(&self.sessions.quotas));
        let (recorded, usage) = self
            .sessions
            .db
            .read(move |read| {
                open_upload(read, &key, &who)?;
                let (previous, earlier) =
                    (tables::part(read, &key, number.get() - 1)?, tables::part(read, &key, number.get())?);
                let usage = quotas.usage(read, &who, earlier.as_ref().map_or(0, |part| part.size_bytes))?;
                Ok::<_, BlobError>((Recorded { totals: tables::part_totals(read, &key)?, previous, earlier }, usage))
            })
            .await?;
        let before = parts::before(number, &recorded);
        let hash = match before {
            Some((_, Some(saved))) => Some(Hash::restore(saved)?),
            Some((_, None)) => Some(Hash::default()),
            None => None,
        };
        let append = match before {
            Some((end, _)) if parts::follows_appended(number, &recorded.totals) => {
                append_guard.map(|guard| (end, guard))
            }
            _ => None,
        };
        let earlier_bytes = recorded.earlier.as_ref().map_or(0, |part| part.size_bytes);
        let limit = SizeLimit::new(self.sessions.limits(), recorded.totals.size_bytes.saturating_sub(earlier_bytes))
            .in_quota(self.sessions.quotas.share(&request.account, usage));
        limit.check(length_bytes)?;
        let start = PartStart {
            staging: self.staging.clone(),
            state: upload.state(),
            epoch: upload.epoch(),
            id: *upload.id(),
            number,
            hash,
            append,
            reserve_bytes: self.sessions.limits().reserve_bytes,
        };
        let first = recorded.totals.parts == 0;
        let part = blocking(move || {
            // Only checks the announced length: space is reserved as bytes arrive, for a client may announce all there
            // is.
            let files = if first { 2 } else { u64::from(start.append.is_none()) };
            let _promised = start.staging.reserve(Need { bytes: length_bytes, files }, start.reserve_bytes)?;
            if first {
                start.staging.make_folder(&start.id.to_string())?;
            }
            IncomingPart::begin(start)
        })
        .await?;
        Ok((part, limit))
    }

    /// Syncs the part to disk, and records it unless the upload was closed meanwhile.
    async fn record(&self, part: IncomingPart, request: &PartRequest) -> Result<ETag, Failed> {
        // A failed sync drops the part, and its upload's epochs are counted only while somebody has the state.
        let (state, epoch) = (part.state(), part.epoch());
        let sync = move || {
            let row = part.sync();
            part.or_discard(row)
        };
        let synced = blocking(sync).await;
        let upload = self.sessions.uploads.lock(&request.upload).await;
        let (part, row) = match synced {
            Err(Failed::Unsynced(error)) => return Err(Failed::Unsynced(error)),
            // The caller that closed the upload also removed its folder, and the sync may have failed for that.
            _ if state.fence(epoch).is_err() => return Err(BlobError::UnknownUpload.into()),
            synced => synced?,
        };
        self.sessions.note_use(upload.id());
        let etag = ETag(row.etag.clone());
        match self.put_row(&upload, request, row).await {
            Ok(Recording::Repeated) => part_writer::discard(part).await,
            Ok(Recording::New { replaced_file }) => {
                part.commit();
                if let Some(name) = replaced_file {
                    self.remove_staged(upload.id().file(&name)).await;
                }
            }
            Err(error) => {
                // Whether the row was committed is unknown, so the bytes stay.
                match error {
                    BlobError::Storage(_) => part.commit(),
                    _ => part_writer::discard(part).await,
                }
                return Err(error.into());
            }
        }
        Ok(etag)
    }

    async fn put_row(&self, upload: &UploadGuard, request: &PartRequest, row: PartRow) -> Result<Recording, BlobError> {
        let (key, account, now_us) = (*upload.id().key(), request.account.clone(), request.now_us);
        let (max_blob_bytes, quotas) = (self.sessions.limits().max_blob_bytes, Arc::clone(&self.sessions.quotas));
        let put = move |write: &Write<'_>| {
            let recording = put_row(write, &key, &account, &row, max_blob_bytes, now_us)?;
            if matches!(recording, Recording::New { .. }) {
                quotas.check(write, &account)?;
            }
            Ok::<_, BlobError>(recording)
        };
        self.sessions.db.write(put).await
    }
}

/// The outcome of recording a part.
enum Recording {
    /// The same bytes were recorded already; the new ones are removed.
    Repeated,
    /// The part is recorded; the file of an earlier one is no longer needed.
    New { replaced_file: Option<String> },
}

fn put_row(
    write: &Write<'_>,
    key: &UploadKey,
    account: &Did,
    row: &PartRow,
    max_blob_bytes: u64,
    now_us: u64,
) -> Result<Recording, BlobError> {
    open_upload(write, key, account)?;
    let earlier = tables::part(write, key, row.number)?;
    if let Some(PartRow { size_bytes, etag, place: PartPlace::Appended { .. }, .. }) = &earlier
        && (*size_bytes, etag) == (row.size_bytes, &row.etag)
    {
        tables::touch_upload(write, key, now_us)?;
        return Ok(Recording::Repeated);
    }
    tables::put_part(write, key, row, now_us)?;
    if tables::part_totals(write, key)?.size_bytes > max_blob_bytes {
        return Err(BlobError::BlobTooLarge { limit_bytes: max_blob_bytes });
    }
    let replaced_file = match earlier {
        Some(PartRow { place: PartPlace::OwnFile { name }, .. }) => Some(name),
        _ => None,
    };
    Ok(Recording::New { replaced_file })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::opened;
    use super::*;
    use crate::blobs::Store;
    use crate::blobs::names::PartNumber;

    #[tokio::test]
    async fn a_part_whose_folder_went_with_its_completion_is_of_an_unknown_upload() {
        let root = TempDir::new().unwrap();
        let blobs = opened(root.path()).await;
        let Store::Files(files) = &blobs.store else { unreachable!() };
        let account = Did::parse("did:plc:alice").unwrap();
        let upload = blobs.initiate(&account, 1).await.unwrap();
        let [one, two] = [1, 2].map(|number| PartNumber::new(number).unwrap());
        let request =
            |number| PartRequest { upload, account: account.clone(), number, announced_bytes: None, now_us: 1 };
        let etag = blobs.upload_part(request(one), futures_util::stream::empty()).await.unwrap();
        let (late, _) = files.begin_part(&request(two)).await.unwrap();

        let listed = vec![(one, etag.as_str().to_owned())];
        blobs.complete(&upload, &account, Hash::default().digest(), listed, 1).await.unwrap();

        // Only this part still has the state that says so.
        let recorded = files.record(late, &request(two)).await;
        assert!(matches!(recorded, Err(Failed::Part(BlobError::UnknownUpload))));
    }
}
