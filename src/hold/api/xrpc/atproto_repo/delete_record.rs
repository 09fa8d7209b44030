//! `com.atproto.repo.deleteRecord`: deletes a crew record; one that does not exist is no error.

use std::sync::Arc;

use super::{check_write, write_one};
use crate::api::request::parse_cid;
use crate::api::state::ApiState;
use crate::crew::{CrewChange, CrewWrite};
use crate::gate::AdminPermit;
use atproto::lexicon::{DeleteRecord, Swap};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: DeleteRecord = json(request, JSON_BYTES).await?;
    let swap_commit = check_write(&state, &input.repo, input.swap_commit.as_deref())?;
    let swap = match input.swap_record.as_deref() {
        Some(text) => Swap::Cid(parse_cid("swapRecord", text)?),
        None => Swap::Any,
    };
    let change =
        CrewChange { collection: input.collection, rkey: Some(input.rkey), write: CrewWrite::DeleteIfPresent, swap };
    Ok(response::json(&write_one(&state, &permit, change, swap_commit).await?))
}
