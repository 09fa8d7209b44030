//! Inputs and outputs of `io.atcr.hold.*`. Fields of inputs are loosely typed where their handlers check them, so that
//! each invalid field can be answered with its own error name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::syntax::{AtUri, Digest};

/// Input of `initiateUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitiateUpload {
    /// A temporary name chosen by the client, 1 to 128 characters; not used by the hold.
    pub digest: String,
}

/// Output of `initiateUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadIdOutput {
    /// The id of the new upload.
    pub upload_id: String,
    /// `any` where parts may have any length, announced or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_length: Option<String>,
    /// Otherwise: the minimum length of every part but the last, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_part_bytes: Option<u64>,
    /// Otherwise: the maximum length of a part, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_part_bytes: Option<u64>,
}

/// Input of `getPartUploadUrl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPartUploadUrl {
    /// The id of the upload.
    pub upload_id: String,
    /// The part's number, 1 to 10000; checked by the handler, which answers InvalidPartNumber.
    pub part_number: Value,
}

/// Output of `getPartUploadUrl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartTarget {
    /// The URL to send the part to; needs no header.
    pub url: String,
    /// `PUT`.
    pub method: String,
    /// The same target as headers, for clients that prefer a token.
    pub headers: PartHeaders,
}

/// Headers of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartHeaders {
    /// The id of the upload.
    #[serde(rename = "X-Upload-Id")]
    pub upload_id: String,
    /// The part's number.
    #[serde(rename = "X-Part-Number")]
    pub part_number: String,
}

/// Input of `completeUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteUpload {
    /// The id of the upload.
    pub upload_id: String,
    /// The digest of the whole blob; checked by the handler, which answers InvalidDigest.
    pub digest: String,
    /// All parts, in any order.
    pub parts: Vec<CompletedPart>,
}

/// One part of `completeUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompletedPart {
    /// The part's number, 1 to 10000.
    pub part_number: Value,
    /// The part's ETag as in the response of its upload, quoted or not.
    pub etag: String,
}

/// Input of `abortUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortUpload {
    /// The id of the upload.
    pub upload_id: String,
}

/// Output of `completeUpload` and `abortUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadStatus {
    /// The outcome of the upload.
    pub status: UploadOutcome,
    /// The blob's digest, when completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The outcome of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadOutcome {
    /// It became a blob.
    Completed,
    /// It was aborted.
    Aborted,
}

/// Output of `uploadPart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    /// The part's ETag, without quotes.
    pub etag: String,
}

/// Output of `com.atproto.sync.getBlob` for an OCI digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobLocation {
    /// The URL of the bytes; needs no header.
    pub url: String,
}

/// Input of `requestCrew`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestCrew {
    /// The role, for display; `owner` is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The permissions that the account asks for; at most reading and writing are granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

/// Output of `requestCrew`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestCrewOutput {
    /// Whether the record was created.
    pub status: CrewOutcome,
    /// A message for people.
    pub message: String,
    /// The URI of the crew record.
    pub uri: AtUri,
    /// The CID of the crew record.
    pub cid: String,
}

/// The outcome of a request to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrewOutcome {
    /// The account was added to the crew.
    Created,
    /// The account was a member already.
    AlreadyMember,
}
