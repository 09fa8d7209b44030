//! Inputs and outputs of `com.atproto.repo.*`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::syntax::AtUri;

/// Input of `createRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRecord {
    /// The repository: a DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// The record key; the server generates one if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rkey: Option<String>,
    /// The record.
    pub record: Value,
    /// The commit at which the repository must be, else the write is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `putRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutRecord {
    /// The repository: a DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// The record key.
    pub rkey: String,
    /// The record.
    pub record: Value,
    /// The CID that the record must have, else the write is refused; `null`: the record must not exist.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub swap_record: Option<Option<String>>,
    /// The commit at which the repository must be, else the write is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `deleteRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteRecord {
    /// The repository: a DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// The record key.
    pub rkey: String,
    /// The CID that the record must have, else the write is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_record: Option<String>,
    /// The commit at which the repository must be, else the write is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyWrites {
    /// The repository: a DID or handle.
    pub repo: String,
    /// The writes: at most 200, applied all or none.
    pub writes: Vec<WriteOperation>,
    /// The commit at which the repository must be, else the writes are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// One write of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$type")]
pub enum WriteOperation {
    /// Creates a record.
    #[serde(rename = "com.atproto.repo.applyWrites#create")]
    Create {
        /// The collection.
        collection: String,
        /// The record key; the server generates one if it is absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        rkey: Option<String>,
        /// The record.
        value: Value,
    },
    /// Replaces a record.
    #[serde(rename = "com.atproto.repo.applyWrites#update")]
    Update {
        /// The collection.
        collection: String,
        /// The record key.
        rkey: String,
        /// The record.
        value: Value,
    },
    /// Deletes a record.
    #[serde(rename = "com.atproto.repo.applyWrites#delete")]
    Delete {
        /// The collection.
        collection: String,
        /// The record key.
        rkey: String,
    },
}

/// The commit of a write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitMeta {
    /// CID of the commit.
    pub cid: String,
    /// The revision.
    pub rev: String,
}

/// The result of a write to one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordResult {
    /// `com.atproto.repo.applyWrites#createResult`, `#updateResult` or `#deleteResult`; absent outside applyWrites.
    #[serde(rename = "$type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The URI of the record; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<AtUri>,
    /// The CID of the record; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The commit; absent when nothing changed and inside applyWrites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitMeta>,
    /// `valid`: every record written was checked against its lexicon; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<String>,
}

/// Output of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyWritesOutput {
    /// The commit; absent when nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitMeta>,
    /// The result of each write, in their order.
    pub results: Vec<RecordResult>,
}

/// A record, as the output of `getRecord` and as an entry of `listRecords`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// The URI of the record.
    pub uri: AtUri,
    /// The CID of the record; a server may leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The record.
    pub value: Value,
}

/// Output of `listRecords`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordPage {
    /// The records of this page.
    pub records: Vec<RecordView>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Tells a field that is `null` from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}
