//! Subscriptions over WebSocket: the session, and how many there may be.
//!
//! It carries the frames of an event stream and knows nothing of what they say. The frames of WebSocket itself are
//! tokio-tungstenite's work. <https://www.rfc-editor.org/rfc/rfc6455>, <https://atproto.com/specs/event-stream>

pub(super) mod session;

use crate::api::refusal;
use std::sync::Arc;

use server::xrpc::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Subscribers at once. A hold is followed by a few relays and indexers; each may keep a database page of up to
/// 2.3 MB in memory and one of 1,024 connections for as long as it likes.
const MAX_SUBSCRIBERS: usize = 64;

/// Places for subscribers.
pub struct Subscribers(Arc<Semaphore>);

impl Default for Subscribers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_SUBSCRIBERS)))
    }
}

impl Subscribers {
    /// A place, free again when it is dropped.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| refusal::too_many_subscribers())
    }
}
