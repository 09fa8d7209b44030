//! Objects in a container of Azure Blob Storage, as block blobs.
//!
//! A part is a block: sent under an identity of its own, and part of nothing until a list of blocks is committed, which
//! makes the object at once. So an upload needs no beginning, and nothing is open that could be listed; Azure itself
//! drops blocks that nobody committed after a week. What a client needs to go past the hold is missing: Azure answers no
//! ETag for a block, and its signatures leave the number of the block open. Parts pass through the hold; reads do not.
//! API: <https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api>

mod blocks;
mod copy;
mod list;
mod probe;
mod settings;
mod xml;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::HeaderName;
use object_store::signer::SignedUrlOptions;

use super::client::{Call, Client, Traffic};
use super::fault::Fault;
use super::http::Http;
use super::read::BucketObject;
use super::signer::Signer;
use super::{READ_URL_S, folder_of};
use crate::objects::{Object, ObjectInfo, Removed};
use server::storage::StorageError;

pub use settings::Settings;

pub(super) use blocks::{MAX_PART_BYTES, UPLOAD};

static BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");
static CONTENT_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-content-type");
static DISPOSITION: HeaderName = HeaderName::from_static("x-ms-blob-content-disposition");

/// A container, or a folder of one; cheap to clone.
#[derive(Clone)]
pub struct Azure {
    client: Arc<Client>,
}

impl Azure {
    /// Prepares the requests; sends none.
    ///
    /// # Errors
    /// When the key is none, or the system has no certificates.
    pub fn open(settings: &Settings) -> Result<Self, StorageError> {
        let http = Http::new().map_err(|error| StorageError::Failed(error.into()))?;
        let client = Client {
            signer: Signer::Azure { store: settings.signer(&http)?, account: settings.account.clone() },
            http,
            bucket_url: format!("{}/{}", settings.account_url(), settings.container),
            bucket: settings.container.clone(),
            prefix: folder_of(&settings.prefix),
            traffic: Traffic::default(),
        };
        Ok(Self { client: Arc::new(client) })
    }

    pub(super) async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        Ok(self.client.find(key).await?)
    }

    pub(super) async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        Ok(self.put_blob(key, bytes).await?)
    }

    async fn put_blob(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), Fault> {
        let call = as_download(Call::on(Method::PUT, key)).header(BLOB_TYPE.clone(), "BlockBlob").body(bytes);
        self.client.exchange(&call).await.map(drop)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Ok(self.client.remove(key).await?)
    }

    pub(super) async fn remove_all(&self, keys: &[String]) -> Removed {
        self.client.remove_each(keys).await
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.client.traffic
    }

    pub(super) fn pinned_object(&self, key: &str, info: ObjectInfo) -> Object {
        Object::in_bucket(BucketObject::new(Arc::clone(&self.client), key.to_owned(), info))
    }

    pub(super) async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        Ok(self.client.find(key).await?.map(|info| self.pinned_object(key, info)))
    }

    /// A URL by which an object may be read: what permits GET permits HEAD. Its type and disposition are the object's
    /// own, because object_store signs no other.
    pub(super) async fn presign_read(&self, key: &str) -> Result<String, StorageError> {
        let url = self.client.presign(Method::GET, key, READ_URL_S, &SignedUrlOptions::new()).await?;
        Ok(url.into())
    }
}

/// Everything here is anybody's bytes: a browser must never show them as part of the store's site.
fn as_download(call: Call) -> Call {
    call.header(CONTENT_TYPE.clone(), "application/octet-stream").header(DISPOSITION.clone(), "attachment")
}
