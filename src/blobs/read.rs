//! Finding and reading blobs.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::Stream;

use crate::storage::objects::Object;
use crate::syntax::Digest;

use super::names::blob_key;
use super::{BlobError, Blobs};

/// A blob that is being read; it stays readable to its end whatever happens to its name.
#[derive(Debug)]
pub struct OpenBlob {
    object: Object,
}

impl OpenBlob {
    /// Its size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }

    /// The bytes of `range`, which lies within the blob.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        self.object.stream(range)
    }
}

impl Blobs {
    /// The size of a blob in bytes. A blob whose file is missing or has another size is absent: it can be uploaded
    /// again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn stat(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let Some(size_bytes) = self.recorded_size(digest).await? else { return Ok(None) };
        let found_bytes = self.objects.size(&blob_key(digest)).await?;
        Ok(found_bytes.filter(|found| *found == size_bytes))
    }

    /// Opens a blob, `None` when it is absent as for [`Blobs::stat`].
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open_blob(&self, digest: &Digest) -> Result<Option<OpenBlob>, BlobError> {
        let Some(size_bytes) = self.recorded_size(digest).await? else { return Ok(None) };
        let found = self.objects.open_object(&blob_key(digest)).await?;
        Ok(found.filter(|object| object.size_bytes() == size_bytes).map(|object| OpenBlob { object }))
    }

    async fn recorded_size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let digest = *digest;
        self.db.read(move |read| read.blob_size(&digest).map_err(BlobError::from)).await
    }
}
