//! A node: its form in memory and its canonical form as a block.

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

use super::{Blocks, key};
use crate::repo::{Cid, RepoError, cbor, cid};

/// A node of layer n has the keys of height n; between them are the subtrees of layer n - 1.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) layer: u32,
    /// The leaves in the order of their keys. Empty in the empty tree and in nodes that only bridge a layer.
    pub(super) leaves: Vec<Leaf>,
    /// The subtrees: one before each leaf and one after the last, so always one more than `leaves`.
    pub(super) children: Vec<Link>,
    /// The CID of the block that it was loaded from, as long as nothing in it or below it has changed.
    pub(super) origin: Option<Cid>,
}

#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) value: Cid,
}

/// A link to a subtree.
#[derive(Debug, Default)]
pub(super) enum Link {
    #[default]
    Empty,
    Stored(Cid),
    Loaded(Box<Node>),
}

/// The keys between which a subtree lies, exclusive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds<'k> {
    pub(super) after: Option<&'k str>,
    pub(super) before: Option<&'k str>,
}

impl<'k> Bounds<'k> {
    /// Returns the bounds of the child at `index` beside `leaves`, in a node with these bounds.
    pub(super) fn of_child(self, leaves: &'k [Leaf], index: usize) -> Self {
        let key = |index: usize| leaves.get(index).map(|leaf| leaf.key.as_str());
        Self { after: index.checked_sub(1).and_then(key).or(self.after), before: key(index).or(self.before) }
    }
}

/// The form of the block. `l` is the subtree before all entries.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block<'a> {
    #[serde(borrow)]
    e: Vec<Entry<'a>>,
    l: Option<Cid>,
}

/// A leaf: its key without the `p` bytes that it shares with the key before it, and the subtree `t` after it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    k: &'a Bytes,
    p: usize,
    t: Option<Cid>,
    v: Cid,
}

impl Node {
    /// Creates a node without keys above `child`.
    pub(super) fn bridge(layer: u32, child: Link) -> Self {
        Self { layer, leaves: Vec::new(), children: vec![child], origin: None }
    }

    /// Whether the node has neither keys nor subtrees.
    pub(super) fn is_hollow(&self) -> bool {
        self.leaves.is_empty() && matches!(self.children.as_slice(), [Link::Empty])
    }

    /// Returns the index of `key` among the leaves, or else that of the child that it belongs to.
    pub(super) fn position(&self, key: &str) -> Result<usize, usize> {
        self.leaves.binary_search_by(|leaf| leaf.key.as_str().cmp(key))
    }

    /// Loads the root of a tree.
    pub(super) fn load_root(blocks: &impl Blocks, cid: &Cid) -> Result<(Self, Vec<u8>), RepoError> {
        Self::load(blocks, cid, None)
    }

    /// Loads a node of the layer below `parent_layer`, whose keys must be within `bounds`.
    pub(super) fn load_child(
        blocks: &impl Blocks,
        cid: &Cid,
        parent_layer: u32,
        bounds: Bounds<'_>,
    ) -> Result<(Self, Vec<u8>), RepoError> {
        let invalid = |reason| RepoError::InvalidNode { cid: *cid, reason };
        let layer = parent_layer.checked_sub(1).ok_or(invalid("it lies below the lowest layer"))?;
        let (node, bytes) = Self::load(blocks, cid, Some(layer))?;
        if let [first, ..] = node.leaves.as_slice()
            && bounds.after.is_some_and(|after| first.key.as_str() <= after)
        {
            return Err(invalid("its keys are before their place"));
        }
        if let [.., last] = node.leaves.as_slice()
            && bounds.before.is_some_and(|before| last.key.as_str() >= before)
        {
            return Err(invalid("its keys are after their place"));
        }
        Ok((node, bytes))
    }

    fn load(blocks: &impl Blocks, cid: &Cid, layer: Option<u32>) -> Result<(Self, Vec<u8>), RepoError> {
        let bytes = blocks.block(cid)?.ok_or(RepoError::MissingBlock(*cid))?;
        let node = Self::decode(cid, &bytes, layer).map_err(|reason| RepoError::InvalidNode { cid: *cid, reason })?;
        Ok((node, bytes))
    }

    /// Decodes a block. A root (`layer` unknown) has keys, or is the empty tree; other nodes have keys or a subtree.
    fn decode(cid: &Cid, bytes: &[u8], layer: Option<u32>) -> Result<Self, &'static str> {
        if !cid::is_dag_cbor(cid) || !cid::matches(cid, bytes) {
            return Err("its bytes have another hash");
        }
        let block: Block<'_> = cbor::read(bytes).map_err(|_| "it is not a tree node in DAG-CBOR")?;
        let mut leaves: Vec<Leaf> = Vec::with_capacity(block.e.len());
        let mut children = vec![child(block.l)?];
        for Entry { k, p, t, v } in block.e {
            let before = leaves.last().map_or("", |leaf| leaf.key.as_str());
            let key = full_key(before, p, k)?;
            cid::check(&v).map_err(|_| "a value is not a CID of a record")?;
            leaves.push(Leaf { key, value: v });
            children.push(child(t)?);
        }
        let is_root = layer.is_none();
        let layer = layer.unwrap_or_else(|| leaves.first().map_or(0, |leaf| key::height(&leaf.key)));
        let node = Self { layer, leaves, children, origin: Some(*cid) };
        node.check_shape(is_root)?;
        Ok(node)
    }

    fn check_shape(&self, is_root: bool) -> Result<(), &'static str> {
        if self.leaves.iter().any(|leaf| key::height(&leaf.key) != self.layer) {
            return Err("a key is not of its layer");
        }
        if self.layer == 0 && self.children.iter().any(|link| !matches!(link, Link::Empty)) {
            return Err("it has a subtree below the lowest layer");
        }
        match (is_root, self.leaves.is_empty(), self.is_hollow()) {
            (true, true, false) => Err("it is a root without keys"),
            (false, _, true) => Err("it is empty"),
            _ => Ok(()),
        }
    }

    /// Encodes a node. Its children must be stored: `child_cids` are their CIDs.
    pub(super) fn encode(leaves: &[Leaf], child_cids: &[Option<Cid>]) -> Result<Vec<u8>, RepoError> {
        let mut before = "";
        let mut e = Vec::with_capacity(leaves.len());
        for (leaf, t) in leaves.iter().zip(child_cids.iter().skip(1)) {
            let p = key::common_prefix(before, &leaf.key);
            e.push(Entry { k: Bytes::new(&leaf.key.as_bytes()[p..]), p, t: *t, v: leaf.value });
            before = &leaf.key;
        }
        cbor::write(&Block { e, l: child_cids.first().copied().flatten() })
    }
}

fn child(cid: Option<Cid>) -> Result<Link, &'static str> {
    match cid {
        None => Ok(Link::Empty),
        Some(cid) if cid::is_dag_cbor(&cid) => Ok(Link::Stored(cid)),
        Some(_) => Err("a subtree is not a CID of a node"),
    }
}

/// Returns the key that has the first `prefix` bytes of the key before it; that must be the whole common prefix.
fn full_key(before: &str, prefix: usize, rest: &[u8]) -> Result<String, &'static str> {
    let rest = std::str::from_utf8(rest).map_err(|_| "a key is not text")?;
    let shared = before.get(..prefix).ok_or("a key shares more than there is")?;
    let key = [shared, rest].concat();
    key::check(&key).map_err(|_| "a key is not a record path")?;
    if key::common_prefix(before, &key) != prefix {
        return Err("a key shares more than it says");
    }
    if before < key.as_str() { Ok(key) } else { Err("its keys are not in order") }
}
