//! The state that every handler may use.

use std::sync::Arc;

use super::admission::Admission;
use super::page::PageCache;
use super::subscribe::Subscribers;
use crate::gate::{Gate, UrlSigner};
use crate::hold::Hold;
use server::sqlite::DatabaseHealth;
use server::xrpc::Front;

/// The hold, and what only requests need.
pub struct ApiState {
    /// The hold.
    pub hold: Arc<Hold>,
    /// Rate limits, request metrics and trusted proxies.
    pub front: Front,
    /// Checks tokens, and makes permits.
    pub gate: Gate,
    /// Makes and checks signed URLs.
    pub urls: UrlSigner,
    /// The bulkheads before what many share.
    pub admission: Admission,
    /// The page for browsers.
    pub page: PageCache,
    /// How the database is.
    pub health: DatabaseHealth,
    /// Places for subscribers of events.
    pub subscribers: Subscribers,
    /// Where a proxy at the Unix socket has the storage directory, like `/.blobs/`, when it sends blobs itself.
    pub accel_redirect: Option<String>,
}

/// The handle that atproto software shows for an account whose handle does not resolve.
const NO_HANDLE: &str = "handle.invalid";

impl ApiState {
    /// Returns the hold's handle, for answers that must have one.
    #[must_use]
    pub fn shown_handle(&self) -> &str {
        self.hold.pds.handle().unwrap_or(NO_HANDLE)
    }
}
