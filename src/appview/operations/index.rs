//! What can be searched for: how much it is, how far the network is followed; anew, and without an account.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};

/// How the index is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexStatus {
    /// Accounts that have something in it.
    pub accounts: u64,
    /// Repositories, tags, manifests and stars.
    pub records: u64,
    /// Repositories that are shown.
    pub shown: u64,
    /// Accounts whose records are still to be listed.
    pub to_list: u64,
    /// Where events come from: all that are configured.
    pub sources: Vec<String>,
    /// Whether one of them is followed now. Only the daemon follows.
    pub is_connected: bool,
    /// Events since its start.
    pub events: u64,
    /// How long ago the last message came, in seconds.
    pub heard_s: Option<u64>,
}

/// Asks how the index is.
#[derive(Debug, Serialize, Deserialize)]
pub struct IndexShow {}

impl Operation for IndexShow {
    const NAME: &'static str = "index.show";
    type Subject = OciState;
    type Output = IndexStatus;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<IndexStatus, AdminError> {
        let totals = registry.index.totals().await?;
        let (settings, counts) = (registry.follow.settings(), registry.follow.counts());
        let sources = match settings.jetstream_urls.as_slice() {
            [] => settings.relay_url.iter().cloned().collect(),
            urls => urls.to_vec(),
        };
        let heard_us = Some(counts.heard_us.get()).filter(|heard_us| *heard_us > 0);
        Ok(IndexStatus {
            accounts: totals.accounts,
            records: totals.records,
            shown: totals.shown,
            to_list: totals.to_list,
            sources,
            is_connected: counts.connected.get() > 0,
            events: counts.events.iter().map(|(_, count)| count).sum(),
            heard_s: heard_us.map(|heard_us| seconds(heard_us, (registry.clock)())),
        })
    }
}

/// Makes what searches go by anew: the words of texts at once, and the records of all who are known, who have pushed here, or
/// whom the relay knows, are listed again. Answers how many accounts are known.
#[derive(Debug, Serialize, Deserialize)]
pub struct IndexRebuild {}

impl Operation for IndexRebuild {
    const NAME: &'static str = "index.rebuild";
    type Subject = OciState;
    type Output = usize;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<usize, AdminError> {
        registry.follow.forget_seeds().await?;
        let pushed = registry.catalog.accounts().await?;
        Ok(registry.index.restore(pushed).await?)
    }
}

/// Forgets an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct IndexForget {
    /// Whom.
    pub account: Did,
}

impl Operation for IndexForget {
    const NAME: &'static str = "index.forget";
    type Subject = OciState;
    type Output = Did;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Did, AdminError> {
        match registry.index.forget(&self.account).await? {
            true => Ok(self.account),
            false => Err(AdminError::failed(format!("the index has nothing of {}", self.account))),
        }
    }
}
