//! The requests that every provider takes in the same form, and URLs for anybody.

use std::time::Duration;

use http::Method;
use http::header::{CONTENT_LENGTH, ETAG};
use object_store::path::Path;
use object_store::signer::SignedUrlOptions;
use url::Url;

use super::client::{Call, Client};
use super::fault::Fault;
use crate::storage::objects::ObjectInfo;

impl Client {
    /// What is under a key, `None` when nothing is.
    pub(super) async fn find(&self, key: &str) -> Result<Option<ObjectInfo>, Fault> {
        let answer = match self.exchange(&Call::on(Method::HEAD, key)).await {
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

    /// Removes an object; one that is not there counts as removed.
    pub(super) async fn remove(&self, key: &str) -> Result<(), Fault> {
        match self.exchange(&Call::on(Method::DELETE, key)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// A URL for an object, good for `valid_s` seconds. It cannot be called back.
    pub(super) async fn presign(
        &self,
        method: Method,
        key: &str,
        valid_s: u64,
        options: &SignedUrlOptions,
    ) -> Result<Url, Fault> {
        let path = Path::parse(format!("{}{key}", self.prefix));
        let path = path.map_err(|_| Fault::Senseless("a key is not a path"))?;
        self.signer.sign_url(method, &path, Duration::from_secs(valid_s), options).await
    }

    /// The beginning that all keys below a folder have in the bucket.
    pub(super) fn listed_prefix(&self, folder: &str) -> String {
        let end = if folder.is_empty() { "" } else { "/" };
        format!("{}{folder}{end}", self.prefix)
    }
}
