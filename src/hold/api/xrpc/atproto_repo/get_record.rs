//! `com.atproto.repo.getRecord`

use std::sync::Arc;

use crate::api::refusal;
use crate::api::request::{check_repo, parse_cid};
use crate::api::state::ApiState;
use atproto::lexicon::RecordView;
use atproto::syntax::AtUri;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_repo(query.required("repo")?, state.hold.pds.did(), state.hold.pds.handle())?;
    let (collection, rkey) = (query.collection()?, query.rkey()?);
    let wanted = query.get("cid")?.map(|text| parse_cid("cid", text)).transpose()?;
    let uri = AtUri::record(state.hold.pds.did(), &collection, &rkey);
    let read = move |records: &crate::pds::Records<'_>| records.get(collection.as_str(), rkey.as_str());
    let record = state.hold.pds.read(read).await?.filter(|record| wanted.is_none_or(|cid| cid == record.cid));
    let record = record.ok_or_else(refusal::record_not_found)?;
    Ok(response::json(&RecordView { uri, cid: Some(record.cid.to_string()), value: record.value }))
}
