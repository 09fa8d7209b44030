//! Uploads that are open.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::blobs::{BlobError, UploadId};
use crate::hold::Hold;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// An open upload as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Its identity.
    pub id: String,
    /// Who began it.
    pub account: Did,
    /// When it began or its last part was received.
    pub touched_at: Datetime,
    /// How long ago that is, in seconds.
    pub idle_s: u64,
    /// Parts received.
    pub parts: u32,
    /// Bytes in them.
    pub size_bytes: u64,
}

/// All open uploads, the one idle for longest first.
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

/// Gives an open upload up, and drops what it staged.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadsAbort {
    /// Which one.
    pub id: String,
}

/// What was given up.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadAborted {
    /// Its identity.
    pub id: String,
    /// Who had begun it.
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
