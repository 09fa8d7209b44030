//! Objects in a bucket of any provider of the S3 API.
//!
//! object_store provides credentials and signatures. The requests are our own: multipart uploads need some that it does
//! not offer (streamed parts, pinned copies, lists of open uploads), and a caller must be able to tell wrong parts from
//! a busy store. The folder (`prefix`) is added to keys here and known nowhere else. No error text has a key, an
//! address or a signature.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

mod copy;
mod dialect;
#[cfg(feature = "gcs")]
mod google;
mod multipart;
mod remove;
mod settings;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Method;
use object_store::signer::SignedUrlOptions;

use self::dialect::Dialect;
use self::xml::ObjectPage;
use super::client::{BucketRequests, Call, Client};
use super::fault::Fault;
use super::folder::folder_of;
use super::http::Http;
use super::probe_plan::ProbePlan;
use super::provider::{Cursor, Outcomes, Page, Provider};
use super::signer::Signer;
use super::{Copied, CopySource, READ_URL_S, ResponseHeaders};
use crate::objects::Listed;
use server::storage::StorageError;

#[cfg(feature = "gcs")]
pub use google::GoogleSettings;
pub use settings::{CopyLimits, Credentials, Role, S3Settings};

/// A bucket, or a folder of one.
pub(super) struct S3 {
    client: Arc<Client>,
    pull_zone: Option<String>,
    copy: CopyLimits,
    dialect: &'static Dialect,
    /// Whether the store refused to remove many objects with one request.
    removes_singly: AtomicBool,
}

impl S3 {
    pub(super) fn open(settings: &S3Settings) -> Result<Self, StorageError> {
        let http = Http::new().map_err(|error| StorageError::Failed(error.into()))?;
        let bucket_url = settings.bucket_url()?;
        let public = settings.public_bucket_url()?;
        let public = public.map(|url| settings.signer(&http, &url)).transpose()?;
        let url_signer = public.map(|store| Signer::Aws { store, region: settings.region.clone() });
        let client = Client {
            url_signer,
            signer: Signer::Aws { store: settings.signer(&http, &bucket_url)?, region: settings.region.clone() },
            http,
            bucket_url,
            bucket: settings.bucket.clone(),
            prefix: folder_of(&settings.prefix),
            requests: BucketRequests::default(),
        };
        Ok(Self {
            client: Arc::new(client),
            pull_zone: settings.pull_zone.clone(),
            copy: settings.copy,
            dialect: &dialect::S3,
            removes_singly: AtomicBool::new(false),
        })
    }
}

/// Fails on a page that says that more follows, and not where: what is left out would seem to be missing.
fn require_next(is_truncated: bool, has_next: bool) -> Result<(), Fault> {
    if is_truncated && !has_next {
        return Err(Fault::InvalidResponse("a page of a listing does not say where the next one begins"));
    }
    Ok(())
}

#[async_trait::async_trait]
impl Provider for S3 {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn probe_plan(&self) -> &'static ProbePlan {
        &self.dialect.probe
    }

    fn put(&self, key: &str) -> Call {
        Call::on(Method::PUT, key)
    }

    async fn list(&self, prefix: &str, from: Cursor) -> Result<Page<Listed>, Fault> {
        let call = Call::on_bucket(Method::GET).query("list-type", "2").query("prefix", prefix).queries(from);
        let answer = self.client.exchange(&call).await?;
        let page: ObjectPage = super::xml::parse(answer.body())?;
        let next = page.next_continuation_token.filter(|token| !token.is_empty());
        require_next(page.is_truncated, next.is_some())?;
        let mut items = Vec::new();
        for object in page.contents {
            let Some(key) = object.key.strip_prefix(&self.client.prefix) else { continue };
            // Consoles mark a folder with an empty object of its name.
            if key.is_empty() || key.ends_with('/') {
                continue;
            }
            let modified_us = u64::try_from(object.last_modified.timestamp_micros()).unwrap_or_default();
            items.push(Listed { key: key.to_owned(), size_bytes: object.size, etag: object.etag, modified_us });
        }
        Ok(Page { items, next: next.map(|token| vec![("continuation-token", token)]) })
    }

    /// Copies an object; above [`CopyLimits::single_max_bytes`] in pieces.
    async fn copy(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault> {
        self.copy_object(source, to).await
    }

    /// Returns a URL for `method` alone. With a pull zone, it is on the CDN.
    async fn read_url(&self, method: Method, key: &str, headers: &ResponseHeaders) -> Result<String, Fault> {
        let wanted = [
            ("response-content-type", &headers.content_type),
            ("response-content-disposition", &headers.content_disposition),
        ];
        let query = wanted.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let url = self.client.presign(method, key, READ_URL_S, &SignedUrlOptions::new().with_query(query)).await?;
        Ok(match &self.pull_zone {
            // The CDN requests the object with the store's own host, which the signature covers.
            Some(origin) => format!("{origin}{}", &url[url::Position::BeforePath..]),
            None => url.into(),
        })
    }

    async fn remove_all(&self, keys: &[String]) -> Outcomes {
        self.remove_in_batches(keys).await
    }
}
