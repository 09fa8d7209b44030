//! Inputs and outputs of `com.atproto.repo.*`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
    /// What must be stored, else the write is refused.
    #[serde(default, skip_serializing_if = "Swap::is_any")]
    pub swap_record: Swap<String>,
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

/// The precondition of a write: the record that must be stored, by its CID of type `C`.
///
/// In JSON [`Swap::Any`] is a field that is absent, [`Swap::Absent`] is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Swap<C> {
    /// Any record, or none.
    #[default]
    Any,
    /// No record.
    Absent,
    /// The record with this CID.
    Cid(C),
}

impl<C: PartialEq> Swap<C> {
    /// Whether a write may replace what is stored: the record with this CID, or none.
    #[must_use]
    pub fn allows(&self, stored: Option<&C>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => stored.is_none(),
            Self::Cid(cid) => stored == Some(cid),
        }
    }
}

impl<C> Swap<C> {
    /// Converts the CID.
    ///
    /// # Errors
    /// That of `convert`.
    pub fn try_map<D, E>(self, convert: impl FnOnce(C) -> Result<D, E>) -> Result<Swap<D>, E> {
        Ok(match self {
            Self::Any => Swap::Any,
            Self::Absent => Swap::Absent,
            Self::Cid(cid) => Swap::Cid(convert(cid)?),
        })
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl<C: Serialize> Serialize for Swap<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any | Self::Absent => serializer.serialize_none(),
            Self::Cid(cid) => cid.serialize(serializer),
        }
    }
}

impl<'de, C: Deserialize<'de>> Deserialize<'de> for Swap<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Absent, Self::Cid))
    }
}
