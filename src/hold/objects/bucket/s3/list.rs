//! What is under a folder of the bucket, page by page.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use http::Method;

use super::S3;
use super::xml::ObjectPage;
use crate::objects::Listed;
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::xml;
use server::storage::StorageError;

struct Listing {
    s3: S3,
    folder: String,
    page: VecDeque<Listed>,
    /// The token of the page to ask for; `None` in the first, and no page is left when it is empty.
    token: Option<String>,
}

impl S3 {
    pub(in crate::objects::bucket) fn list(
        &self,
        folder: &str,
    ) -> impl Stream<Item = Result<Listed, StorageError>> + Send + use<> {
        let folder = self.client.listed_prefix(folder);
        let listing = Listing { s3: self.clone(), folder, page: VecDeque::new(), token: None };
        stream::try_unfold(listing, |mut listing| async move {
            let next = listing.next().await?;
            Ok(next.map(|object| (object, listing)))
        })
    }
}

impl Listing {
    async fn next(&mut self) -> Result<Option<Listed>, StorageError> {
        loop {
            if let Some(object) = self.page.pop_front() {
                return Ok(Some(object));
            }
            if self.token.as_deref() == Some("") {
                return Ok(None);
            }
            self.ask().await?;
        }
    }

    async fn ask(&mut self) -> Result<(), Fault> {
        let mut call = Call::on_bucket(Method::GET).query("list-type", "2").query("prefix", self.folder.as_str());
        if let Some(token) = &self.token {
            call = call.query("continuation-token", token);
        }
        let answer = self.s3.client.exchange(&call).await?;
        let page: ObjectPage = xml::parse(answer.body())?;
        self.token = Some(page.next_continuation_token.unwrap_or_default());
        for object in page.contents {
            let Some(key) = object.key.strip_prefix(&self.s3.client.prefix) else { continue };
            // Consoles mark a folder with an empty object of its name.
            if key.is_empty() || key.ends_with('/') {
                continue;
            }
            let modified_us = u64::try_from(object.last_modified.timestamp_micros()).unwrap_or_default();
            self.page.push_back(Listed {
                key: key.to_owned(),
                size_bytes: object.size,
                etag: object.etag,
                modified_us,
            });
        }
        Ok(())
    }
}
