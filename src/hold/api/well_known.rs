//! The well-known documents, and the health check.

use std::sync::Arc;

use super::refusal;
use super::state::ApiState;
use server::sqlite::DatabaseHealth;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

/// `GET /.well-known/did.json`
pub(super) async fn did_document(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    Ok(response::json(&state.hold.did_document))
}

/// `GET /.well-known/atproto-did`
pub(super) async fn atproto_did(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    Ok(response::full(response::TEXT, state.hold.pds.did().to_string().into()))
}

/// `GET /xrpc/_health`: the hold is healthy while readers and writer of the database make progress. The database itself
/// is not asked, so this waits in no queue.
pub(super) async fn health(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    state.health.check(DatabaseHealth::MAX_STALL).map_err(refusal::unavailable)?;
    Ok(response::json(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") })))
}
