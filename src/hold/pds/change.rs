//! The changes of a commit.

use super::NewBlob;
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
    /// Only when the record has this CID now; `Some(None)`: only when it does not exist.
    pub swap: Option<Option<Cid>>,
}

/// A write of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordWrite {
    /// Add it; it must not exist.
    Create(Ipld),
    /// Replace it; it must exist.
    Update(Ipld),
    /// Add or replace it.
    Put(Ipld),
    /// Remove it; it must exist.
    Delete,
}

/// What one transaction does: record changes, all in one commit, and what goes with them unpublished.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Changes of the repository; those that change nothing are left out of the commit.
    pub changes: Vec<RecordChange>,
    /// Unpublished values by name.
    pub meta: Vec<(&'static str, String)>,
    /// Blobs that records refer to once the changes are made.
    pub blobs: Vec<NewBlob>,
    /// Whether it is refused where it would write a large node of the tree: one that adds keys that somebody chose.
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
    /// The record's place in the tree.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.collection, self.rkey)
    }
}
