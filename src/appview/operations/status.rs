//! How the registry is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};
use server::sqlite::DatabaseHealth;
use server::storage::StorageError;

/// How the registry is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Where clients reach it.
    pub url: String,
    /// The hold of accounts that have none of their own.
    pub default_hold: Option<Did>,
    /// The database.
    pub database: DatabaseStatus,
    /// Sessions at PDSes.
    pub sessions: u64,
    /// Uploads that are open.
    pub uploads: UploadsStatus,
    /// Notices that holds have not taken yet.
    pub queue: QueueStatus,
}

/// How the database is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// Why it does not answer.
    pub problem: Option<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// Size of the write-ahead log.
    pub log_bytes: u64,
    /// Room left on its file system.
    pub free_bytes: u64,
}

/// Uploads that are open.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadsStatus {
    /// How many there are.
    pub open: u64,
    /// Bytes in them.
    pub size_bytes: u64,
}

/// Notices that wait.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// How many there are.
    pub waiting: u64,
    /// How long the oldest has waited, in seconds.
    pub oldest_s: Option<u64>,
}

/// Asks how the registry is.
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

/// What of it stands in the service manager's line.
pub async fn facts(registry: Arc<OciState>) -> String {
    let Ok(status) = read(&registry).await else { return "the database does not answer".into() };
    let (uploads, waiting) = (status.uploads.open, status.queue.waiting);
    let since = status.queue.oldest_s.map(|seconds| format!(", the oldest for {seconds} s")).unwrap_or_default();
    format!("open uploads {uploads}; notices that wait {waiting}{since}")
}
