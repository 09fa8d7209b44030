//! A tree under change: nodes are loaded when an operation reaches them.
//!
//! Recursion goes down one layer at a time, and there are at most 129. After an error the tree must not be used again.

use std::collections::HashSet;
use std::mem::{replace, take};

use super::node::{Bounds, Leaf, Link, Node};
use super::{Blocks, key};
use crate::repo::{Cid, RepoError, cid};

/// A tree with changes that are not encoded yet.
pub(super) struct Tree<'b, B> {
    store: Store<'b, B>,
    root: Box<Node>,
}

/// A tree whose nodes are all encoded.
pub(super) struct Sealed {
    pub(super) root: Cid,
    /// Nodes that the tree did not have when it was opened.
    pub(super) new: Vec<(Cid, Vec<u8>)>,
    /// Nodes that it had then and no longer has.
    pub(super) dropped: Vec<Cid>,
}

/// The source of nodes, and the CIDs of those that have changed since.
struct Store<'b, B> {
    blocks: &'b B,
    changed: HashSet<Cid>,
}

impl<'b, B: Blocks> Tree<'b, B> {
    /// Opens the tree at `root`, or an empty one.
    pub(super) fn open(blocks: &'b B, root: Option<Cid>) -> Result<Self, RepoError> {
        let root = match root {
            Some(root) => Node::load_root(blocks, &root)?.0,
            None => Node::bridge(0, Link::Empty),
        };
        Ok(Self { store: Store { blocks, changed: HashSet::new() }, root: Box::new(root) })
    }

    /// Sets the value of a key, and returns the previous one.
    pub(super) fn insert(&mut self, key: &str, value: Cid) -> Result<Option<Cid>, RepoError> {
        let height = key::height(key);
        while self.root.layer < height {
            let layer = self.root.layer + 1;
            if self.root.is_hollow() {
                self.store.touch(&mut self.root);
                self.root.layer = layer;
            } else {
                let below = replace(&mut self.root, Box::new(Node::bridge(layer, Link::Empty)));
                self.root.children = vec![Link::Loaded(below)];
            }
        }
        self.store.insert(&mut self.root, Leaf { key: key.to_owned(), value }, height, Bounds::default())
    }

    /// Removes a key and returns its value; `None` when it does not exist.
    pub(super) fn remove(&mut self, key: &str) -> Result<Option<Cid>, RepoError> {
        self.store.remove(&mut self.root, key, key::height(key), Bounds::default())
    }

    /// Encodes the changed nodes.
    pub(super) fn seal(mut self) -> Result<Sealed, RepoError> {
        // The root is the highest node with keys; in the empty tree it is the node of layer 0.
        while self.root.leaves.is_empty() {
            let Some(link) = self.root.children.first_mut() else { break };
            let Some(child) = self.store.take(link, self.root.layer, Bounds::default())? else { break };
            self.store.touch(&mut self.root);
            self.root = child;
        }
        let mut written = Vec::new();
        let root = encode(&self.root, &mut written)?;
        // A node may have been changed and changed back.
        let mut dropped = self.store.changed;
        let new = written.into_iter().filter(|(cid, _)| !dropped.remove(cid)).collect();
        Ok(Sealed { root, new, dropped: dropped.into_iter().collect() })
    }
}

impl<B: Blocks> Store<'_, B> {
    /// Records that the node differs from its stored block.
    fn touch(&mut self, node: &mut Node) {
        self.changed.extend(node.origin.take());
    }

    /// Loads the child at `link` in place, and returns it.
    fn child<'n>(
        &self,
        link: &'n mut Link,
        parent_layer: u32,
        bounds: Bounds<'_>,
    ) -> Result<Option<&'n mut Node>, RepoError> {
        if let Link::Stored(cid) = link {
            let (node, _) = Node::load_child(self.blocks, cid, parent_layer, bounds)?;
            *link = Link::Loaded(Box::new(node));
        }
        Ok(match link {
            Link::Loaded(node) => Some(node),
            _ => None,
        })
    }

    /// Loads the child at `link` and moves it out.
    fn take(&self, link: &mut Link, parent_layer: u32, bounds: Bounds<'_>) -> Result<Option<Box<Node>>, RepoError> {
        self.child(link, parent_layer, bounds)?;
        Ok(match take(link) {
            Link::Loaded(node) => Some(node),
            _ => None,
        })
    }

    /// Inserts `leaf` below `node`, which is of the key's layer or above it.
    fn insert(
        &mut self,
        node: &mut Node,
        leaf: Leaf,
        height: u32,
        bounds: Bounds<'_>,
    ) -> Result<Option<Cid>, RepoError> {
        let index = match node.position(&leaf.key) {
            Ok(index) => {
                let before = node.leaves[index].value;
                if before != leaf.value {
                    self.touch(node);
                    node.leaves[index].value = leaf.value;
                }
                return Ok(Some(before));
            }
            Err(index) => index,
        };
        let (layer, value) = (node.layer, leaf.value);
        let bounds = bounds.of_child(&node.leaves, index);
        let link = &mut node.children[index];
        if height == layer {
            let (left, right) = self.split(link, layer, &leaf.key, bounds)?;
            *link = left;
            node.children.insert(index + 1, right);
            node.leaves.insert(index, leaf);
            self.touch(node);
            return Ok(None);
        }
        if matches!(link, Link::Empty) {
            *link = Link::Loaded(Box::new(Node::bridge(layer - 1, Link::Empty)));
        }
        let Some(child) = self.child(link, layer, bounds)? else { return Ok(None) };
        let before = self.insert(child, leaf, height, bounds)?;
        if before != Some(value) {
            self.touch(node);
        }
        Ok(before)
    }

    /// Removes `key` below `node`, which may be of any layer.
    fn remove(
        &mut self,
        node: &mut Node,
        key: &str,
        height: u32,
        bounds: Bounds<'_>,
    ) -> Result<Option<Cid>, RepoError> {
        let layer = node.layer;
        match node.position(key) {
            Ok(index) => {
                let left_bounds = bounds.of_child(&node.leaves, index);
                let right_bounds = bounds.of_child(&node.leaves, index + 1);
                let left = take(&mut node.children[index]);
                let right = take(&mut node.children[index + 1]);
                let merged = self.merge(left, left_bounds, right, right_bounds, layer)?;
                let leaf = node.leaves.remove(index);
                node.children.remove(index + 1);
                node.children[index] = merged;
                self.touch(node);
                Ok(Some(leaf.value))
            }
            Err(_) if height >= layer => Ok(None),
            Err(index) => {
                let bounds = bounds.of_child(&node.leaves, index);
                let link = &mut node.children[index];
                let Some(child) = self.child(link, layer, bounds)? else { return Ok(None) };
                let removed = self.remove(child, key, height, bounds)?;
                if removed.is_some() {
                    if child.is_hollow() {
                        *link = Link::Empty;
                    }
                    self.touch(node);
                }
                Ok(removed)
            }
        }
    }

    /// Splits the subtree at `link` into the parts before and after `key`, which is not in it.
    fn split(
        &mut self,
        link: &mut Link,
        parent_layer: u32,
        key: &str,
        bounds: Bounds<'_>,
    ) -> Result<(Link, Link), RepoError> {
        let Some(mut left) = self.take(link, parent_layer, bounds)? else { return Ok((Link::Empty, Link::Empty)) };
        self.touch(&mut left);
        let (Ok(index) | Err(index)) = left.position(key);
        let bounds = bounds.of_child(&left.leaves, index);
        let (before, after) = self.split(&mut left.children[index], left.layer, key, bounds)?;
        let mut right = Node::bridge(left.layer, after);
        right.leaves = left.leaves.split_off(index);
        right.children.extend(left.children.drain(index + 1..));
        left.children[index] = before;
        Ok((link_to(left), link_to(Box::new(right))))
    }

    /// Merges two neighbouring subtrees after the removal of the key between them.
    fn merge(
        &mut self,
        mut left: Link,
        left_bounds: Bounds<'_>,
        mut right: Link,
        right_bounds: Bounds<'_>,
        parent_layer: u32,
    ) -> Result<Link, RepoError> {
        if matches!(right, Link::Empty) {
            return Ok(left);
        }
        if matches!(left, Link::Empty) {
            return Ok(right);
        }
        let taken =
            (self.take(&mut left, parent_layer, left_bounds)?, self.take(&mut right, parent_layer, right_bounds)?);
        let (Some(mut left), Some(mut right)) = taken else { return Ok(Link::Empty) };
        self.touch(&mut left);
        self.touch(&mut right);
        let last = left.leaves.len();
        let left_bounds = left_bounds.of_child(&left.leaves, last);
        let right_bounds = right_bounds.of_child(&right.leaves, 0);
        let (inner_left, inner_right) = (take(&mut left.children[last]), take(&mut right.children[0]));
        let middle = self.merge(inner_left, left_bounds, inner_right, right_bounds, left.layer)?;
        left.children[last] = middle;
        left.children.extend(right.children.drain(1..));
        left.leaves.append(&mut right.leaves);
        Ok(Link::Loaded(left))
    }
}

fn link_to(node: Box<Node>) -> Link {
    if node.is_hollow() { Link::Empty } else { Link::Loaded(node) }
}

/// Returns the node's CID. Blocks of changed nodes are appended to `written`, subtrees first.
fn encode(node: &Node, written: &mut Vec<(Cid, Vec<u8>)>) -> Result<Cid, RepoError> {
    if let Some(origin) = node.origin {
        return Ok(origin);
    }
    let mut child_cids = Vec::with_capacity(node.children.len());
    for child in &node.children {
        child_cids.push(match child {
            Link::Empty => None,
            Link::Stored(cid) => Some(*cid),
            Link::Loaded(child) => Some(encode(child, written)?),
        });
    }
    let bytes = Node::encode(&node.leaves, &child_cids)?;
    let cid = cid::dag_cbor(&bytes);
    written.push((cid, bytes));
    Ok(cid)
}
