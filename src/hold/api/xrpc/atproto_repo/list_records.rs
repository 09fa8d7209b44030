//! `com.atproto.repo.listRecords`: newest key first, or last with `reverse=true`.

use std::sync::Arc;

use crate::api::request::check_repo;
use crate::api::state::ApiState;
use crate::pds::{PageQuery, Record};
use atproto::lexicon::{RecordPage, RecordView};
use atproto::syntax::AtUri;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 100;

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_repo(query.required("repo")?, state.hold.pds.did(), state.hold.pds.handle())?;
    let collection = query.collection()?;
    let page_query = PageQuery {
        collection: collection.to_string(),
        cursor: query.get("cursor")?.map(str::to_owned),
        limit: query.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
        ascending: query.flag("reverse")?,
    };
    let page = state.hold.pds.read(move |records| records.page(&page_query)).await?;
    let entry = |record: Record| {
        let uri = AtUri::record(state.hold.pds.did(), &collection, &record.rkey);
        RecordView { uri, cid: Some(record.cid.to_string()), value: record.value }
    };
    let records = page.records.into_iter().map(entry).collect();
    Ok(response::json(&RecordPage { records, cursor: page.cursor }))
}
