//! Inputs and outputs of `io.atcr.hold.*`. What a client sends is kept as loosely typed as its own check needs,
//! so that each wrong field can be answered with its own error name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::syntax::{AtUri, Digest};

/// Input of `initiateUpload`.
#[derive(Debug, Deserialize)]
pub struct InitiateUpload {
    /// A temporary name of the client's choice, 1 to 128 characters; never used as a name here.
    pub digest: String,
}

/// Output of `initiateUpload`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadIdOutput {
    /// The new upload.
    pub upload_id: String,
}

/// Input of `getPartUploadUrl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPartUploadUrl {
    /// The upload.
    pub upload_id: String,
    /// 1 to 10000; checked by the handler, which answers InvalidPartNumber.
    pub part_number: Value,
}

/// Output of `getPartUploadUrl`.
#[derive(Debug, Serialize)]
pub struct PartTarget {
    /// Where the part goes; needs no header.
    pub url: String,
    /// `PUT`.
    pub method: &'static str,
    /// The same as headers, for clients that prefer a token.
    pub headers: PartHeaders,
}

/// Headers of a part.
#[derive(Debug, Serialize)]
pub struct PartHeaders {
    /// The upload.
    #[serde(rename = "X-Upload-Id")]
    pub upload_id: String,
    /// The part's number.
    #[serde(rename = "X-Part-Number")]
    pub part_number: String,
}

/// Input of `completeUpload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteUpload {
    /// The upload.
    pub upload_id: String,
    /// The final digest; checked by the handler, which answers InvalidDigest.
    pub digest: String,
    /// All parts, in any order.
    pub parts: Vec<CompletedPart>,
}

/// One part of `completeUpload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompletedPart {
    /// 1 to 10000.
    pub part_number: Value,
    /// As the part's answer gave it, quoted or bare.
    pub etag: String,
}

/// Input of `abortUpload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortUpload {
    /// The upload.
    pub upload_id: String,
}

/// Output of `completeUpload` and `abortUpload`.
#[derive(Debug, Serialize)]
pub struct UploadStatus {
    /// `completed` or `aborted`.
    pub status: &'static str,
    /// The blob's name, when completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// Input of `requestCrew`.
#[derive(Debug, Default, Deserialize)]
pub struct RequestCrew {
    /// A word for people; `owner` cannot be asked for.
    pub role: Option<String>,
    /// What the account asks for; at most reading and writing is granted.
    pub permissions: Option<Vec<String>>,
}

/// Output of `requestCrew`.
#[derive(Debug, Serialize)]
pub struct RequestCrewOutput {
    /// `created` or `already_member`.
    pub status: &'static str,
    /// A sentence for people.
    pub message: &'static str,
    /// The crew record.
    pub uri: AtUri,
    /// Its CID.
    pub cid: String,
}
