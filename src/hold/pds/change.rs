//! The changes of a commit.

use super::NewBlob;
use atproto::lexicon::Swap;
use atproto::repo::Cid;
use atproto::repo::cbor::Ipld;
use atproto::syntax::{Nsid, RecordKey};

/// One write to one record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// The record's collection.
    pub collection: Nsid,
    /// The record's key.
    pub rkey: RecordKey,
    /// The write.
    pub write: RecordWrite,
    /// The precondition.
    pub swap: Swap<Cid>,
}

/// A write of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordWrite {
    /// Creates the record; it must not exist.
    Create(Ipld),
    /// Replaces the record; it must exist.
    Update(Ipld),
    /// Creates or replaces the record.
    Put(Ipld),
    /// Deletes the record; it must exist.
    Delete,
}

/// The plan of a transaction: record changes, all in one commit, and unpublished changes with them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Changes of records; those that change nothing are left out of the commit.
    pub changes: Vec<RecordChange>,
    /// Unpublished values to set, by name.
    pub meta: Vec<(&'static str, String)>,
    /// Blobs that the changed records refer to.
    pub blobs: Vec<NewBlob>,
    /// Whether a commit is refused that would write a large node of the tree; for plans that add keys which a client
    /// chose.
    pub spares_nodes: bool,
}

impl Plan {
    /// Makes a plan of these changes alone.
    #[must_use]
    pub fn of(changes: Vec<RecordChange>) -> Self {
        Self { changes, ..Self::default() }
    }
}

impl RecordChange {
    /// The record's key in the tree.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.collection, self.rkey)
    }
}
