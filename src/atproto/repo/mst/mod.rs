//! The Merkle search tree: a sorted map of record paths to record CIDs, whose shape is determined by its keys alone.
//! <https://atproto.com/specs/repository#mst-structure>
//!
//! The tree stays in the block store. An operation loads only the nodes on the paths that it touches, so memory depends
//! on the size of a commit and not on that of the repository. Nothing here writes: [`apply`] returns the blocks to add
//! and to drop.
//!
//! Every loaded node is checked completely: hash, encoding, order and height of its keys, its place between those of
//! its parents. A damaged store leads to an error instead of a signed commit of a damaged tree.

mod cover;
mod key;
mod node;
mod read;
mod tree;

use std::collections::HashMap;

use super::{Cid, RepoError};
use tree::Tree;

pub use key::{common_prefix, height};
pub use read::{Proof, Visit, beside, get, proof, survey, walk};

/// The source of nodes.
pub trait Blocks {
    /// Returns the block of `cid`; `None` when it does not exist.
    ///
    /// # Errors
    /// [`RepoError::Source`] when the source fails.
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError>;
}

impl Blocks for HashMap<Cid, Vec<u8>> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        Ok(self.get(cid).cloned())
    }
}

/// A record to create, change or delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `collection/rkey`
    pub key: String,
    /// The record's CID; `None` to delete it.
    pub value: Option<Cid>,
}

/// The result of applying a commit's changes to the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The new root.
    pub root: Cid,
    /// Nodes that the old tree does not have, in no particular order.
    pub new: Vec<(Cid, Vec<u8>)>,
    /// Nodes of the old tree that the new one does not have.
    pub dropped: Vec<Cid>,
    /// The value before each change, in the order of the changes.
    pub previous: Vec<Option<Cid>>,
    /// Nodes of the new tree from its root to every changed key and to the neighbours on both sides of it. These alone
    /// are enough for [`invert`] to find the old root. They contain all that is in `new`.
    pub covering: Vec<(Cid, Vec<u8>)>,
}

/// The change of one record as a commit's event reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `collection/rkey`
    pub key: String,
    /// Its value in the new tree; `None` when it was deleted.
    pub value: Option<Cid>,
    /// Its value in the old tree; `None` when it was created.
    pub previous: Option<Cid>,
}

/// Applies changes, in their order, to the tree at `root` (`None`: the empty tree, whose node is not stored yet).
///
/// # Errors
/// [`RepoError::InvalidPath`] and [`RepoError::AbsentKey`] for invalid changes, [`RepoError::MissingBlock`] and
/// [`RepoError::InvalidNode`] for a damaged store, [`RepoError::Source`] when it fails.
pub fn apply(blocks: &impl Blocks, root: Option<Cid>, changes: &[Change]) -> Result<Applied, RepoError> {
    let mut tree = Tree::open(blocks, root)?;
    let mut previous = Vec::with_capacity(changes.len());
    for Change { key, value } in changes {
        key::check(key)?;
        let before = match value {
            Some(value) => tree.insert(key, *value)?,
            None => Some(tree.remove(key)?.ok_or_else(|| RepoError::AbsentKey(key.clone()))?),
        };
        previous.push(before);
    }
    let tree::Sealed { root, new, dropped } = tree.seal()?;
    let keys = changes.iter().map(|change| change.key.as_str()).collect();
    let covering = cover::cover(blocks, &new, &root, keys)?;
    Ok(Applied { root, new, dropped, previous, covering })
}

/// Returns the root of the tree before the operations, from no more blocks than a commit's event has to contain. The
/// operations are in the order in which they were applied.
///
/// # Errors
/// [`RepoError::OperationMismatch`] when the operations do not lead to the tree at `root`; otherwise as [`apply`].
pub fn invert(blocks: &impl Blocks, root: Cid, operations: &[Operation]) -> Result<Cid, RepoError> {
    let mut tree = Tree::open(blocks, Some(root))?;
    for Operation { key, value, previous } in operations.iter().rev() {
        key::check(key)?;
        let found = match previous {
            Some(previous) => tree.insert(key, *previous)?,
            None => tree.remove(key)?,
        };
        if found != *value || value == previous {
            return Err(RepoError::OperationMismatch(key.clone()));
        }
    }
    Ok(tree.seal()?.root)
}
