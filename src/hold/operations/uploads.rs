//! Operations on open uploads: list, abort.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::blobs::{BlobError, UploadId};
use crate::hold::Hold;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// An open upload, as commands print it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The upload's id.
    pub id: String,
    /// The account that started it.
    pub account: Did,
    /// Time when it started, or its last part was received.
    pub touched_at: Datetime,
    /// Seconds since that time.
    pub idle_s: u64,
    /// Number of parts received.
    pub parts: u32,
    /// Bytes in these parts.
    pub size_bytes: u64,
}

/// Lists all open uploads, the longest idle first.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadsList {}

impl Operation for UploadsList {
    const NAME: &'static str = "uploads.list";
    type Subject = Hold;
    type Output = Vec<Upload>;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Vec<Upload>, AdminError> {
        let now_us = hold.now_us();
        let open = hold.blobs.list_open_uploads().await.map_err(|error| admin_error(&error))?;
        let shown = open.into_iter().map(|upload| Upload {
            id: upload.id.to_string(),
            account: upload.account,
            touched_at: Datetime::from_micros(upload.touched_us),
            idle_s: now_us.saturating_sub(upload.touched_us) / 1_000_000,
            parts: upload.parts,
            size_bytes: upload.size_bytes,
        });
        Ok(shown.collect())
    }
}

/// Aborts an open upload, and drops its staged parts.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadsAbort {
    /// The upload's id.
    pub id: String,
}

/// An aborted upload.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadAborted {
    /// The upload's id.
    pub id: String,
    /// The account that had started it.
    pub account: Did,
}

impl Operation for UploadsAbort {
    const NAME: &'static str = "uploads.abort";
    type Subject = Hold;
    type Output = UploadAborted;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<UploadAborted, AdminError> {
        let aborted = async {
            let id = UploadId::parse(&self.id)?;
            let account = hold.blobs.session_account(&id).await?;
            hold.blobs.abort(&id, &account).await?;
            Ok(account)
        };
        match aborted.await {
            Ok(account) => Ok(UploadAborted { id: self.id, account }),
            Err(BlobError::UnknownUpload) => Err(AdminError::failed("there is no such open upload")),
            Err(error) => Err(admin_error(&error)),
        }
    }
}

fn admin_error(error: &BlobError) -> AdminError {
    AdminError::failed(error.to_string())
}
