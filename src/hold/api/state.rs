//! What every handler may use.

use super::admission::Admission;
use super::page::Page;
use super::subscribe::Subscribers;
use crate::blobs::Blobs;
use crate::crew::Crew;
use crate::gate::{Gate, UrlSigner};
use crate::images::Images;
use crate::pds::Pds;
use atproto::syntax::ServiceUrl;
use server::xrpc::Front;

/// The services of one hold, and the clock.
pub struct State {
    /// Where the world reaches the hold.
    pub url: ServiceUrl,
    /// Our DID document; it does not change while the process lives.
    pub did_document: serde_json::Value,
    /// The repository.
    pub pds: Pds,
    /// Captain and crew.
    pub crew: Crew,
    /// The blobs.
    pub blobs: Blobs,
    /// What is recorded of images.
    pub images: Images,
    /// Gives permits.
    pub gate: Gate,
    /// Makes and checks signed URLs.
    pub urls: UrlSigner,
    /// What every request passes first.
    pub front: Front,
    /// Keeps what is shared from being taken by one caller.
    pub admission: Admission,
    /// What a browser is shown.
    pub page: Page,
    /// Places for subscribers of events.
    pub subscribers: Subscribers,
    /// Where a proxy at the Unix socket has the storage directory, like `/.blobs/`, when it sends blobs itself.
    pub accel_redirect: Option<String>,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
}

/// What atproto software shows for an account whose handle does not resolve.
const NO_HANDLE: &str = "handle.invalid";

impl State {
    /// The hold's handle where an answer must have one.
    #[must_use]
    pub fn shown_handle(&self) -> &str {
        self.pds.handle().unwrap_or(NO_HANDLE)
    }

    /// Now, in microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// Now, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        i64::try_from(self.now_us() / 1_000_000).unwrap_or(i64::MAX)
    }
}
