//! `io.atcr.hold.exportUserData`: all records about the caller, a page at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::Instant;

use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use crate::images::UserDataExport;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

/// Minimum throughput of the reader, counted from the start and with a minute's grace; a slower one loses its place:
/// half a million records take at most four hours.
const MIN_BYTES_A_SECOND: u64 = 16 * 1024;
const GRACE: Duration = Duration::from_secs(60);

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    _request: Request,
) -> Result<Response, Error> {
    let mut export = state.hold.images.export_user_data(permit.account(), state.hold.now_us());
    // An error of the first page is answered as an error.
    let first = export.next().await?.unwrap_or_default();
    Ok(response::json_stream(stream::once(async { Ok(first.into()) }).chain(pieces(export))))
}

/// Returns the pages as a stream. A failure cuts the connection off, so that the reader does not take a part for the
/// whole.
fn pieces(export: UserDataExport) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (began, sent_bytes) = (Instant::now(), 0);
    stream::unfold((export, sent_bytes), move |(mut export, sent_bytes)| async move {
        if began.elapsed() > GRACE + Duration::from_secs(sent_bytes / MIN_BYTES_A_SECOND) {
            tracing::info!(sent_bytes, "the export of an account's data broke off: its reader is too slow");
            return Some((Err(io::Error::other("the reader is too slow")), (export, sent_bytes)));
        }
        let piece = export.next().await.transpose()?;
        let size_bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let piece = piece.map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "the export of an account's data broke off: {error}");
            io::Error::other("the export broke off")
        });
        Some((piece, (export, sent_bytes + size_bytes)))
    })
}
