//! The search index: its size and its event source, rebuilding it, and removing an account from it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};

/// The state of the search index.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexStatus {
    /// Accounts that have records in the index.
    pub accounts: u64,
    /// Number of records: repositories, tags, manifests and stars.
    pub records: u64,
    /// Repositories that searches show.
    pub shown: u64,
    /// Accounts whose records are still to be listed.
    pub to_list: u64,
    /// URLs of the event sources: all configured Jetstreams, else the relay.
    pub sources: Vec<String>,
    /// Whether a source is connected now. Only the daemon connects.
    pub is_connected: bool,
    /// Events received since the daemon's start.
    pub events: u64,
    /// Time since the last message of a source, in seconds.
    pub heard_s: Option<u64>,
}

/// Returns the state of the search index.
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

/// Rebuilds the search index: the words of texts at once; the records of all accounts that are known, that pushed here,
/// or that the relay names are listed again later. Returns how many accounts are known.
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

/// Removes an account from the search index.
#[derive(Debug, Serialize, Deserialize)]
pub struct IndexForget {
    /// The account.
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
