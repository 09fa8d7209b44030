//! Inputs and outputs of `io.atcr.hold.*`. What a client sends is kept as loosely typed as its own check needs,
//! so that each wrong field can be answered with its own error name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::syntax::{AtUri, Digest};

/// Input of `initiateUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitiateUpload {
    /// A temporary name of the client's choice, 1 to 128 characters; never used as a name here.
    pub digest: String,
}

/// Output of `initiateUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadIdOutput {
    /// The new upload.
    pub upload_id: String,
    /// `any` where parts of any length are taken, also of one that is not announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_length: Option<String>,
    /// Otherwise the least bytes of every part but the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_part_bytes: Option<u64>,
    /// Otherwise the most bytes of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_part_bytes: Option<u64>,
}

/// Input of `getPartUploadUrl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPartUploadUrl {
    /// The upload.
    pub upload_id: String,
    /// 1 to 10000; checked by the handler, which answers InvalidPartNumber.
    pub part_number: Value,
}

/// Output of `getPartUploadUrl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartTarget {
    /// Where the part goes; needs no header.
    pub url: String,
    /// `PUT`.
    pub method: String,
    /// The same as headers, for clients that prefer a token.
    pub headers: PartHeaders,
}

/// Headers of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartHeaders {
    /// The upload.
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
    /// The upload.
    pub upload_id: String,
    /// The final digest; checked by the handler, which answers InvalidDigest.
    pub digest: String,
    /// All parts, in any order.
    pub parts: Vec<CompletedPart>,
}

/// One part of `completeUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompletedPart {
    /// 1 to 10000.
    pub part_number: Value,
    /// As the part's answer gave it, quoted or bare.
    pub etag: String,
}

/// Input of `abortUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortUpload {
    /// The upload.
    pub upload_id: String,
}

/// Output of `completeUpload` and `abortUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadStatus {
    /// What became of the upload.
    pub status: UploadOutcome,
    /// The blob's name, when completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadOutcome {
    /// It is a blob.
    Completed,
    /// It was given up.
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
    /// Where the bytes are; needs no header.
    pub url: String,
}

/// Input of `requestCrew`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestCrew {
    /// A word for people; `owner` cannot be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the account asks for; at most reading and writing is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

/// Output of `requestCrew`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestCrewOutput {
    /// Whether the record is new.
    pub status: CrewOutcome,
    /// A sentence for people.
    pub message: String,
    /// The crew record.
    pub uri: AtUri,
    /// Its CID.
    pub cid: String,
}

/// What became of a request to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrewOutcome {
    /// The account is a member now.
    Created,
    /// It was one already.
    AlreadyMember,
}
