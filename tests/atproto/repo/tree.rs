//! Properties of the tree that hold for every history of changes.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use atproto::repo::mst::{self, Blocks, Change, Operation, Visit};
use atproto::repo::{Cid, RepoError, cid};
use proptest::collection::vec;
use proptest::prelude::*;

type Store = HashMap<Cid, Vec<u8>>;
type Records = BTreeMap<String, Cid>;

/// A few keys of every height up to 6, so that trees of few keys are deep and have bridging nodes.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut of_height = [0; 7];
    let keys = (0..60_000).map(|n| format!("com.example.record/{n}"));
    keys.filter(|key| {
        let count = of_height.get_mut(mst::height(key) as usize);
        count.is_some_and(|count| {
            *count += 1;
            *count <= 10
        })
    })
    .collect()
});

fn value(number: u8) -> Cid {
    cid::dag_cbor(&[number])
}

/// Commits, each of a few changes: which key, and its new value or none.
fn histories() -> impl Strategy<Value = Vec<Vec<(usize, Option<u8>)>>> {
    let change = (0..KEYS.len(), prop_oneof![Just(None), (0..4_u8).prop_map(Some)]);
    vec(vec(change, 0..8), 1..12)
}

/// The changes as a client would be allowed to ask for them: what is not there is not deleted, but created.
fn changes_for(records: &mut Records, commit: Vec<(usize, Option<u8>)>) -> (Vec<Change>, Vec<Operation>) {
    let (mut changes, mut operations) = (Vec::new(), Vec::new());
    for (index, number) in commit {
        let key = KEYS[index].clone();
        let value = number.map(value).or_else(|| (!records.contains_key(&key)).then(|| value(9)));
        let previous = match value {
            Some(value) => records.insert(key.clone(), value),
            None => records.remove(&key),
        };
        changes.push(Change { key: key.clone(), value });
        operations.push(Operation { key, value, previous });
    }
    (changes, operations)
}

fn from_nothing(records: &Records) -> Cid {
    let changes = records.iter().map(|(key, value)| Change { key: key.clone(), value: Some(*value) });
    mst::apply(&Store::new(), None, &changes.collect::<Vec<_>>()).unwrap().root
}

/// What is new was not there, what is dropped was, and afterwards there is nothing but the tree.
fn store_changes(store: &mut Store, applied: &mst::Applied, records: &Records) {
    for cid in &applied.dropped {
        assert!(store.remove(cid).is_some(), "dropped, but not there");
    }
    for (cid, bytes) in &applied.new {
        assert!(store.insert(*cid, bytes.clone()).is_none(), "new, but there");
    }
    let (mut nodes, mut leaves) = (HashSet::new(), Vec::new());
    mst::walk::<RepoError>(store, applied.root, |visit| {
        match visit {
            Visit::Node { cid, bytes } => assert!(store[cid] == bytes && nodes.insert(*cid)),
            Visit::Leaf { key, value } => leaves.push((key.to_owned(), *value)),
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(nodes, store.keys().copied().collect::<HashSet<_>>());
    assert!(leaves.iter().eq(records.iter().map(|(key, value)| (key.clone(), *value)).collect::<Vec<_>>().iter()));
}

/// The covering proof alone leads back to the old root: by the operations as they were made, and by their sum for
/// each key in any order.
fn check_covering(applied: &mst::Applied, old_root: Cid, operations: &[Operation]) {
    let proof: Store = applied.covering.iter().cloned().collect();
    assert_eq!(proof.len(), applied.covering.len(), "a block twice");
    assert!(applied.new.iter().all(|(cid, _)| proof.contains_key(cid)), "new nodes are part of the proof");
    let as_made: Vec<_> = operations.iter().filter(|op| op.value != op.previous).cloned().collect();
    let mut sums: BTreeMap<&str, Operation> = BTreeMap::new();
    for op in operations {
        sums.entry(&op.key).and_modify(|sum| sum.value = op.value).or_insert_with(|| op.clone());
    }
    let mut sums: Vec<_> = sums.into_values().filter(|op| op.value != op.previous).collect();
    assert_eq!(mst::invert(&proof, applied.root, &as_made).unwrap(), old_root);
    assert_eq!(mst::invert(&proof, applied.root, &sums).unwrap(), old_root);
    sums.reverse();
    assert_eq!(mst::invert(&proof, applied.root, &sums).unwrap(), old_root);
}

fn check_reading(store: &Store, root: Cid, records: &Records) {
    for key in KEYS.iter().step_by(3) {
        let expected = records.get(key).copied();
        assert_eq!(mst::get(store, root, key).unwrap(), expected);
        let (nodes, value) = mst::proof(store, root, key).unwrap();
        assert_eq!(value, expected);
        let proof: Store = nodes.into_iter().collect();
        assert_eq!(mst::get(&proof, root, key).unwrap(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_tree_whole(history in histories()) {
        let mut records = Records::new();
        let empty = mst::apply(&Store::new(), None, &[]).unwrap();
        let mut root = empty.root;
        let mut store: Store = empty.new.into_iter().collect();
        for commit in history {
            let (changes, operations) = changes_for(&mut records, commit);
            let applied = mst::apply(&store, Some(root), &changes).unwrap();
            prop_assert_eq!(applied.root, from_nothing(&records));
            prop_assert!(applied.previous.iter().eq(operations.iter().map(|op| &op.previous)));
            store_changes(&mut store, &applied, &records);
            check_covering(&applied, root, &operations);
            check_reading(&store, applied.root, &records);
            root = applied.root;
        }
    }

    #[test]
    fn what_is_created_and_deleted_leaves_no_trace(kept in 0..70_usize, extra in vec(0..70_usize, 1..10)) {
        let create = |index: &usize| Change { key: KEYS[*index].clone(), value: Some(value(0)) };
        let before = mst::apply(&Store::new(), None, &(0..kept).map(|n| create(&n)).collect::<Vec<_>>()).unwrap();
        let mut store: Store = before.new.into_iter().collect();
        let extra: Vec<_> = extra.into_iter().filter(|index| *index >= kept).collect::<HashSet<_>>().into_iter().collect();
        let created = mst::apply(&store, Some(before.root), &extra.iter().map(create).collect::<Vec<_>>()).unwrap();
        store.extend(created.new);
        let delete: Vec<_> = extra.iter().map(|index| Change { value: None, ..create(index) }).collect();
        let deleted = mst::apply(&store, Some(created.root), &delete).unwrap();
        prop_assert_eq!(deleted.root, before.root);
    }
}

#[test]
fn the_empty_tree_is_one_known_node() {
    let empty = mst::apply(&Store::new(), None, &[]).unwrap();
    assert_eq!(empty.root.to_string(), "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm");
    assert_eq!(empty.new.len(), 1);
}

#[test]
fn a_delete_of_nothing_and_a_wrong_path_are_refused() {
    let change = |key: &str, value| [Change { key: key.to_owned(), value }];
    let apply = |changes: &[Change]| mst::apply(&Store::new(), None, changes);
    assert!(matches!(apply(&change("a/b", None)), Err(RepoError::AbsentKey(key)) if key == "a/b"));
    assert!(matches!(apply(&change("a", Some(value(0)))), Err(RepoError::InvalidPath(_))));
}

#[test]
fn operations_that_do_not_fit_cannot_be_inverted() {
    let change = |key: &str| Change { key: key.to_owned(), value: Some(value(0)) };
    let tree = mst::apply(&Store::new(), None, &[change("a/1"), change("a/2")]).unwrap();
    let store: Store = tree.new.into_iter().collect();
    for (key, value, previous) in [
        ("a/1", Some(value(1)), None),
        ("a/1", None, Some(value(0))),
        ("a/3", Some(value(0)), None),
        ("a/3", None, None),
        ("a/1", Some(value(0)), Some(value(0))),
    ] {
        let operation = Operation { key: key.to_owned(), value, previous };
        let inverted = mst::invert(&store, tree.root, &[operation]);
        assert!(matches!(inverted, Err(RepoError::OperationMismatch(_))), "{key} {value:?} {previous:?}");
    }
}

/// Counts what is loaded.
struct Counted<'a> {
    store: &'a Store,
    loads: Cell<usize>,
}

impl Blocks for Counted<'_> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        self.loads.set(self.loads.get() + 1);
        self.store.block(cid)
    }
}

#[test]
fn a_change_loads_paths_and_not_the_repository() {
    let changes: Vec<_> =
        (0..10_000).map(|n| Change { key: format!("com.example.record/{n}"), value: Some(value(0)) }).collect();
    let tree = mst::apply(&Store::new(), None, &changes).unwrap();
    let store: Store = tree.new.into_iter().collect();
    assert!(store.len() > 2_000, "the tree has many nodes: {}", store.len());
    let counted = Counted { store: &store, loads: Cell::new(0) };
    let change = Change { key: "com.example.record/new".to_owned(), value: Some(value(1)) };
    mst::apply(&counted, Some(tree.root), &[change]).unwrap();
    // Twice a path of about 7 nodes: to change the tree, and to cover the change.
    assert!((2..40).contains(&counted.loads.get()), "{} blocks were loaded", counted.loads.get());
}

#[test]
fn the_keys_beside_a_key_are_those_of_its_node() {
    let mut keys: Vec<_> = KEYS.iter().filter(|key| mst::height(key) == 0).cloned().collect();
    keys.sort();
    let [first, others @ ..] = &keys[..] else { panic!("keys") };
    let middle = &others[others.len() / 2];
    let above = (0..).map(|n| format!("{middle}{n}")).find(|key| mst::height(key) == 2).unwrap();
    let change = |key: &String| Change { key: key.clone(), value: Some(value(1)) };
    let mut store = Store::new();
    let flat = mst::apply(&store, None, &others.iter().map(change).collect::<Vec<_>>()).unwrap();
    store.extend(flat.new);
    // One that would have its place there, one that has it, and one that would part the node.
    assert_eq!(mst::beside(&store, flat.root, first).unwrap(), others);
    assert_eq!(mst::beside(&store, flat.root, middle).unwrap().len(), others.len() - 1);
    assert_eq!(mst::beside(&store, flat.root, &above).unwrap(), Vec::<String>::new());
    let parted = mst::apply(&store, Some(flat.root), &[change(&above)]).unwrap();
    store.extend(parted.new);
    let before: Vec<_> = others.iter().filter(|key| **key < above).cloned().collect();
    assert_eq!(mst::beside(&store, parted.root, first).unwrap(), before);
}
