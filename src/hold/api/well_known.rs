//! The well-known documents, and the health check.

use std::sync::Arc;
use std::time::Duration;

use super::refusal;
use super::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

/// `GET /.well-known/did.json`
pub(super) async fn did_document(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    Ok(response::json(&state.hold.did_document))
}

/// `GET /.well-known/atproto-did`
pub(super) async fn atproto_did(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    Ok(response::full(response::TEXT, state.hold.url.did().to_string().into()))
}

/// As long as a request waits for its turn to write. A database that ends nothing for so long is not healthy.
const MAX_STALL: Duration = Duration::from_secs(10);

/// `GET /xrpc/_health`: the hold is healthy while readers and writer of the database make progress. The database itself is
/// not asked, so this waits in no queue.
pub(super) async fn health(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    state.health.check(MAX_STALL).map_err(refusal::unavailable)?;
    Ok(response::json(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") })))
}
