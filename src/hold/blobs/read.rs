//! Finding and reading blobs.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use http::Method;

use crate::objects::Object;
use atproto::syntax::Digest;

use super::files::Files;
use super::names::blob_key;
use super::recent::SMALL_BYTES;
use super::{BlobError, Blobs, Store, Target};

/// An open blob. From a storage directory it stays readable to its end even if its file is renamed or removed.
#[derive(Debug)]
pub struct OpenBlob {
    pub(super) object: Object,
}

impl OpenBlob {
    /// Returns the blob's size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }

    /// Returns the blob's file, if it has one and `range` is better sent by the kernel than streamed.
    #[must_use]
    pub fn file_to_send(&self, range: &Range<u64>) -> Option<Arc<File>> {
        self.object.file_to_send(range)
    }

    /// Returns the blob's bytes if they are in memory.
    #[must_use]
    pub fn in_memory(&self) -> Option<&Bytes> {
        self.object.memory()
    }

    /// Streams the bytes of `range`, which lies within the blob.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        self.object.stream(range)
    }
}

impl Blobs {
    /// Returns the size of a blob in bytes; `None` when it is absent. A blob whose file is missing or has another size
    /// is absent too: it can be uploaded again. A bucket is not asked: the row counts. A caller that has just read the
    /// size of the blob's row passes it as `known_bytes`: then the row is not read again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn stat(&self, digest: &Digest, known_bytes: Option<u64>) -> Result<Option<u64>, BlobError> {
        self.require_storage()?;
        let Some(size_bytes) = self.recorded_size(digest, known_bytes).await? else { return Ok(None) };
        match &self.store {
            Store::Files(files) => Ok(files.size(digest).await?.filter(|found| *found == size_bytes)),
            Store::Bucket(_) => Ok(Some(size_bytes)),
        }
    }

    /// Returns the address at which a client gets a blob by `method`, GET or HEAD, and the blob's size in bytes; `None`
    /// when it is absent, as for [`Blobs::stat`]. The call counts as a use: a client that is told of a blob relies on
    /// it and does not upload it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn read_target(
        &self,
        digest: &Digest,
        method: Method,
        now_us: u64,
    ) -> Result<Option<(Target, u64)>, BlobError> {
        // Recorded before the look-up: a blob that is found then is known to be in use.
        self.record_use(digest, now_us).await;
        let Some(size_bytes) = self.stat(digest, None).await? else { return Ok(None) };
        let target = match &self.store {
            Store::Bucket(bucket) if bucket.signs_reads() => bucket.read_url(digest, method).await?,
            _ => Target::Hold,
        };
        Ok(Some((target, size_bytes)))
    }

    /// Returns the path of a blob's file below the storage directory, whether it is there or not; `None` in a bucket.
    #[must_use]
    pub fn file_of(&self, digest: &Digest) -> Option<String> {
        match &self.store {
            Store::Files(_) => Some(blob_key(digest)),
            Store::Bucket(_) => None,
        }
    }

    /// Opens a blob; `known_bytes` is its size if known, as for [`Blobs::stat`]. Returns `None` when the blob is absent
    /// or its size differs from that of its row.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open_blob(&self, digest: &Digest, known_bytes: Option<u64>) -> Result<Option<OpenBlob>, BlobError> {
        self.require_storage()?;
        let Some(size_bytes) = self.recorded_size(digest, known_bytes).await? else { return Ok(None) };
        let found = match &self.store {
            Store::Files(files) => self.open_recent(files, digest, size_bytes).await?,
            Store::Bucket(bucket) => bucket.open_object(digest).await?,
        };
        Ok(found.filter(|object| object.size_bytes() == size_bytes).map(|object| OpenBlob { object }))
    }

    /// Opens the object under the digest, or takes it from memory if it is small and was opened a moment ago.
    async fn open_recent(&self, files: &Files, digest: &Digest, size_bytes: u64) -> Result<Option<Object>, BlobError> {
        let now = Instant::now();
        if let Some(bytes) = self.recent.get(digest, now) {
            return Ok(Some(Object::in_memory(bytes)));
        }
        let found = files.open_object(digest).await?.map(|object| object.read_up_to(SMALL_BYTES));
        let whole = found.as_ref().filter(|object| object.size_bytes() == size_bytes);
        if let Some(bytes) = whole.and_then(Object::memory) {
            self.recent.keep(*digest, bytes.clone(), now);
        }
        Ok(found)
    }

    async fn recorded_size(&self, digest: &Digest, known_bytes: Option<u64>) -> Result<Option<u64>, BlobError> {
        match known_bytes {
            Some(_) => Ok(known_bytes),
            None => self.sessions.blob_size(digest).await,
        }
    }
}
