//! `io.atcr.hold.exportUserData`: all records about the caller.

use std::sync::Arc;

use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    _request: Request,
) -> Result<Response, Error> {
    Ok(response::json(&state.hold.images.export_user_data(permit.account(), state.hold.now_us()).await?))
}
