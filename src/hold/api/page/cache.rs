//! The cache of the page: the last one, and what it takes to render the next.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::owner::OwnerHandle;
use crate::blobs::BlobTotals;
use server::identity::Resolver;

/// The last rendered page, and the parts to render it again.
pub struct PageCache {
    pub(super) owner: OwnerHandle,
    pub(super) made: Arc<Mutex<Made>>,
}

#[derive(Default)]
pub(super) struct Made {
    pub(super) page: Option<(Rendered, Instant)>,
    pub(super) totals: Option<(BlobTotals, Instant)>,
}

#[derive(Clone)]
pub(super) struct Rendered {
    pub(super) html: Bytes,
    pub(super) etag: String,
}

impl PageCache {
    /// Creates a cache whose pages resolve the owner's handle with `resolver`.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self { owner: OwnerHandle::new(resolver), made: Arc::default() }
    }
}
