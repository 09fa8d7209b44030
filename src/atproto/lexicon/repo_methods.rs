//! Inputs and outputs of `com.atproto.repo.*`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::syntax::AtUri;

/// Input of `createRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRecord {
    /// Our DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// Wanted key; ours is used when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rkey: Option<String>,
    /// The record.
    pub record: Value,
    /// Only when the repository is at this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `putRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutRecord {
    /// Our DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// The key.
    pub rkey: String,
    /// The record.
    pub record: Value,
    /// Only when the record has this CID; `null`: only when it does not exist.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub swap_record: Option<Option<String>>,
    /// Only when the repository is at this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `deleteRecord`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteRecord {
    /// Our DID or handle.
    pub repo: String,
    /// The collection.
    pub collection: String,
    /// The key.
    pub rkey: String,
    /// Only when the record has this CID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_record: Option<String>,
    /// Only when the repository is at this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// Input of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyWrites {
    /// Our DID or handle.
    pub repo: String,
    /// At most 200, all or none.
    pub writes: Vec<WriteOperation>,
    /// Only when the repository is at this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_commit: Option<String>,
}

/// One write of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$type")]
pub enum WriteOperation {
    /// Adds a record.
    #[serde(rename = "com.atproto.repo.applyWrites#create")]
    Create {
        /// The collection.
        collection: String,
        /// Wanted key; ours is used when absent.
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
        /// The key.
        rkey: String,
        /// The record.
        value: Value,
    },
    /// Removes a record.
    #[serde(rename = "com.atproto.repo.applyWrites#delete")]
    Delete {
        /// The collection.
        collection: String,
        /// The key.
        rkey: String,
    },
}

/// The commit a write made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitMeta {
    /// CID of the commit.
    pub cid: String,
    /// Its revision.
    pub rev: String,
}

/// What a write answers for one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordResult {
    /// `com.atproto.repo.applyWrites#createResult` and its like; absent outside applyWrites.
    #[serde(rename = "$type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The record; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<AtUri>,
    /// Its CID; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The commit; absent when nothing changed and inside applyWrites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitMeta>,
    /// Every record written was checked against its lexicon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<String>,
}

/// Output of `applyWrites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyWritesOutput {
    /// The commit; absent when nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitMeta>,
    /// One for each write, in their order.
    pub results: Vec<RecordResult>,
}

/// A record as `getRecord` answers it, and as an entry of `listRecords`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// Its address.
    pub uri: AtUri,
    /// Its CID; a server may leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The record.
    pub value: Value,
}

/// Output of `listRecords`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordPage {
    /// Some records of the collection.
    pub records: Vec<RecordView>,
    /// Where the next ones are; absent behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Tells a field that is `null` from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}
