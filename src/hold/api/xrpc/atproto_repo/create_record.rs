//! `com.atproto.repo.createRecord`: creates a crew record.

use std::sync::Arc;

use super::{check_write, write_one};
use crate::api::state::ApiState;
use crate::crew::{CrewChange, CrewWrite};
use crate::gate::AdminPermit;
use atproto::lexicon::{CreateRecord, Swap};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: CreateRecord = json(request, JSON_BYTES).await?;
    let swap_commit = check_write(&state, &input.repo, input.swap_commit.as_deref())?;
    let change = CrewChange {
        collection: input.collection,
        rkey: input.rkey,
        write: CrewWrite::Create(input.record),
        swap: Swap::Any,
    };
    Ok(response::json(&write_one(&state, &permit, change, swap_commit).await?))
}
