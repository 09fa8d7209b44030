//! `io.atcr.hold.exportUserData`: all records about the caller.

use std::sync::Arc;

use crate::auth::AccountPermit;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::response;
use crate::http::state::State;

pub(in crate::http) async fn handle(
    state: Arc<State>,
    permit: AccountPermit,
    _request: Request,
) -> Result<Response, Error> {
    Ok(response::json(&state.registry.export_user_data(permit.account(), state.now_us()).await?))
}
