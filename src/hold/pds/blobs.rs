//! Blobs of the repository's own records: uploaded first, then referred to by a record, and deleted with it.
//!
//! What a record refers to changes in the transaction of its commit. Image blobs are none of these.
//! <https://atproto.com/specs/blob>

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use super::{Pds, PdsError};
use crate::pds::tables;
use crate::pds::tables::{BlobListQuery, StoredRecord};
use atproto::lexicon::error as name;
use atproto::repo::{BlobRef, Cid, cbor, cid};
use atproto::syntax::{MediaType, Tid};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// The most bytes of a blob: what the profile's lexicon allows for a picture.
pub const MAX_RECORD_BLOB_BYTES: u64 = 1_000_000;
/// Blobs that may wait for a record: with their bytes at most 16 MB of the database.
const MAX_WAITING: u64 = 16;
/// How long a blob waits for a record.
const WAITING_US: u64 = 60 * 60 * 1_000_000;

/// A blob before it is stored.
#[derive(Clone)]
pub struct NewBlob {
    /// The reference that a record must have.
    pub reference: BlobRef,
    bytes: Bytes,
}

/// A blob that a record refers to, so that anyone may read it. Only [`Pds::published_blob`] makes one.
pub struct PublishedBlob {
    /// Its CID.
    pub cid: Cid,
    /// Its media type as the uploader gave it.
    pub media_type: MediaType,
    /// All of it.
    pub bytes: Bytes,
}

/// Which blobs to list.
pub type BlobsQuery = BlobListQuery;

/// Blobs by name, and the cursor for the next ones when there are more.
#[derive(Clone, Debug)]
pub struct BlobPage {
    /// In the order of their bytes.
    pub cids: Vec<Cid>,
    /// The last one, only when more follow.
    pub cursor: Option<Cid>,
}

/// Why a record may not refer to a blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobRefError {
    /// It was not uploaded, or no record took it up in time. Upload it first.
    #[error("could not find blob {0}: upload it first, within the hour before the record")]
    NotFound(Cid),
    /// The record gives another media type than the upload did.
    #[error("the record says that a blob is {found}, but it was uploaded as {stored}")]
    InvalidMimeType {
        /// The media type of the upload.
        stored: String,
        /// What the record has.
        found: String,
    },
    /// The record gives another length.
    #[error("the record says that a blob has {found} bytes, but it has {stored}")]
    InvalidSize {
        /// Its length in bytes.
        stored: u64,
        /// What the record has.
        found: u64,
    },
}

impl BlobRefError {
    /// Returns the error name of the reference server.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => name::BLOB_NOT_FOUND,
            Self::InvalidMimeType { .. } => name::INVALID_MIME_TYPE,
            Self::InvalidSize { .. } => name::INVALID_SIZE,
        }
    }
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

    /// Adds the blob in the transaction whose record refers to it. Its media type is what the record will say.
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
    /// Keeps a blob for a record that is to refer to it within the hour. Bytes that are here already keep their media
    /// type when a record refers to them. Answers what the record must say. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`PdsError::TooManyBlobs`] when too many wait for a record; a storage error.
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
            // A record of an imported repository may spell a type as nobody could upload it.
            let media_type = MediaType::of_header(&mime_type).unwrap_or_else(|_| MediaType::octet_stream());
            Ok(Some(PublishedBlob { cid, media_type, bytes: Bytes::from_owner(bytes) }))
        };
        self.inner.database.read(job).await
    }

    /// Returns one page of the blobs that records refer to, also of those that an import did not have.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn list_blobs(&self, query: BlobsQuery) -> Result<BlobPage, PdsError> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        // One more than asked for tells whether a next page exists.
        let query = BlobsQuery { limit: query.limit.saturating_add(1), ..query };
        let mut cids =
            self.inner.database.read(move |read| Ok::<_, PdsError>(tables::list_blobs(read, &query)?)).await?;
        let more = cids.len() > limit;
        cids.truncate(limit);
        Ok(BlobPage { cursor: cids.last().filter(|_| more).copied(), cids })
    }

    /// Deletes blobs that no record refers to within the hour. Returns how many. `now_us` is in microseconds since
    /// 1970.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn sweep_blobs(&self, now_us: u64) -> Result<usize, PdsError> {
        let before_us = now_us.saturating_sub(WAITING_US);
        let sweep = move |write: &Write<'_>| Ok::<_, PdsError>(tables::delete_waiting_blobs(write, before_us)?);
        self.inner.database.write(sweep).await
    }
}

/// Blobs on their way to readers. However many read one, and however slowly, there is one copy of it in memory.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Cid, Weak<[u8]>>>);

impl InFlight {
    fn get(&self, cid: &Cid) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cid).and_then(Weak::upgrade)
    }

    /// Shares a copy that was just read, or answers the one that another reader shared meanwhile.
    fn share(&self, cid: Cid, bytes: Vec<u8>) -> Arc<[u8]> {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.retain(|_, copy| copy.strong_count() > 0);
        if let Some(copy) = copies.get(&cid).and_then(Weak::upgrade) {
            return copy;
        }
        let copy = Arc::from(bytes);
        copies.insert(cid, Arc::downgrade(&copy));
        copy
    }
}

/// Checks that each blob is here as the new version of a record describes it. What the `old` version said already is
/// not asked again: the blob of an imported record may be missing, and its other fields can be changed all the same.
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

/// Records that a record now refers to `blobs` and to nothing else; they need not be here. Answers the blobs that it
/// referred to before: [`drop_unreferenced`] may be due for them.
pub(super) fn refer(
    write: &Write<'_>,
    (collection, rkey): (&str, &str),
    blobs: &[BlobRef],
    rev: &Tid,
) -> Result<Vec<Cid>, StorageError> {
    let before = tables::blobs_of_record(write, collection, rkey)?;
    if !before.is_empty() {
        tables::delete_blob_references(write, collection, rkey)?;
    }
    for blob in blobs {
        tables::put_blob_reference(write, &blob.cid, &blob.mime_type, (collection, rkey), rev)?;
    }
    Ok(before)
}

/// Deletes those of `blobs` that no record refers to any more, once all references of a commit are recorded.
pub(super) fn drop_unreferenced(write: &Write<'_>, blobs: &[Cid]) -> Result<(), StorageError> {
    blobs.iter().try_for_each(|cid| tables::delete_blob_without_reference(write, cid))
}
