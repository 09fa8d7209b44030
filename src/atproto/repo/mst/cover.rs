//! The covering proof of a commit: the nodes that a reader of the firehose needs to invert its operations.
//! <https://atproto.com/specs/sync#commit-message-validation>

use std::collections::HashMap;

use super::Blocks;
use super::node::{Bounds, Link, Node};
use crate::repo::{Cid, RepoError};

/// Returns the nodes of the tree at `root` whose range of keys contains or touches one of `keys`. For a key in the tree
/// these are its own path and the paths to both neighbours; for another key, the path down into the gap where it would
/// be.
pub(super) fn cover(
    blocks: &impl Blocks,
    new: &[(Cid, Vec<u8>)],
    root: &Cid,
    mut keys: Vec<&str>,
) -> Result<Vec<(Cid, Vec<u8>)>, RepoError> {
    keys.sort_unstable();
    let source = Overlay { new: new.iter().map(|(cid, bytes)| (cid, bytes)).collect(), stored: blocks };
    let (node, bytes) = Node::load_root(&source, root)?;
    let mut covering = vec![(*root, bytes)];
    cover_below(&source, &node, Bounds::default(), &keys, &mut covering)?;
    Ok(covering)
}

/// The new blocks over the stored ones.
struct Overlay<'a, B> {
    new: HashMap<&'a Cid, &'a Vec<u8>>,
    stored: &'a B,
}

impl<B: Blocks> Blocks for Overlay<'_, B> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        match self.new.get(cid) {
            Some(bytes) => Ok(Some((*bytes).clone())),
            None => self.stored.block(cid),
        }
    }
}

/// Adds the covering nodes below `node`. `keys` are sorted.
fn cover_below(
    blocks: &impl Blocks,
    node: &Node,
    bounds: Bounds<'_>,
    keys: &[&str],
    covering: &mut Vec<(Cid, Vec<u8>)>,
) -> Result<(), RepoError> {
    for (index, link) in node.children.iter().enumerate() {
        let Link::Stored(cid) = link else { continue };
        let bounds = bounds.of_child(&node.leaves, index);
        let start = keys.partition_point(|key| bounds.after.is_some_and(|after| *key < after));
        let end = keys.partition_point(|key| bounds.before.is_none_or(|before| *key <= before));
        if start < end {
            let (child, bytes) = Node::load_child(blocks, cid, node.layer, bounds)?;
            covering.push((*cid, bytes));
            cover_below(blocks, &child, bounds, &keys[start..end], covering)?;
        }
    }
    Ok(())
}
