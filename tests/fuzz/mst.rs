//! Trees: hostile nodes give errors, and operations on good ones keep the shape that the keys alone decide.
//!
//! The input's first byte chooses. Even: blocks, each after two bytes of length, the first being the root's; the
//! placeholder CIDs in them are replaced by those of other blocks, so that a mutation need not find a hash.
//! Odd: a script of changes, three bytes each.
#![no_main]

use std::collections::{BTreeMap, HashMap};

use support::records;
use atproto::repo::mst::{self, Change, Operation, Visit};
use atproto::repo::{Cid, RepoError, cid};
use libfuzzer_sys::fuzz_target;

/// Version 1, DAG-CBOR, SHA-256 of 32 bytes.
const CID_HEAD: [u8; 4] = [0x01, 0x71, 0x12, 0x20];
const CID_BYTES: usize = 36;
/// Enough changes for trees of several layers; more only takes time.
const MAX_SCRIPT_BYTES: usize = 360;

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => hostile(rest),
        Some((_, rest)) => script(rest),
        None => {}
    }
});

/// Writes the CIDs of `blocks` over the placeholders in `block`: the byte after the head says which.
fn link(block: &mut [u8], blocks: &[Cid]) {
    let mut at = 0;
    while !blocks.is_empty() && at + CID_BYTES <= block.len() {
        if block[at..].starts_with(&CID_HEAD) {
            let target = usize::from(block[at + CID_HEAD.len()]) % blocks.len();
            block[at..at + CID_BYTES].copy_from_slice(&blocks[target].to_bytes());
            at += CID_BYTES;
        } else {
            at += 1;
        }
    }
}

fn hostile(mut rest: &[u8]) {
    let mut blocks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (block, after) = after.split_at(length);
        blocks.push(block.to_vec());
        rest = after;
    }
    // From the last to the first: a block can name those that come after it.
    let mut cids = Vec::new();
    for block in blocks.iter_mut().rev() {
        link(block, &cids);
        cids.push(cid::dag_cbor(block));
    }
    let Some(root) = cids.last().copied() else { return };
    let store: HashMap<Cid, Vec<u8>> = cids.iter().copied().zip(blocks.into_iter().rev()).collect();

    let _ = records(&store, root);
    let mut seen = 0_u32;
    // One that goes on after errors must be stopped by its visitor.
    let _ = mst::survey(&store, root, |_| {
        seen += 1;
        if seen < 1_000 { Ok(()) } else { Err(()) }
    });
    let value = cid::dag_cbor(b"value");
    let path = "com.example.note/key";
    let _ = mst::get(&store, root, path);
    let _ = mst::proof(&store, root, path);
    for value in [Some(value), None] {
        let change = Change { key: path.into(), value };
        if let Ok(applied) = mst::apply(&store, Some(root), &[change]) {
            // What could be changed can be changed back.
            let operation = Operation { key: path.into(), value, previous: applied.previous[0] };
            let covering: HashMap<_, _> = applied.covering.into_iter().collect();
            if operation.value != operation.previous {
                assert_eq!(mst::invert(&covering, applied.root, &[operation]).expect("a covering proof"), root);
            }
        }
    }
    let _ = mst::invert(&store, root, &[Operation { key: path.into(), value: None, previous: Some(value) }]);
}

/// A thousand keys have a tree of five or six layers.
fn key(number: u16) -> String {
    format!("com.example.note/{}", number % 1_024)
}

fn script(input: &[u8]) {
    let input = &input[..input.len().min(MAX_SCRIPT_BYTES)];
    let (mut store, mut model, mut root) = (HashMap::new(), BTreeMap::new(), None);
    for batch in input.chunks(12) {
        let before: BTreeMap<String, Cid> = model.clone();
        let mut changes: Vec<Change> = Vec::new();
        for step in batch.chunks_exact(3) {
            let key = key(u16::from_be_bytes([step[0], step[1]]));
            let value = (step[2] % 4 != 0).then(|| cid::dag_cbor(&[step[2]]));
            if changes.iter().any(|change| change.key == key) || (value.is_none() && !model.contains_key(&key)) {
                continue;
            }
            match value {
                Some(value) => _ = model.insert(key.clone(), value),
                None => _ = model.remove(&key),
            }
            changes.push(Change { key, value });
        }
        let applied = mst::apply(&store, root, &changes).expect("changes that fit");
        store.extend(applied.new.iter().cloned());
        applied.dropped.iter().for_each(|cid| drop(store.remove(cid)));
        let operations: Vec<_> = changes
            .into_iter()
            .map(|Change { key, value }| Operation { previous: before.get(&key).copied(), key, value })
            .filter(|operation| operation.value != operation.previous)
            .collect();
        if let Some(root) = root {
            let covering: HashMap<_, _> = applied.covering.into_iter().collect();
            let undone = mst::invert(&covering, applied.root, &operations).expect("operations of a covering proof");
            assert_eq!(undone, root);
        }
        root = Some(applied.root);
    }
    let Some(root) = root else { return };
    let (mut found, mut nodes) = (BTreeMap::new(), 0);
    mst::walk::<RepoError>(&store, root, |visit| {
        match visit {
            Visit::Node { .. } => nodes += 1,
            Visit::Leaf { key, value } => _ = found.insert(key.to_owned(), *value),
        }
        Ok(())
    })
    .expect("a tree of our own");
    assert_eq!(found, model);
    assert_eq!(nodes, store.len(), "what is dropped is what is not there any more");
    let changes: Vec<_> = model.into_iter().map(|(key, value)| Change { key, value: Some(value) }).collect();
    let built = mst::apply(&HashMap::new(), None, &changes).expect("a tree in one go");
    assert_eq!(built.root, root, "the shape follows from the keys");
}
