//! Blobs of the repository's own records: each is uploaded first, then a record refers to it, and it is deleted with
//! that record.
//!
//! References change in the transaction of the record's commit. Image blobs are not stored here.
//! <https://atproto.com/specs/blob>

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::{BlobRefError, Pds, PdsError};
use crate::pds::tables;
use crate::pds::tables::{BlobsQuery, StoredRecord};
use atproto::repo::{BlobRef, Cid, cbor, cid};
use atproto::syntax::{MediaType, Tid};
use server::daemon::ClockSteps;
use server::nonpoison::Mutex;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// The most bytes of a blob: what the profile's lexicon allows for a picture.
pub const MAX_RECORD_BLOB_BYTES: u64 = 1_000_000;
/// Limit of blobs without a record: with their bytes at most 16 MB of the database.
const MAX_WAITING: u64 = 16;
/// Time that a blob is kept without a record.
const WAITING: Duration = Duration::from_secs(60 * 60);

/// A blob before it is stored.
#[derive(Clone)]
pub struct NewBlob {
    /// The blob reference for the record.
    pub reference: BlobRef,
    bytes: Bytes,
}

/// A blob that a record refers to, so that anyone may read it. Only [`Pds::published_blob`] creates one.
pub struct PublishedBlob {
    /// Its CID.
    pub cid: Cid,
    /// Its media type, as the uploader gave it.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A page of CIDs of blobs, and the cursor of the next page.
#[derive(Clone, Debug)]
pub struct BlobPage {
    /// The CIDs, in the order of their bytes.
    pub cids: Vec<Cid>,
    /// The last CID, if more follow.
    pub cursor: Option<Cid>,
}

impl NewBlob {
    /// Makes a blob of these bytes, named by their hash.
    #[must_use]
    pub fn new(media_type: &MediaType, bytes: Bytes) -> Self {
        let (mime_type, size_bytes) = (media_type.to_string(), bytes.len() as u64);
        Self { reference: BlobRef { cid: cid::raw_of(&bytes), mime_type, size_bytes }, bytes }
    }

    fn put(&self, write: &Write<'_>, now_us: u64) -> Result<bool, StorageError> {
        tables::put_record_blob(write, &self.reference.cid, &self.reference.mime_type, &self.bytes, now_us)
    }

    /// Adds the blob in the transaction whose record refers to it. Its media type is set to that of the reference.
    pub(super) fn put_declared(&self, write: &Write<'_>, now_us: u64) -> Result<(), StorageError> {
        self.put(write, now_us)?;
        tables::set_blob_type(write, &self.reference.cid, &self.reference.mime_type)
    }
}

impl std::fmt::Debug for NewBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reference.fmt(f)
    }
}

impl Pds {
    /// Stores a blob for a record that refers to it within the hour. Bytes that a record refers to already keep their
    /// media type. Returns the blob reference for the record. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`PdsError::TooManyBlobs`] when too many blobs have no record yet; a storage error.
    pub async fn upload_blob(&self, blob: NewBlob, now_us: u64) -> Result<BlobRef, PdsError> {
        let job = move |write: &Write<'_>| {
            if blob.put(write, now_us)? && tables::waiting_blobs(write)? > MAX_WAITING {
                return Err(PdsError::TooManyBlobs);
            }
            let mut reference = blob.reference;
            if let Some((mime_type, _)) = tables::blob_facts(write, &reference.cid)? {
                reference.mime_type = mime_type;
            }
            Ok(reference)
        };
        self.inner.database.write(job).await
    }

    /// Returns a blob that a record refers to.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn published_blob(&self, cid: Cid) -> Result<Option<PublishedBlob>, PdsError> {
        let inner = Arc::clone(&self.inner);
        let job = move |read: &Read<'_>| {
            let Some(mime_type) = tables::referenced_blob_type(read, &cid)? else { return Ok(None) };
            let bytes = match inner.blobs_in_flight.get(&cid) {
                Some(bytes) => bytes,
                None => inner.blobs_in_flight.share(cid, tables::record_blob_bytes(read, &cid)?.unwrap_or_default()),
            };
            // A record of an imported repository may have a media type that no upload could have.
            let media_type = MediaType::of_header(&mime_type).unwrap_or_else(|_| MediaType::octet_stream());
            Ok(Some(PublishedBlob { cid, media_type, bytes: Bytes::from_owner(bytes) }))
        };
        self.inner.database.read(job).await
    }

    /// Returns a page of the blobs that records refer to, also of blobs whose bytes an import lacked.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn list_blobs(&self, query: BlobsQuery) -> Result<BlobPage, PdsError> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        // One more than the limit tells whether a next page exists.
        let query = BlobsQuery { limit: query.limit.saturating_add(1), ..query };
        let mut cids =
            self.inner.database.read(move |read| Ok::<_, PdsError>(tables::list_blobs(read, &query)?)).await?;
        let more = cids.len() > limit;
        cids.truncate(limit);
        Ok(BlobPage { cursor: cids.last().filter(|_| more).copied(), cids })
    }

    /// Deletes blobs that no record has referred to within the hour. Returns their number. The hour of a blob that was
    /// uploaded while the clock was ahead begins now. `now_us` is in microseconds since 1970; `steps` has looked at the clock then.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn sweep_blobs(&self, now_us: u64, steps: &ClockSteps) -> Result<usize, PdsError> {
        let (before_us, latest_us) = (steps.before_us(now_us, WAITING), ClockSteps::latest_us(now_us));
        let sweep = move |write: &Write<'_>| {
            tables::bring_back_waiting_blobs(write, now_us, latest_us)?;
            Ok::<_, PdsError>(tables::delete_waiting_blobs(write, before_us)?)
        };
        self.inner.database.write(sweep).await
    }
}

/// Blobs that are being sent. All readers of a blob, however many and however slow, share one copy in memory.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Cid, Weak<[u8]>>>);

impl InFlight {
    fn get(&self, cid: &Cid) -> Option<Arc<[u8]>> {
        self.0.lock().get(cid).and_then(Weak::upgrade)
    }

    /// Shares a copy that was just read. Returns the copy that another reader shared meanwhile, if there is one.
    fn share(&self, cid: Cid, bytes: Vec<u8>) -> Arc<[u8]> {
        let mut copies = self.0.lock();
        copies.retain(|_, copy| copy.strong_count() > 0);
        if let Some(copy) = copies.get(&cid).and_then(Weak::upgrade) {
            return copy;
        }
        let copy = Arc::from(bytes);
        copies.insert(cid, Arc::downgrade(&copy));
        copy
    }
}

/// Checks that each blob is here as the new version of a record describes it. References of the `old` version are not
/// checked again: the blob of an imported record may be missing, and its other fields can still be changed.
pub(super) fn check(read: &Read<'_>, new: &[BlobRef], old: Option<&StoredRecord>) -> Result<(), PdsError> {
    if new.is_empty() {
        return Ok(());
    }
    let said = old.map(|record| cbor::decode(&record.bytes)).transpose()?;
    let said = said.as_ref().map(BlobRef::all_in).unwrap_or_default();
    for blob in new.iter().filter(|blob| !said.contains(blob)) {
        let (cid, found, size_bytes) = (blob.cid, blob.mime_type.clone(), blob.size_bytes);
        let (stored, stored_bytes) = tables::blob_facts(read, &cid)?.ok_or(BlobRefError::NotFound(cid))?;
        if stored != found {
            return Err(BlobRefError::InvalidMimeType { stored, found }.into());
        }
        if stored_bytes != size_bytes {
            return Err(BlobRefError::InvalidSize { stored: stored_bytes, found: size_bytes }.into());
        }
    }
    Ok(())
}

/// Replaces the references of a record by `blobs`, which need not be here. Returns the blobs of its former references:
/// [`drop_unreferenced`] may be due for them.
pub(super) fn refer(
    write: &Write<'_>,
    collection: &str,
    rkey: &str,
    blobs: &[BlobRef],
    rev: &Tid,
) -> Result<Vec<Cid>, StorageError> {
    let before = tables::blobs_of_record(write, collection, rkey)?;
    if !before.is_empty() {
        tables::delete_blob_references(write, collection, rkey)?;
    }
    for blob in blobs {
        tables::put_blob_reference(write, &blob.cid, &blob.mime_type, collection, rkey, rev)?;
    }
    Ok(before)
}

/// Deletes those of `blobs` that no record refers to any more. Call it after all references of a commit are recorded.
pub(super) fn drop_unreferenced(write: &Write<'_>, blobs: &[Cid]) -> Result<(), StorageError> {
    blobs.iter().try_for_each(|cid| tables::delete_blob_without_reference(write, cid))
}
