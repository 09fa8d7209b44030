//! `io.atcr.hold.listTiers`: the quota tiers, from the smallest to the largest.

use std::sync::Arc;

use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::{TierInfo, Tiers};

pub(in crate::http) async fn handle(state: Arc<State>, _request: Request) -> Result<Response, Error> {
    let tiers = state.registry.tiers().all.into_iter();
    let tiers = tiers.map(|tier| TierInfo {
        quota_bytes: tier.limit.bytes,
        quota_formatted: tier.limit.to_string(),
        name: tier.name,
        scan_on_push: false,
    });
    Ok(response::json(&Tiers { tiers: tiers.collect() }))
}
