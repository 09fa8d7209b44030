//! The seam between a bucket and those who provide it: the requests that each provider sends in its own form.
//!
//! [`Bucket`](super::Bucket) calls these and converts their faults; nobody else does. Keys are without the bucket's
//! prefix. What all providers take in the same form is a method of [`Client`].

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::Method;

use super::client::{Call, Client};
use super::fault::Fault;
use super::probe::ProbePlan;
use super::{Completed, Copied, OpenMultipart, ResponseHeaders, StoredPart};
use crate::objects::Listed;
use server::storage::StorageError;

/// Objects and their URLs.
#[async_trait::async_trait]
pub(super) trait Provider: Multipart {
    /// Sends the requests, and knows the bucket's address.
    fn client(&self) -> &Arc<Client>;

    /// What differs when a bucket of this provider is probed.
    fn probe_plan(&self) -> &'static ProbePlan;

    /// The request that stores a few bytes under a key; it has no body yet.
    fn put(&self, key: &str) -> Call;

    /// A page of the objects whose names in the bucket begin with `prefix`.
    async fn list(&self, prefix: &str, from: Cursor) -> Result<Page<Listed>, Fault>;

    /// Copies an object inside the bucket, if its ETag is still `etag`.
    async fn copy(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<Copied, Fault>;

    /// A URL by which an object may be read, for [`READ_URL_S`](super::READ_URL_S).
    async fn read_url(&self, method: Method, key: &str, headers: &ResponseHeaders) -> Result<String, Fault>;

    /// Removes objects, each asked for once. A key that is left out of the outcomes may be there or not.
    async fn remove_all(&self, keys: &[String]) -> Outcomes {
        self.client().remove_each(keys).await
    }
}

/// Uploads in parts.
#[async_trait::async_trait]
pub(super) trait Multipart: Send + Sync {
    /// Whether a part may be sent past the hold, by [`Multipart::part_url`].
    fn signs_parts(&self) -> bool {
        true
    }

    /// The largest part in bytes, where that is known.
    fn max_part_bytes(&self) -> u64 {
        // Those who speak S3 differ, and refuse what is too large themselves.
        u64::MAX
    }

    /// Begins an upload and answers the store's name for it.
    async fn create(&self, key: &str) -> Result<String, Fault>;

    /// The request that sends a part.
    fn part(&self, key: &str, id: &str, number: u16) -> Result<PartRequest, Fault>;

    /// A URL to which one part may be PUT, for [`PART_URL_S`](super::PART_URL_S).
    async fn part_url(&self, key: &str, id: &str, number: u16) -> Result<String, Fault>;

    /// The parts that the store has, in order of their numbers; `None` when there is no such upload.
    async fn parts(&self, key: &str, id: &str) -> Result<Option<Vec<StoredPart>>, Fault>;

    /// Makes an object of parts.
    async fn complete(&self, key: &str, id: &str, parts: &[(u16, String)]) -> Result<Completed, Fault>;

    /// Drops an upload; one that is not there counts as dropped.
    async fn abort(&self, key: &str, id: &str) -> Result<(), Fault>;

    /// A page of the open uploads whose names in the bucket begin with `prefix`.
    async fn list_uploads(&self, prefix: &str, from: Cursor) -> Result<Page<OpenMultipart>, Fault>;
}

/// The request for one part.
pub(super) struct PartRequest {
    pub(super) call: Call,
    /// The part's ETag; `None` when the store's answer has it.
    pub(super) etag: Option<String>,
}

/// Each key that was to be removed, and how it went.
pub(super) type Outcomes = Vec<(String, Result<(), Fault>)>;

/// The query parameters that ask for one page of a listing; none for the first page.
pub(super) type Cursor = Vec<(&'static str, String)>;

/// A page of a listing, and how to ask for the next one; `None` after the last.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<Cursor>,
}

/// All items of all pages. The stream ends at the first error.
pub(super) fn paged<T, F, A>(ask: F) -> BoxStream<'static, Result<T, StorageError>>
where
    F: Fn(Cursor) -> A + Send + 'static,
    A: Future<Output = Result<Page<T>, Fault>> + Send + 'static,
    T: Send + 'static,
{
    let pages = stream::try_unfold(Some(Cursor::new()), move |cursor| {
        let asked = cursor.map(&ask);
        async move {
            let Some(asked) = asked else { return Ok(None) };
            let Page { items, next } = asked.await?;
            Ok::<_, StorageError>(Some((stream::iter(items.into_iter().map(Ok)), next)))
        }
    });
    pages.try_flatten().boxed()
}
