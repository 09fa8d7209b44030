//! The interface between a bucket and its providers: the requests that each provider takes in its own form.
//!
//! Only [`Bucket`](super::Bucket) calls these and converts their faults. Keys are without the bucket's prefix. Requests
//! that all providers take in the same form are methods of [`Client`].

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::header::ETAG;
use http::{HeaderMap, Method};

use super::client::{Call, Client};
use super::fault::Fault;
use super::probe_plan::ProbePlan;
use super::{Completed, Copied, CopySource, OpenMultipart, ResponseHeaders, StoredPart};
use crate::objects::Listed;
use server::storage::StorageError;

/// Requests for objects, and their URLs.
#[async_trait::async_trait]
pub(super) trait Provider: Multipart {
    /// Returns the client, which sends the requests and has the bucket's address.
    fn client(&self) -> &Arc<Client>;

    /// Returns the differences of this provider when a bucket is probed.
    fn probe_plan(&self) -> &'static ProbePlan;

    /// Returns the request that stores bytes under a key; it has no body yet.
    fn put(&self, key: &str) -> Call;

    /// Returns a page of the objects whose names in the bucket begin with `prefix`.
    async fn list(&self, prefix: &str, from: Cursor) -> Result<Page<Listed>, Fault>;

    /// Copies an object inside the bucket to the key `to`, if its ETag is still that of `source`.
    async fn copy(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault>;

    /// Returns a URL to read an object, valid for [`READ_URL_S`](super::READ_URL_S).
    async fn read_url(&self, method: Method, key: &str, headers: &ResponseHeaders) -> Result<String, Fault>;

    /// Removes objects, each requested once. A key without an outcome may be there or not.
    async fn remove_all(&self, keys: &[String]) -> Outcomes {
        self.client().remove_each(keys).await
    }
}

/// Requests for multipart uploads.
#[async_trait::async_trait]
pub(super) trait Multipart: Send + Sync {
    /// Whether a part may bypass the hold, by [`Multipart::part_url`].
    fn signs_parts(&self) -> bool {
        true
    }

    /// Returns the size of the largest part in bytes; `u64::MAX` where it is not known.
    fn max_part_bytes(&self) -> u64 {
        // Providers of S3 differ, and refuse a too large part themselves.
        u64::MAX
    }

    /// Begins an upload. Returns the store's id of it.
    async fn create(&self, key: &str) -> Result<String, Fault>;

    /// Returns the request that sends a part.
    fn part(&self, key: &str, id: &str, number: u16) -> Result<PartRequest, Fault>;

    /// Returns a URL to PUT one part, valid for [`PART_URL_S`](super::PART_URL_S).
    async fn part_url(&self, key: &str, id: &str, number: u16) -> Result<String, Fault>;

    /// Returns the parts that the store has, in order of their numbers; `None` when there is no such upload.
    async fn parts(&self, key: &str, id: &str) -> Result<Option<Vec<StoredPart>>, Fault>;

    /// Whether the store answers that it has no such upload.
    async fn has_lost(&self, key: &str, id: &str) -> bool {
        matches!(self.parts(key, id).await, Ok(None))
    }

    /// Makes an object of the parts.
    async fn complete(&self, key: &str, id: &str, parts: &[(u16, String)]) -> Result<Completed, Fault>;

    /// Drops an upload; an absent one counts as dropped.
    async fn abort(&self, key: &str, id: &str) -> Result<(), Fault>;

    /// Returns a page of the open uploads whose names in the bucket begin with `prefix`.
    async fn list_uploads(&self, prefix: &str, from: Cursor) -> Result<Page<OpenMultipart>, Fault>;
}

/// The request for one part.
pub(super) struct PartRequest {
    pub(super) call: Call,
    /// The part's ETag; `None` when the store's response has it.
    pub(super) etag: Option<String>,
}

impl PartRequest {
    /// Returns the part's ETag, by the headers of the store's response.
    pub(super) fn etag(self, response: &HeaderMap) -> Result<String, Fault> {
        let answered = || response.get(ETAG)?.to_str().ok().map(str::to_owned);
        self.etag.or_else(answered).ok_or(Fault::InvalidResponse("a part has no ETag"))
    }
}

/// The keys of objects to remove, each with the outcome.
pub(super) type Outcomes = Vec<(String, Result<(), Fault>)>;

/// The query parameters that request one page of a listing; empty for the first page.
pub(super) type Cursor = Vec<(&'static str, String)>;

/// A page of a listing, with the cursor of the next one; `None` after the last page.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<Cursor>,
}

/// Returns the items of all pages. The stream ends at the first error.
pub(super) fn paged<T, F, A>(ask: F) -> BoxStream<'static, Result<T, StorageError>>
where
    F: Fn(Cursor) -> A + Send + 'static,
    A: Future<Output = Result<Page<T>, Fault>> + Send + 'static,
    T: Send + 'static,
{
    let pages = stream::try_unfold(Some(Cursor::new()), move |cursor| {
        let asked = cursor.map(|cursor| (ask(cursor.clone()), cursor));
        async move {
            let Some((answer, cursor)) = asked else { return Ok(None) };
            let Page { items, next } = answer.await?;
            Ok::<_, StorageError>(Some((stream::iter(items.into_iter().map(Ok)), beyond(&cursor, next)?)))
        }
    });
    pages.try_flatten().boxed()
}

/// Returns `next`, the cursor that the page at `from` has of the next one. A page that is followed by itself is an error.
pub(super) fn beyond(from: &Cursor, next: Option<Cursor>) -> Result<Option<Cursor>, Fault> {
    match next {
        Some(next) if next == *from => Err(Fault::InvalidResponse("a page of a listing is followed by itself")),
        next => Ok(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listing_that_does_not_go_on_ends_with_an_error() {
        let page =
            |token: &'static str| async move { Ok(Page { items: vec![1], next: Some(vec![("token", token.into())]) }) };
        let listed: Vec<_> = paged(move |_| page("a")).collect().await;
        assert_eq!((listed.len(), listed.last().unwrap().is_err()), (2, true), "{listed:?}");
    }
}
