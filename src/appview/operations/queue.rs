//! The queue of what holds are still to be told of manifests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A notice as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// Whose manifest it is about.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The hold that does not know of it yet.
    pub hold: Did,
    /// How often the queue has tried.
    pub attempts: u32,
    /// How long it has waited, in seconds.
    pub waiting_s: u64,
    /// When it is tried again.
    pub due_at: Datetime,
    /// In how many seconds that is.
    pub due_in_s: u64,
    /// Why the last attempt failed.
    pub problem: Option<String>,
}

/// All notices, the oldest first, 1,000 at most.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueList {}

impl Operation for QueueList {
    const NAME: &'static str = "queue.list";
    type Subject = OciState;
    type Output = Vec<Notice>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<Notice>, AdminError> {
        let now_us = (registry.clock)();
        let waiting = registry.images.waiting().await?;
        let shown = waiting.into_iter().map(|notice| Notice {
            id: notice.id,
            account: notice.account,
            repository: notice.repository,
            manifest: notice.manifest,
            hold: notice.hold.did().clone(),
            attempts: notice.attempts,
            waiting_s: seconds(notice.queued_us, now_us),
            due_at: Datetime::from_micros(notice.due_us),
            due_in_s: seconds(now_us, notice.due_us),
            problem: notice.problem,
        });
        Ok(shown.collect())
    }
}

/// Forgets a notice. Its hold may then remove the blobs of the manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueDrop {
    /// Which one.
    pub id: i64,
}

impl Operation for QueueDrop {
    const NAME: &'static str = "queue.drop";
    type Subject = OciState;
    type Output = i64;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<i64, AdminError> {
        match registry.images.drop_notice(self.id).await? {
            true => Ok(self.id),
            false => Err(AdminError::failed(format!("there is no notice {}: it may have been delivered", self.id))),
        }
    }
}

/// Tries all notices now.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueRetry {}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRetried {
    /// Notices that holds took.
    pub delivered: usize,
    /// Notices that still wait.
    pub waiting: u64,
}

impl Operation for QueueRetry {
    const NAME: &'static str = "queue.retry";
    type Subject = OciState;
    type Output = QueueRetried;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<QueueRetried, AdminError> {
        registry.images.hasten().await?;
        let delivered = registry.images.deliver_due().await.map_err(|error| AdminError::failed(error.to_string()))?;
        let waiting = registry.images.queue().await?.waiting;
        Ok(QueueRetried { delivered, waiting })
    }
}
