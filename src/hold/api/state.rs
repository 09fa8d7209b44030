//! What every handler may use.

use std::sync::Arc;

use super::admission::Admission;
use super::page::PageCache;
use super::subscribe::Subscribers;
use crate::gate::{Gate, UrlSigner};
use crate::hold::Hold;
use server::xrpc::Front;

/// The hold, and what only requests need.
pub struct ApiState {
    /// The hold.
    pub hold: Arc<Hold>,
    /// What every request passes first.
    pub front: Front,
    /// Gives permits.
    pub gate: Gate,
    /// Makes and checks signed URLs.
    pub urls: UrlSigner,
    /// Keeps what is shared from being taken by one caller.
    pub admission: Admission,
    /// What a browser is shown.
    pub page: PageCache,
    /// Places for subscribers of events.
    pub subscribers: Subscribers,
    /// Where a proxy at the Unix socket has the storage directory, like `/.blobs/`, when it sends blobs itself.
    pub accel_redirect: Option<String>,
}

/// What atproto software shows for an account whose handle does not resolve.
const NO_HANDLE: &str = "handle.invalid";

impl ApiState {
    /// The hold's handle where an answer must have one.
    #[must_use]
    pub fn shown_handle(&self) -> &str {
        self.hold.pds.handle().unwrap_or(NO_HANDLE)
    }
}
