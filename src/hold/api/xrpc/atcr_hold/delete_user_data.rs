//! `io.atcr.hold.deleteUserData`: deletes all records about the caller. Blobs are kept: others may use them.

use std::sync::Arc;

use crate::api::refusal;
use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use atproto::lexicon::error;
use server::wire::{Request, Response};
use server::xrpc::{Error, json_or_default, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    request: Request,
) -> Result<Response, Error> {
    let _nothing: serde_json::Map<String, serde_json::Value> = json_or_default(request).await?;
    let (images, account, now_us) = (state.hold.images.clone(), permit.account().clone(), state.hold.now_us());
    // A task of its own: it runs to its end, also when the client disconnects.
    let deleted = tokio::spawn(async move { images.delete_user_data(&account, now_us).await }).await;
    let deleted = deleted.map_err(refusal::internal)?.map_err(Error::from);
    deleted.map(|deleted| response::json(&deleted)).map_err(|e| e.named_if_internal(error::DELETION_FAILED))
}
