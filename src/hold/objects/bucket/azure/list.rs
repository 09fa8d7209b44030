//! What is under a folder of the container, page by page.
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::DateTime;
use futures_util::stream::{self, Stream};
use http::Method;

use super::Azure;
use super::xml::BlobPage;
use crate::objects::Listed;
use crate::objects::bucket::client::{Call, Client};
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::xml;
use server::storage::StorageError;

struct Listing {
    client: Arc<Client>,
    prefix: String,
    page: VecDeque<Listed>,
    /// Where the page to ask for begins; empty for the first, `None` when the last was read.
    marker: Option<String>,
}

impl Azure {
    pub(in crate::objects::bucket) fn list(
        &self,
        folder: &str,
    ) -> impl Stream<Item = Result<Listed, StorageError>> + Send + use<> {
        let prefix = self.client.listed_prefix(folder);
        let client = Arc::clone(&self.client);
        let listing = Listing { client, prefix, page: VecDeque::new(), marker: Some(String::new()) };
        stream::try_unfold(listing, |mut listing| async move {
            let next = listing.next().await?;
            Ok(next.map(|object| (object, listing)))
        })
    }

    /// One page of what is below a prefix.
    pub(super) fn page_of(prefix: &str) -> Call {
        Call::on_bucket(Method::GET).query("restype", "container").query("comp", "list").query("prefix", prefix)
    }
}

impl Listing {
    async fn next(&mut self) -> Result<Option<Listed>, Fault> {
        loop {
            if let Some(object) = self.page.pop_front() {
                return Ok(Some(object));
            }
            let Some(marker) = self.marker.take() else { return Ok(None) };
            self.ask(marker).await?;
        }
    }

    async fn ask(&mut self, marker: String) -> Result<(), Fault> {
        let mut call = Azure::page_of(&self.prefix);
        if !marker.is_empty() {
            call = call.query("marker", marker);
        }
        let answer = self.client.exchange(&call).await?;
        let page: BlobPage = xml::parse(answer.body())?;
        self.marker = page.next_marker.filter(|marker| !marker.is_empty());
        for blob in page.blobs.blobs {
            let Some(key) = blob.name.strip_prefix(&self.client.prefix) else { continue };
            let modified = DateTime::parse_from_rfc2822(&blob.properties.last_modified);
            let modified = modified.map_err(|_| Fault::Senseless("an object has no time"))?;
            self.page.push_back(Listed {
                key: key.to_owned(),
                size_bytes: blob.properties.content_length,
                etag: blob.properties.etag,
                modified_us: u64::try_from(modified.timestamp_micros()).unwrap_or_default(),
            });
        }
        Ok(())
    }
}
