//! A blob room on a store of its own, and what the tests do with it again and again.

use std::path::PathBuf;
use std::time::Duration;

use atcr_hold::blobs::{
    BlobError, BlobPlace, BlobSettings, Blobs, BodyError, ETag, PartNumber, PartRequest, UploadId, UploadLimits,
};
use atcr_hold::objects::{self, Presigned};
use atcr_hold::schema;
use atproto::syntax::{Did, Digest};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use server::sqlite::OpenError;
use tempfile::TempDir;

use crate::objects::{Bucket, Remote, remotes_here};

pub(crate) use super::http::digest;

/// 2020-01-01 in microseconds.
pub(crate) const NOW_US: u64 = 1_577_836_800_000_000;

pub(crate) struct Hold {
    /// Where its blobs are, for messages.
    pub(crate) name: String,
    pub(crate) directory: TempDir,
    pub(crate) blobs: Blobs,
    limits: UploadLimits,
    /// The bucket, and what clients get URLs of it for. Without one the blobs are in the directory.
    bucket: Option<(objects::Bucket, Presigned)>,
}

impl Hold {
    pub(crate) async fn new() -> Self {
        Self::with(UploadLimits { reserve_bytes: 0, ..UploadLimits::default() }).await
    }

    pub(crate) async fn with(limits: UploadLimits) -> Self {
        Self::on("directory".into(), None, limits).await
    }

    /// In a directory, and through the hold in the bucket of each real server here that takes parts of any size.
    pub(crate) async fn everywhere() -> Vec<Self> {
        Self::everywhere_with(UploadLimits { reserve_bytes: 0, ..UploadLimits::default() }).await
    }

    pub(crate) async fn everywhere_with(limits: UploadLimits) -> Vec<Self> {
        let mut holds = vec![Self::with(limits.clone()).await];
        for remote in remotes_here().into_iter().filter(Remote::takes_small_parts) {
            holds.push(Self::in_remote(&remote, limits.clone()).await);
        }
        holds
    }

    /// In a bucket of whatever provider, through the hold.
    pub(crate) async fn in_remote(remote: &Remote, limits: UploadLimits) -> Self {
        Self::on(remote.name.clone(), Some((remote.open(), Presigned::None)), limits).await
    }

    pub(crate) async fn in_bucket(bucket: &Bucket, presigned: Presigned, limits: UploadLimits) -> Self {
        Self::on(bucket.name.clone(), Some((bucket.open(), presigned)), limits).await
    }

    async fn on(name: String, bucket: Option<(objects::Bucket, Presigned)>, limits: UploadLimits) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("blobs")).unwrap();
        let blobs = open(&directory, bucket.as_ref(), &limits).await;
        Self { name, directory, blobs, limits, bucket }
    }

    /// The room again, on the same state, as after a restart.
    pub(crate) async fn reopen(self) -> Self {
        let Self { name, directory, blobs, limits, bucket } = self;
        drop(blobs);
        let blobs = open(&directory, bucket.as_ref(), &limits).await;
        Self { name, directory, blobs, limits, bucket }
    }

    /// The room again, as after a restart with another setting.
    pub(crate) async fn reopen_presigned(mut self, presigned: Presigned) -> Self {
        self.bucket = self.bucket.map(|(store, _)| (store, presigned));
        self.reopen().await
    }

    /// The same store without its database.
    pub(crate) async fn lose_database(self) -> Self {
        let Self { name, blobs, limits, bucket, .. } = self;
        drop(blobs);
        Self::on(name, bucket, limits).await
    }

    pub(crate) fn store(&self) -> &objects::Bucket {
        &self.bucket.as_ref().expect("a hold in a bucket").0
    }

    /// Whether the store has anything of an upload.
    pub(crate) async fn is_staged(&self, id: &UploadId) -> bool {
        let Some((store, _)) = &self.bucket else { return !self.staged(id).is_empty() };
        let key = format!("uploads/{id}");
        if !store.signs_parts() {
            // Azure knows of no upload, only of its blocks.
            let blocks = store.list_parts(&key, "").await.unwrap().unwrap_or_default();
            return !blocks.is_empty() || store.stat(&key).await.unwrap().is_some();
        }
        let open: Vec<_> = store.list_multiparts("uploads").try_collect().await.unwrap();
        open.iter().any(|open| open.key == key) || store.stat(&key).await.unwrap().is_some()
    }

    /// Whether the store has an object under the digest.
    pub(crate) async fn is_published(&self, digest: &Digest) -> bool {
        match &self.bucket {
            Some((store, _)) => store.stat(&blob_key(digest)).await.unwrap().is_some(),
            None => self.blob_file(digest).exists(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("blobs")
    }

    /// Where the file of a blob is.
    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.root().join(blob_key(digest))
    }

    /// The files that an upload has staged, sorted.
    pub(crate) fn staged(&self, id: &UploadId) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root().join("uploads").join(id.to_string())) else { return vec![] };
        let mut names = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        names
    }

    pub(crate) async fn part(&self, id: &UploadId, number: u32, bytes: &[u8]) -> Result<ETag, BlobError> {
        let length = Some(bytes.len() as u64);
        self.blobs.upload_part(part_request(*id, &alice(), part_number(number), length), frames(bytes)).await
    }

    pub(crate) async fn complete(
        &self,
        id: &UploadId,
        content: &[u8],
        parts: &[(u32, &ETag)],
    ) -> Result<(), BlobError> {
        self.blobs.complete(id, &alice(), digest(content), list(parts), NOW_US).await
    }

    /// The bytes of a blob, `None` when it is absent.
    pub(crate) async fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let blob = self.blobs.open_blob(digest, None).await.unwrap()?;
        assert_eq!(self.blobs.stat(digest, None).await.unwrap(), Some(blob.size_bytes()));
        let size_bytes = blob.size_bytes();
        let chunks = blob.stream(0..size_bytes).try_collect::<Vec<_>>().await.unwrap();
        Some(chunks.concat())
    }

    pub(crate) async fn assert_blob(&self, content: &[u8]) {
        assert!(
            self.read(&digest(content)).await.as_deref() == Some(content),
            "{}: the blob is not what was uploaded",
            self.name
        );
    }
}

/// The key of a blob.
pub(crate) fn blob_key(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])
}

async fn open(directory: &TempDir, bucket: Option<&(objects::Bucket, Presigned)>, limits: &UploadLimits) -> Blobs {
    let db = loop {
        match schema::open(&directory.path().join("hold.db")) {
            // The thread of the room before is still ending.
            Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
            opened => break opened.unwrap(),
        }
    };
    let place = match bucket.cloned() {
        Some((bucket, presigned)) => BlobPlace::Bucket { bucket, presigned },
        None => BlobPlace::Directory(directory.path().join("blobs")),
    };
    let settings = BlobSettings { place, limits: limits.clone() };
    let blobs = Blobs::open(settings, db).await.unwrap();
    blobs.recover().await.unwrap();
    blobs
}

/// A part of `length` announced bytes on its way into an upload, now.
pub(crate) fn part_request(upload: UploadId, account: &Did, number: PartNumber, length: Option<u64>) -> PartRequest {
    PartRequest { upload, account: account.clone(), number, announced_bytes: length, now_us: NOW_US }
}

pub(crate) fn alice() -> Did {
    Did::parse("did:plc:alice").unwrap()
}

pub(crate) fn bob() -> Did {
    Did::parse("did:plc:bob").unwrap()
}

pub(crate) fn part_number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

pub(crate) fn list(parts: &[(u32, &ETag)]) -> Vec<(PartNumber, String)> {
    parts.iter().map(|(number, etag)| (part_number(*number), etag.as_str().to_owned())).collect()
}

/// Bytes that differ by seed and offset.
pub(crate) fn content(seed: u8, size_bytes: usize) -> Vec<u8> {
    (0..size_bytes).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

/// A body as a transport gives it, in small frames.
pub(crate) fn frames(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, BodyError>> + Unpin + Send + use<> {
    let frames = bytes.chunks(32 * 1024).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>();
    stream::iter(frames)
}
