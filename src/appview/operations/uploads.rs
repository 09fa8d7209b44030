//! Open uploads.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// An open upload, as the command line shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The upload's id, as in the client's URL.
    pub id: String,
    /// The account that uploads.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: String,
    /// The hold that gets the blob.
    pub hold: Did,
    /// Bytes received so far.
    pub size_bytes: u64,
    /// Bytes of these that were sent to the hold.
    pub sent_bytes: u64,
    /// Time when the upload last grew.
    pub touched_at: Datetime,
    /// Time since then, in seconds.
    pub idle_s: u64,
}

/// Lists the open uploads, the longest idle first, 1,000 at most.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadsList {}

impl Operation for UploadsList {
    const NAME: &'static str = "uploads.list";
    type Subject = OciState;
    type Output = Vec<Upload>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<Upload>, AdminError> {
        let now_us = (registry.clock)();
        let uploads = registry.uploads.list().await?;
        let shown = uploads.into_iter().map(|upload| Upload {
            id: HEXLOWER.encode(&upload.id),
            account: upload.account,
            repository: upload.repository,
            hold: upload.hold.did().clone(),
            size_bytes: upload.offset,
            sent_bytes: upload.sent,
            touched_at: Datetime::from_micros(upload.touched_us),
            idle_s: seconds(upload.touched_us, now_us),
        });
        Ok(shown.collect())
    }
}

/// Aborts an open upload, here and at the hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct UploadsAbort {
    /// The upload's id: 32 hexadecimal digits.
    pub id: String,
}

/// An aborted upload.
#[derive(Debug, Serialize, Deserialize)]
pub struct AbortedUpload {
    /// The upload's id.
    pub id: String,
    /// The account that uploaded.
    pub account: Did,
}

impl Operation for UploadsAbort {
    const NAME: &'static str = "uploads.abort";
    type Subject = OciState;
    type Output = AbortedUpload;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<AbortedUpload, AdminError> {
        let id = HEXLOWER.decode(self.id.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let id = id.ok_or_else(|| AdminError::failed("an upload is named by 32 hexadecimal digits"))?;
        let account = registry.uploads.abandon(id).await.map_err(|error| AdminError::failed(error.to_string()))?;
        Ok(AbortedUpload { id: self.id, account })
    }
}
