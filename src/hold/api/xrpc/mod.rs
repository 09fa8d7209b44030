//! XRPC methods, a folder a namespace, a file a method.

pub(super) mod atcr_hold;
pub(super) mod atproto_identity;
pub(super) mod atproto_repo;
pub(super) mod atproto_server;
pub(super) mod atproto_sync;
pub(super) mod bsky_actor;
