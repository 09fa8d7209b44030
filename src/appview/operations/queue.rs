//! The queue of notices that tell holds of manifests: the operations on it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A notice, as the command line shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The notice's id.
    pub id: i64,
    /// The owner of the manifest.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The hold that has not taken the notice yet.
    pub hold: Did,
    /// Number of failed attempts.
    pub attempts: u32,
    /// Time in the queue, in seconds.
    pub waiting_s: u64,
    /// Time of the next attempt.
    pub due_at: Datetime,
    /// Seconds until the next attempt; 0 when it is due.
    pub due_in_s: u64,
    /// The error of the last attempt.
    pub problem: Option<String>,
}

/// Lists the notices, the oldest first, 1,000 at most.
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

/// Deletes a notice. Its hold may then remove the blobs of the manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueDrop {
    /// The notice's id.
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

/// Makes all notices due, and sends them now.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueRetry {}

/// The result of sending all notices.
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
