//! Requests that every provider takes in the same form, and presigned URLs.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, Method};
use object_store::path::Path;
use object_store::signer::SignedUrlOptions;
use url::Url;

use super::client::{Call, Client};
use super::fault::Fault;
use super::provider::Outcomes;
use super::{Copied, CopySource};
use crate::objects::ObjectInfo;

/// Concurrent requests to remove objects.
const REQUESTS_AT_ONCE: usize = 16;

impl Client {
    /// Returns size and ETag of an object; `None` when there is none under the key.
    pub(super) async fn find(&self, key: &str) -> Result<Option<ObjectInfo>, Fault> {
        let answer = match self.exchange(&Call::on(Method::HEAD, key)).await {
            Ok(answer) => answer,
            Err(fault) if fault.is_missing() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let size_bytes = header(CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let size_bytes = size_bytes.ok_or(Fault::InvalidResponse("an object has no length"))?;
        let etag = header(ETAG).filter(|etag| !etag.trim_matches('"').is_empty());
        let etag = etag.ok_or(Fault::InvalidResponse("an object has no ETag"))?.to_owned();
        Ok(Some(ObjectInfo { size_bytes, etag }))
    }

    /// Removes an object; an absent one counts as removed.
    pub(super) async fn remove(&self, key: &str) -> Result<(), Fault> {
        self.remove_with_answer(key).await.map(drop)
    }

    /// Removes an object. Returns the headers of the response; `None` when the object was absent.
    pub(super) async fn remove_with_answer(&self, key: &str) -> Result<Option<HeaderMap>, Fault> {
        match self.exchange(&Call::on(Method::DELETE, key)).await {
            Ok(answer) => Ok(Some(answer.into_parts().0.headers)),
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Removes objects with one request each, sent once.
    pub(super) async fn remove_each(&self, keys: &[String]) -> Outcomes {
        let removals = keys.iter().cloned().map(|key| async move {
            let outcome = self.remove_once(&key).await;
            (key, outcome)
        });
        stream::iter(removals).buffer_unordered(REQUESTS_AT_ONCE).collect().await
    }

    async fn remove_once(&self, key: &str) -> Result<(), Fault> {
        match self.exchange_once(&Call::on(Method::DELETE, key)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Checks a copy that the store reports as made. A store may ignore the condition on the source: a source that has
    /// its ETag after the copy had it all the time.
    pub(super) async fn check_copy(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault> {
        let (found, target) = tokio::try_join!(self.find(source.key), self.find(to))?;
        if found.is_none_or(|info| info.etag.trim_matches('"') != source.etag.trim_matches('"')) {
            return Ok(Copied::SourceChanged);
        }
        match target {
            Some(info) if info.size_bytes == source.size_bytes => Ok(Copied::Done),
            _ => Err(Fault::InvalidResponse("a copy is not as long as its source")),
        }
    }

    /// Returns a presigned URL for an object, valid for `valid_s` seconds. It cannot be revoked.
    pub(super) async fn presign(
        &self,
        method: Method,
        key: &str,
        valid_s: u64,
        options: &SignedUrlOptions,
    ) -> Result<Url, Fault> {
        let path = Path::parse(format!("{}{key}", self.prefix));
        let path = path.map_err(|_| Fault::InvalidResponse("a key is not a path"))?;
        self.url_signer
            .as_ref()
            .unwrap_or(&self.signer)
            .sign_url(method, &path, Duration::from_secs(valid_s), options)
            .await
    }

    /// Returns the prefix in the bucket of all keys below a folder.
    pub(super) fn listed_prefix(&self, folder: &str) -> String {
        let end = if folder.is_empty() { "" } else { "/" };
        format!("{}{folder}{end}", self.prefix)
    }
}
