//! The state of the registry.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};
use server::sqlite::DatabaseHealth;
use server::storage::StorageError;

/// The state of the registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Base URL of the registry.
    pub url: String,
    /// The hold of accounts that chose none of their own.
    pub default_hold: Option<Did>,
    /// State of the database.
    pub database: DatabaseStatus,
    /// Sessions at PDSes.
    pub sessions: u64,
    /// Open uploads.
    pub uploads: UploadsStatus,
    /// Notices that holds have not taken yet, in numbers.
    pub queue: QueueStatus,
}

/// The state of the database.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// The error of its health check; `None` when it is healthy.
    pub problem: Option<String>,
    /// Size of the database file.
    pub size_bytes: u64,
    /// Size of the write-ahead log.
    pub log_bytes: u64,
    /// Free space on its file system.
    pub free_bytes: u64,
}

/// Totals of the open uploads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadsStatus {
    /// Number of open uploads.
    pub open: u64,
    /// Bytes that they have received.
    pub size_bytes: u64,
}

/// Totals of the waiting notices.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Number of waiting notices.
    pub waiting: u64,
    /// Age of the oldest notice, in seconds.
    pub oldest_s: Option<u64>,
}

/// Returns the state of the registry.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusShow {}

impl Operation for StatusShow {
    const NAME: &'static str = "status.show";
    type Subject = OciState;
    type Output = Status;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Status, AdminError> {
        Ok(read(&registry).await?)
    }
}

async fn read(registry: &OciState) -> Result<Status, StorageError> {
    let sizes = registry.database.sizes().await?;
    let (uploads, queue) = (registry.uploads.totals().await?, registry.images.queue().await?);
    let now_us = (registry.clock)();
    let health = registry.health.check(DatabaseHealth::MAX_STALL);
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: registry.base_url.clone(),
        default_hold: registry.holds.default_hold().map(|hold| hold.did().clone()),
        database: DatabaseStatus {
            problem: health.err().map(|problem| problem.to_string()),
            size_bytes: sizes.file_bytes,
            log_bytes: sizes.log_bytes,
            free_bytes: sizes.disk.free_bytes,
        },
        sessions: registry.sessions.count().await?,
        uploads: UploadsStatus { open: uploads.open, size_bytes: uploads.bytes },
        queue: QueueStatus {
            waiting: queue.waiting,
            oldest_s: queue.oldest_us.map(|oldest_us| seconds(oldest_us, now_us)),
        },
    })
}

/// Returns the status line for the service manager.
pub async fn facts(registry: Arc<OciState>) -> String {
    let Ok(status) = read(&registry).await else { return "the database does not answer".into() };
    let (uploads, waiting) = (status.uploads.open, status.queue.waiting);
    let since = status.queue.oldest_s.map(|seconds| format!(", the oldest for {seconds} s")).unwrap_or_default();
    format!("open uploads {uploads}; notices that wait {waiting}{since}")
}
