//! Objects in a container of Azure Blob Storage, as block blobs.
//!
//! A part is a block: sent under an id of its own, and in no object until a list of blocks is committed, which makes
//! the object at once. So an upload needs no begin, and open uploads cannot be listed; Azure itself drops uncommitted
//! blocks after a week. Parts cannot bypass the hold: Azure returns no ETag for a block, and its signatures do not
//! cover the number of the block. Parts pass through the hold; reads need not. API:
//! <https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api>

mod blocks;
mod copy;
mod probe;
mod settings;
mod xml;

use std::sync::Arc;

use chrono::DateTime;
use http::Method;
use http::header::HeaderName;
use object_store::signer::SignedUrlOptions;

use self::xml::BlobPage;
use super::client::{BucketRequests, Call, Client};
use super::fault::Fault;
use super::folder::folder_of;
use super::http::Http;
use super::probe_plan::ProbePlan;
use super::provider::{Cursor, Page, Provider};
use super::signer::Signer;
use super::{Copied, CopySource, READ_URL_S, ResponseHeaders};
use crate::objects::Listed;
use server::storage::StorageError;

pub use settings::AzureSettings;

static BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");
static CONTENT_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-content-type");
static DISPOSITION: HeaderName = HeaderName::from_static("x-ms-blob-content-disposition");

/// A container, or a folder of one.
pub(super) struct Azure {
    client: Arc<Client>,
}

impl Azure {
    pub(super) fn open(settings: &AzureSettings) -> Result<Self, StorageError> {
        let http = Http::new().map_err(|error| StorageError::Failed(error.into()))?;
        let client = Client {
            url_signer: None,
            signer: Signer::Azure { store: settings.signer(&http)?, account: settings.account.clone() },
            http,
            bucket_url: format!("{}/{}", settings.account_url(), settings.container),
            bucket: settings.container.clone(),
            prefix: folder_of(&settings.prefix),
            requests: BucketRequests::default(),
        };
        Ok(Self { client: Arc::new(client) })
    }
}

#[async_trait::async_trait]
impl Provider for Azure {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn probe_plan(&self) -> &'static ProbePlan {
        &probe::PLAN
    }

    fn put(&self, key: &str) -> Call {
        as_download(Call::on(Method::PUT, key)).header(BLOB_TYPE.clone(), "BlockBlob")
    }

    /// <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
    async fn list(&self, prefix: &str, from: Cursor) -> Result<Page<Listed>, Fault> {
        let call = Call::on_bucket(Method::GET).query("restype", "container").query("comp", "list");
        let answer = self.client.exchange(&call.query("prefix", prefix).queries(from)).await?;
        let page: BlobPage = super::xml::parse(answer.body())?;
        let next = page.next_marker.filter(|marker| !marker.is_empty());
        let mut items = Vec::new();
        for blob in page.blobs.blobs {
            let Some(key) = blob.name.strip_prefix(&self.client.prefix) else { continue };
            let modified = DateTime::parse_from_rfc2822(&blob.properties.last_modified);
            let modified = modified.map_err(|_| Fault::InvalidResponse("an object has no time"))?;
            items.push(Listed {
                key: key.to_owned(),
                size_bytes: blob.properties.content_length,
                etag: blob.properties.etag,
                modified_us: u64::try_from(modified.timestamp_micros()).unwrap_or_default(),
            });
        }
        Ok(Page { items, next: next.map(|marker| vec![("marker", marker)]) })
    }

    async fn copy(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault> {
        self.copy_object(source, to).await
    }

    /// Returns a URL for GET, which permits HEAD too. The object's own type and disposition apply, because object_store
    /// cannot sign others.
    async fn read_url(&self, _: Method, key: &str, _: &ResponseHeaders) -> Result<String, Fault> {
        let url = self.client.presign(Method::GET, key, READ_URL_S, &SignedUrlOptions::new()).await?;
        Ok(url.into())
    }
}

/// Makes the object a download: it has a client's bytes, and a browser must never show them as part of the store's
/// site.
fn as_download(call: Call) -> Call {
    call.header(CONTENT_TYPE.clone(), "application/octet-stream").header(DISPOSITION.clone(), "attachment")
}
