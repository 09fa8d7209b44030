//! The state of the API, shared by all handlers.

use std::sync::Arc;

use super::admission::Admission;
use super::page::PageCache;
use super::subscribe::Subscribers;
use crate::gate::{Gate, UrlSigner};
use crate::hold::Hold;
use server::sqlite::DatabaseHealth;
use server::xrpc::Front;

/// The hold, and the parts that only requests need.
pub struct ApiState {
    /// The hold.
    pub hold: Arc<Hold>,
    /// Rate limits, request metrics and trusted proxies.
    pub front: Front,
    /// Checks tokens, and issues permits.
    pub gate: Gate,
    /// Creates and checks signed URLs.
    pub urls: UrlSigner,
    /// The bulkheads of shared resources.
    pub admission: Admission,
    /// The page for browsers.
    pub page: PageCache,
    /// The health of the database.
    pub health: DatabaseHealth,
    /// The places for subscribers of events.
    pub subscribers: Subscribers,
    /// The path prefix, like `/.blobs/`, at which a proxy at the Unix socket serves the storage directory, when it
    /// sends blobs itself.
    pub accel_redirect: Option<String>,
}

/// The handle that atproto software shows for an account without a valid handle.
const NO_HANDLE: &str = "handle.invalid";

impl ApiState {
    /// Returns the hold's handle, for answers that must have one.
    #[must_use]
    pub fn shown_handle(&self) -> &str {
        self.hold.pds.handle().unwrap_or(NO_HANDLE)
    }
}
