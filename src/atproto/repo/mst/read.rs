//! Reads a tree without changing it: one key, its proof, or everything in order.

use super::node::{Bounds, Leaf, Link, Node};
use super::{Blocks, key};
use crate::repo::{Cid, RepoError};

/// A node or record that [`walk`] visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit<'a> {
    /// A node, before its leaves and subtrees.
    Node {
        /// Its CID.
        cid: &'a Cid,
        /// Its block.
        bytes: &'a [u8],
    },
    /// A record.
    Leaf {
        /// `collection/rkey`
        key: &'a str,
        /// The record's CID.
        value: &'a Cid,
    },
}

/// Returns the value of a key in the tree at `root`.
///
/// # Errors
/// [`RepoError::InvalidPath`], [`RepoError::MissingBlock`], [`RepoError::InvalidNode`], [`RepoError::Source`].
pub fn get(blocks: &impl Blocks, root: Cid, key: &str) -> Result<Option<Cid>, RepoError> {
    descend(blocks, root, key, |_, _, _| ())
}

/// The result of [`proof`]: the nodes from the root to a key, and its value if it has one.
pub type Proof = (Vec<(Cid, Vec<u8>)>, Option<Cid>);

/// Returns the nodes from the root to a key, and its value. For a key that is not in the tree they prove its absence.
///
/// # Errors
/// As [`get`].
pub fn proof(blocks: &impl Blocks, root: Cid, key: &str) -> Result<Proof, RepoError> {
    let mut nodes = Vec::new();
    let value = descend(blocks, root, key, |cid, bytes, _| nodes.push((cid, bytes)))?;
    Ok((nodes, value))
}

/// Returns the other keys of the node that has `key`, or would have it. A change of one key encodes the whole node
/// again, so these determine the cost of the next commit there.
///
/// # Errors
/// As [`get`].
pub fn beside(blocks: &impl Blocks, root: Cid, key: &str) -> Result<Vec<String>, RepoError> {
    let height = key::height(key);
    let mut found = Vec::new();
    descend(blocks, root, key, |_, _, node| {
        if node.layer == height {
            let others = node.leaves.iter().filter(|leaf| leaf.key != key);
            found = others.map(|leaf| leaf.key.clone()).collect();
        }
    })?;
    Ok(found)
}

fn descend(
    blocks: &impl Blocks,
    root: Cid,
    key: &str,
    mut passed: impl FnMut(Cid, Vec<u8>, &Node),
) -> Result<Option<Cid>, RepoError> {
    key::check(key)?;
    let (mut node, bytes) = Node::load_root(blocks, &root)?;
    passed(root, bytes, &node);
    // Keys of the parents on both sides, kept because the parents are not.
    let (mut after, mut before): (Option<String>, Option<String>) = (None, None);
    loop {
        let index = match node.position(key) {
            Ok(index) => return Ok(Some(node.leaves[index].value)),
            Err(index) => index,
        };
        let Link::Stored(cid) = node.children[index] else { return Ok(None) };
        let mut leaves = node.leaves.into_iter().map(|leaf| leaf.key).skip(index.saturating_sub(1));
        if index > 0 {
            after = leaves.next();
        }
        before = leaves.next().or(before);
        let bounds = Bounds { after: after.as_deref(), before: before.as_deref() };
        let (child, bytes) = Node::load_child(blocks, &cid, node.layer, bounds)?;
        passed(cid, bytes, &child);
        node = child;
    }
}

/// Calls `visitor` with every node and, in the order of their keys, every record. It holds one node of each layer at a
/// time.
///
/// # Errors
/// The error of `visitor`, which ends the walk; otherwise as [`get`].
pub fn walk<E: From<RepoError>>(
    blocks: &impl Blocks,
    root: Cid,
    mut visitor: impl FnMut(Visit<'_>) -> Result<(), E>,
) -> Result<(), E> {
    survey(blocks, root, |seen| visitor(seen?))
}

/// As [`walk`], but continues after a subtree whose node cannot be loaded: the visitor gets the error instead of it.
///
/// # Errors
/// The error of `visitor`, which ends the walk.
pub fn survey<E>(
    blocks: &impl Blocks,
    root: Cid,
    mut visitor: impl FnMut(Result<Visit<'_>, RepoError>) -> Result<(), E>,
) -> Result<(), E> {
    let (node, bytes) = match Node::load_root(blocks, &root) {
        Ok(loaded) => loaded,
        Err(error) => return visitor(Err(error)),
    };
    visitor(Ok(Visit::Node { cid: &root, bytes: &bytes }))?;
    drop(bytes);
    survey_below(blocks, &node, Bounds::default(), &mut visitor)
}

fn survey_below<E>(
    blocks: &impl Blocks,
    node: &Node,
    bounds: Bounds<'_>,
    visitor: &mut impl FnMut(Result<Visit<'_>, RepoError>) -> Result<(), E>,
) -> Result<(), E> {
    for (index, link) in node.children.iter().enumerate() {
        if let Link::Stored(cid) = link {
            let bounds = bounds.of_child(&node.leaves, index);
            match Node::load_child(blocks, cid, node.layer, bounds) {
                Ok((child, bytes)) => {
                    visitor(Ok(Visit::Node { cid, bytes: &bytes }))?;
                    drop(bytes);
                    survey_below(blocks, &child, bounds, visitor)?;
                }
                Err(error) => visitor(Err(error))?,
            }
        }
        if let Some(Leaf { key, value }) = node.leaves.get(index) {
            visitor(Ok(Visit::Leaf { key, value }))?;
        }
    }
    Ok(())
}
