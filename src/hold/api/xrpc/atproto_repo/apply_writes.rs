//! `com.atproto.repo.applyWrites`: up to 200 writes of crew records, all in one commit or none.

use std::sync::Arc;

use super::{check_write, commit_meta, written};
use crate::api::state::ApiState;
use crate::crew::{CrewChange, CrewWrite};
use crate::gate::AdminPermit;
use crate::pds::MAX_WRITES;
use atproto::lexicon::{ApplyWrites, ApplyWritesOutput, RecordResult, Swap, WriteOperation};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

const CREATED: &str = "com.atproto.repo.applyWrites#createResult";
const UPDATED: &str = "com.atproto.repo.applyWrites#updateResult";
const DELETED: &str = "com.atproto.repo.applyWrites#deleteResult";

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: ApplyWrites = json(request, JSON_BYTES).await?;
    let swap_commit = check_write(&state, &input.repo, input.swap_commit.as_deref())?;
    if input.writes.len() > MAX_WRITES {
        return Err(Error::invalid("applyWrites takes at most 200 writes"));
    }
    let kinds: Vec<_> = input.writes.iter().map(result_kind).collect();
    let changes = input.writes.into_iter().map(change).collect();
    let manager = permit.manager().clone();
    let (outcome, uris) = state.hold.crew.apply(manager, changes, swap_commit, state.hold.now_us()).await?;
    let commit = commit_meta(&outcome);
    let result = |((kind, uri), cid)| match kind {
        DELETED => {
            RecordResult { kind: Some(kind.into()), uri: None, cid: None, commit: None, validation_status: None }
        }
        _ => written(Some(kind), Some(uri), cid, None),
    };
    let results = kinds.into_iter().zip(uris).zip(outcome.cids).map(result).collect();
    Ok(response::json(&ApplyWritesOutput { commit, results }))
}

fn result_kind(write: &WriteOperation) -> &'static str {
    match write {
        WriteOperation::Create { .. } => CREATED,
        WriteOperation::Update { .. } => UPDATED,
        WriteOperation::Delete { .. } => DELETED,
    }
}

fn change(write: WriteOperation) -> CrewChange {
    let (collection, rkey, write) = match write {
        WriteOperation::Create { collection, rkey, value } => (collection, rkey, CrewWrite::Create(value)),
        WriteOperation::Update { collection, rkey, value } => (collection, Some(rkey), CrewWrite::Update(value)),
        WriteOperation::Delete { collection, rkey } => (collection, Some(rkey), CrewWrite::Delete),
    };
    CrewChange { collection, rkey, write, swap: Swap::Any }
}
