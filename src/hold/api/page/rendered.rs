//! Renders the page, at most once in two seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::cache::{Made, Rendered};
use super::content::Content;
use crate::api::refusal;
use crate::api::state::ApiState;
use crate::blobs::BlobTotals;
use server::xrpc::Error;

/// Time that a page is used before it is rendered again.
const FRESH: Duration = Duration::from_secs(2);
/// Time that a sum over all blobs is used: with a million blobs it takes a fifth of a second.
const TOTALS_FRESH: Duration = Duration::from_secs(60);

/// Returns the page, rendered again when it is too old.
pub(super) async fn rendered(state: &Arc<ApiState>) -> Result<Rendered, Error> {
    let made = Arc::clone(&state.page.made).lock_owned().await;
    match &made.page {
        Some((page, at)) if at.elapsed() < FRESH => Ok(page.clone()),
        // A task of its own: a caller that goes away leaves the work to the next one, and cannot start it again and
        // again.
        _ => tokio::spawn(make(Arc::clone(state), made)).await.map_err(refusal::internal)?,
    }
}

async fn make(state: Arc<ApiState>, mut made: OwnedMutexGuard<Made>) -> Result<Rendered, Error> {
    let public_info = state.hold.crew.public_info().await?;
    // The totals of a private hold are not public.
    let totals = if public_info.captain.public { Some(totals(&mut made, &state).await?) } else { None };
    let owner = state.page.owner.of(&public_info.captain.owner);
    let html = Content { state: &state, public_info: &public_info, owner: owner.as_ref(), totals };
    let html = html.page().map_err(refusal::internal)?;
    let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&html)[..16]));
    let page = Rendered { html: html.into(), etag };
    made.page = Some((page.clone(), Instant::now()));
    Ok(page)
}

async fn totals(made: &mut Made, state: &ApiState) -> Result<BlobTotals, Error> {
    if let Some((totals, _)) = made.totals.filter(|(_, at)| at.elapsed() < TOTALS_FRESH) {
        return Ok(totals);
    }
    let totals = state.hold.blobs.totals().await?;
    made.totals = Some((totals, Instant::now()));
    Ok(totals)
}
