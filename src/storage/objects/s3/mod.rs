//! Objects in a bucket of any provider that speaks S3.
//!
//! object_store gives the credentials and the signatures; the requests are our own, because an upload in parts
//! needs what it has no call for (parts that stream, pinned copies, what is open), and a caller must be able to
//! tell wrong parts from a busy store. The folder (`prefix`) is added here and nowhere else is it known.
//! No key, address or signature stands in any error.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

mod client;
mod clock;
mod copy;
mod fault;
mod http;
mod list;
mod multipart;
mod presign;
mod probe;
mod read;
mod remove;
mod settings;
mod upload_part;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::http::Method;
use ::http::header::{CONTENT_LENGTH, ETAG};
use bytes::Bytes;

use super::{Object, ObjectInfo};
use crate::storage::StorageError;

pub use client::Traffic;
pub use copy::Copied;
pub use multipart::{Completed, OpenMultipart, Part};
pub use presign::{PART_URL_S, READ_URL_S, ResponseHeaders};
pub use probe::{PROBES, ProbeError, Probed, is_probe};
pub use settings::{CopyLimits, Credentials, Role, Settings};
pub use upload_part::PartError;

pub(super) use read::S3Object;

use client::{Call, Client};
use fault::Fault;
use http::Http;

/// A bucket, or a folder of one; cheap to clone.
#[derive(Clone)]
pub struct S3 {
    client: Arc<Client>,
    pull_zone: Option<Arc<str>>,
    copy: CopyLimits,
}

impl S3 {
    /// Prepares the requests; sends none.
    ///
    /// # Errors
    /// When the settings do not fit together, or the system has no certificates.
    pub fn open(settings: &Settings) -> Result<Self, StorageError> {
        let http = Http::new().map_err(|error| StorageError::Failed(error.into()))?;
        let bucket_url = settings.bucket_url()?;
        let client = Client {
            signer: settings.signer(&http, &bucket_url)?,
            http,
            bucket_url,
            bucket: settings.bucket.clone(),
            region: settings.region.clone(),
            prefix: settings.folder(),
            removes_singly: AtomicBool::new(false),
            traffic: Traffic::default(),
        };
        Ok(Self {
            client: Arc::new(client),
            pull_zone: settings.pull_zone.as_deref().map(Arc::from),
            copy: settings.copy,
        })
    }

    /// What this and its clones have sent.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.client.traffic
    }

    /// What is under a key, `None` when nothing is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        Ok(self.find(key).await?)
    }

    async fn find(&self, key: &str) -> Result<Option<ObjectInfo>, Fault> {
        let answer = match self.client.exchange(&Call::on(Method::HEAD, key)).await {
            Ok(answer) => answer,
            Err(fault) if fault.is_missing() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let size_bytes = header(CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let size_bytes = size_bytes.ok_or(Fault::Senseless("an object has no length"))?;
        let etag = header(ETAG).filter(|etag| !etag.trim_matches('"').is_empty());
        let etag = etag.ok_or(Fault::Senseless("an object has no ETag"))?.to_owned();
        Ok(Some(ObjectInfo { size_bytes, etag }))
    }

    /// Stores a few bytes under a key, and replaces what is there. They are sent in one piece, out of memory.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        self.client.exchange(&Call::on(Method::PUT, key).body(bytes)).await?;
        Ok(())
    }

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Ok(self.remove(key).await?)
    }

    async fn remove(&self, key: &str) -> Result<(), Fault> {
        match self.client.exchange(&Call::on(Method::DELETE, key)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// The object of this size and ETag, without asking whether it is there: reading any other one fails.
    #[must_use]
    pub fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        Object::in_bucket(S3Object::new(Arc::clone(&self.client), key.to_owned(), info))
    }

    pub(super) async fn open_object(&self, key: &str) -> Result<Option<S3Object>, StorageError> {
        let found = self.find(key).await?;
        Ok(found.map(|info| S3Object::new(Arc::clone(&self.client), key.to_owned(), info)))
    }
}
