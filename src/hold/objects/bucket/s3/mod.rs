//! Objects in a bucket of any provider that speaks S3.
//!
//! object_store gives the credentials and the signatures; the requests are our own, because an upload in parts
//! needs what it has no call for (parts that stream, pinned copies, what is open), and a caller must be able to
//! tell wrong parts from a busy store. The folder (`prefix`) is added here and nowhere else is it known.
//! No key, address or signature stands in any error.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

mod copy;
mod dialect;
#[cfg(feature = "gcs")]
mod google;
mod list;
mod multipart;
mod presign;
mod probe;
mod remove;
mod settings;
mod upload_part;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::Method;

use self::dialect::Dialect;
use super::client::{Call, Client, Traffic};
use super::folder_of;
use super::http::Http;
use super::read::BucketObject;
use super::signer::Signer;
use crate::objects::{Object, ObjectInfo};
use server::storage::StorageError;

#[cfg(feature = "gcs")]
pub use google::Settings as GoogleSettings;
pub use settings::{CopyLimits, Credentials, Role, Settings};

/// A bucket, or a folder of one; cheap to clone.
#[derive(Clone)]
pub struct S3 {
    client: Arc<Client>,
    pull_zone: Option<Arc<str>>,
    copy: CopyLimits,
    dialect: &'static Dialect,
    /// Whether the store was seen not to remove many objects with one request.
    removes_singly: Arc<AtomicBool>,
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
            signer: Signer::Aws { store: settings.signer(&http, &bucket_url)?, region: settings.region.clone() },
            http,
            bucket_url,
            bucket: settings.bucket.clone(),
            prefix: folder_of(&settings.prefix),
            traffic: Traffic::default(),
        };
        Ok(Self {
            client: Arc::new(client),
            pull_zone: settings.pull_zone.as_deref().map(Arc::from),
            copy: settings.copy,
            dialect: &dialect::S3,
            removes_singly: Arc::new(AtomicBool::new(false)),
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
        Ok(self.client.find(key).await?)
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
        Ok(self.client.remove(key).await?)
    }

    /// The object of this size and ETag, without asking whether it is there: reading any other one fails.
    #[must_use]
    pub fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        Object::in_bucket(BucketObject::new(Arc::clone(&self.client), key.to_owned(), info))
    }

    pub(in crate::objects::bucket) async fn open_object(
        &self,
        key: &str,
    ) -> Result<Option<BucketObject>, StorageError> {
        let found = self.client.find(key).await?;
        Ok(found.map(|info| BucketObject::new(Arc::clone(&self.client), key.to_owned(), info)))
    }
}
