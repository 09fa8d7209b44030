//! `io.atcr.hold.listTiers`: lists the quota tiers, from the smallest to the largest.

use std::sync::Arc;

use crate::api::state::ApiState;
use atproto::lexicon::{TierInfo, Tiers};
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    let tiers = state.hold.images.tiers().all.into_iter();
    let tiers = tiers.map(|tier| TierInfo {
        quota_bytes: tier.limit.bytes,
        quota_formatted: tier.limit.to_string(),
        name: tier.name,
        scan_on_push: false,
    });
    Ok(response::json(&Tiers { tiers: tiers.collect() }))
}
