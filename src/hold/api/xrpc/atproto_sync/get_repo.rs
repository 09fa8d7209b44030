//! `com.atproto.sync.getRepo`: exports the repository as a CAR file, all of it or the part after a revision.

use std::sync::Arc;

use super::{check_did, since};
use crate::api::refusal;
use crate::api::state::ApiState;
use crate::pds::BlockStream;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use server::wire::ResponseBody;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};
use std::io;

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    let blocks = state.hold.pds.export(since(&query)?).await?.ok_or_else(refusal::repo_not_found)?;
    Ok(response::with_type(response::CAR, ResponseBody::stream(None, chunks(blocks))))
}

/// Returns the blocks as a stream. A failure cuts the connection off, so that the reader does not take a part for the
/// whole.
fn chunks(blocks: BlockStream) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(blocks, |mut blocks| async move {
        let chunk = blocks.recv().await?;
        let chunk = chunk.map_err(|error| {
            tracing::error!(%error, "the export of the repository broke off");
            io::Error::other("the export broke off")
        });
        Some((chunk, blocks))
    })
}
