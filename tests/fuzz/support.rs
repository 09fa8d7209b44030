//! What the targets share: a repository of one's own, and the import of somebody else's.

use std::collections::{BTreeMap, HashMap, HashSet};

use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{Cid, RepoError, car, record};

/// Reads a CAR as an import does, but into memory: the records by path, or why it is none of a repository.
/// It comes in pieces of `piece` bytes.
pub fn import(file: &[u8], piece: usize, max_section: usize) -> Result<BTreeMap<String, Cid>, RepoError> {
    let mut reader = car::Reader::new(max_section);
    let mut blocks = HashMap::new();
    for bytes in file.chunks(piece.max(1)) {
        reader.push(bytes);
        while let Some((cid, block)) = reader.next_block()? {
            assert!(block.len() <= max_section);
            blocks.insert(cid, block.to_vec());
        }
    }
    let roots = reader.roots().unwrap_or_default().to_vec();
    reader.finish()?;
    let [root] = roots.as_slice() else { return Err(RepoError::InvalidCar("it must have one root")) };
    let commit = Commit::decode(blocks.get(root).ok_or(RepoError::MissingBlock(*root))?)?;
    records(&blocks, commit.data)
}

/// Walks the tree at `root`, every record of which must be there and valid.
pub fn records(blocks: &HashMap<Cid, Vec<u8>>, root: Cid) -> Result<BTreeMap<String, Cid>, RepoError> {
    let (mut found, mut nodes) = (BTreeMap::new(), HashSet::new());
    mst::walk::<RepoError>(blocks, root, |visit| {
        match visit {
            Visit::Node { cid, .. } => assert!(nodes.insert(*cid) || found.is_empty(), "a node twice"),
            Visit::Leaf { key, value } => {
                let block = blocks.get(value).ok_or(RepoError::MissingBlock(*value))?;
                record::check(key, value, block)?;
                let last = found.last_key_value().map(|(last, _): (&String, _)| last.as_str());
                assert!(last.is_none_or(|last| last < key), "keys rise");
                found.insert(key.to_owned(), *value);
            }
        }
        Ok(())
    })?;
    Ok(found)
}
