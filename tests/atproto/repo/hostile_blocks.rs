//! Bytes from elsewhere: whatever they are, there is an error and no panic, and what is accepted has one form.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use atproto::repo::cbor::{self, Ipld};
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{Cid, RepoError, car, cid};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn values() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|number| Ipld::Integer(number.into())),
        (0..300_i128).prop_map(Ipld::Integer),
        ".{0,30}".prop_map(Ipld::String),
        vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        any::<[u8; 8]>().prop_map(|bytes| Ipld::Link(cid::dag_cbor(&bytes))),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..30).prop_map(Ipld::List),
            btree_map(".{0,12}", inner, 0..8).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_survives(value in values()) {
        let bytes = cbor::encode(&value).unwrap();
        prop_assert_eq!(cbor::decode(&bytes).unwrap(), value);
    }

    #[test]
    fn random_bytes_are_refused_or_in_their_only_form(bytes in vec(any::<u8>(), 0..80)) {
        if let Ok(value) = cbor::decode(&bytes) {
            prop_assert_eq!(cbor::encode(&value).unwrap(), bytes.clone());
        }
        prop_assert!(Commit::decode(&bytes).is_err());
        prop_assert!(car::read(&bytes).is_err());
        prop_assert!(walk(&[(cid::dag_cbor(&bytes), bytes)]).is_err());
    }

    #[test]
    fn a_changed_byte_is_refused_or_makes_another_value(value in values(), at in any::<usize>(), by in 1..=255_u8) {
        let mut bytes = cbor::encode(&value).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= by;
        if let Ok(other) = cbor::decode(&bytes) {
            prop_assert_ne!(&other, &value);
            prop_assert_eq!(cbor::encode(&other).unwrap(), bytes);
        }
    }
}

/// The number of records below the first of these nodes.
fn walk(nodes: &[(Cid, Vec<u8>)]) -> Result<usize, RepoError> {
    let store: HashMap<_, _> = nodes.iter().cloned().collect();
    let mut records = 0;
    mst::walk::<RepoError>(&store, nodes[0].0, |visit| {
        records += usize::from(matches!(visit, Visit::Leaf { .. }));
        Ok(())
    })?;
    Ok(records)
}

fn map(fields: impl IntoIterator<Item = (&'static str, Ipld)>) -> Ipld {
    Ipld::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>())
}

fn link(cid: Option<Cid>) -> Ipld {
    cid.map_or(Ipld::Null, Ipld::Link)
}

fn entry(prefix: i128, rest: &str, subtree: Option<Cid>) -> Ipld {
    map([
        ("p", Ipld::Integer(prefix)),
        ("k", Ipld::Bytes(rest.as_bytes().to_vec())),
        ("v", Ipld::Link(cid::dag_cbor(b"record"))),
        ("t", link(subtree)),
    ])
}

fn node(left: Option<Cid>, entries: Vec<Ipld>) -> (Cid, Vec<u8>) {
    let bytes = cbor::encode(&map([("l", link(left)), ("e", Ipld::List(entries))])).unwrap();
    (cid::dag_cbor(&bytes), bytes)
}

/// The first keys of this height in alphabetical order, all of one length.
fn keys_of_height(height: u32) -> impl Iterator<Item = String> {
    (100_000..999_999).map(|n| format!("a/{n}")).filter(move |key| mst::height(key) == height)
}

#[test]
fn misshapen_nodes_are_refused() {
    let low: Vec<_> = keys_of_height(0).take(3).collect();
    let high = keys_of_height(1).next().unwrap();
    let shared = mst::common_prefix(&low[0], &low[1]);
    let prefix = i128::try_from(shared).unwrap();
    let first = || entry(0, &low[0], None);
    assert_eq!(walk(&[node(None, vec![first(), entry(prefix, &low[1][shared..], None)])]).unwrap(), 2);
    for (name, entries) in [
        ("not in order", vec![entry(0, &low[1], None), entry(prefix, &low[0][shared..], None)]),
        ("twice the same", vec![first(), entry(prefix, &low[0][shared..], None)]),
        ("a shorter prefix than there is", vec![first(), entry(prefix - 1, &low[1][shared - 1..], None)]),
        ("no prefix where there is one", vec![first(), entry(0, &low[1], None)]),
        ("a longer prefix than the key", vec![first(), entry(1_000, "x", None)]),
        ("a negative prefix", vec![entry(-1, &low[0], None)]),
        ("a prefix of nothing", vec![entry(1, &low[0], None)]),
        ("keys of two layers", vec![first(), entry(2, &high[2..], None)]),
        ("not a record path", vec![entry(0, "abc", None)]),
        ("a subtree below layer 0", vec![entry(0, &low[0], Some(node(None, vec![first()]).0))]),
        ("an entry with another field", vec![map([("x", Ipld::Null)])]),
        ("an entry without a field", vec![map([("p", Ipld::Integer(0))])]),
        ("an entry that is text", vec![Ipld::String("entry".into())]),
    ] {
        assert!(matches!(walk(&[node(None, entries)]), Err(RepoError::InvalidNode { .. })), "{name}");
    }
}

#[test]
fn misplaced_nodes_are_refused() {
    let high: Vec<_> = keys_of_height(2).take(2).collect();
    let between: Vec<_> = keys_of_height(1).filter(|key| (&high[0]..&high[1]).contains(&key)).take(1).collect();
    let (bottom_key, after) =
        (keys_of_height(0).next().unwrap(), keys_of_height(1).find(|key| *key > high[1]).unwrap());
    assert!(bottom_key < high[0]);
    let root = |below: &(Cid, Vec<u8>)| {
        let shared = mst::common_prefix(&high[0], &high[1]);
        let second = entry(i128::try_from(shared).unwrap(), &high[1][shared..], None);
        [node(None, vec![entry(0, &high[0], Some(below.0)), second]), below.clone()]
    };
    let right = node(None, vec![entry(0, &between[0], None)]);
    assert_eq!(walk(&root(&right)).unwrap(), 3);
    let bottom = node(None, vec![entry(0, &bottom_key, None)]);
    for (name, below) in [
        ("a node after its place", node(None, vec![entry(0, &after, None)])),
        ("a node of a lower layer", bottom.clone()),
        ("an empty node", node(None, vec![])),
    ] {
        assert!(matches!(walk(&root(&below)), Err(RepoError::InvalidNode { .. })), "{name}");
        let [(cid, _), _] = root(&below);
        let store: HashMap<_, _> = root(&below).into_iter().collect();
        assert!(matches!(mst::get(&store, cid, &between[0]), Err(RepoError::InvalidNode { .. })), "{name}");
    }
    // Below a node without keys, the keys further up still say where a node lies.
    let late_key = keys_of_height(0).find(|key| *key > high[1]).unwrap();
    let late = node(None, vec![entry(0, &late_key, None)]);
    for (name, below) in [("before", &bottom), ("after", &late)] {
        let bridge = node(Some(below.0), vec![]);
        let [top, _] = root(&bridge);
        let nodes = [top, bridge, below.clone()];
        assert!(matches!(walk(&nodes), Err(RepoError::InvalidNode { .. })), "a key {name} its place");
        let got = mst::get(&nodes.iter().cloned().collect::<HashMap<_, _>>(), nodes[0].0, &between[0]);
        assert!(matches!(got, Err(RepoError::InvalidNode { .. })), "a key {name} its place");
    }
    let early_bridge = node(Some(bottom.0), vec![]);
    assert!(matches!(walk(&[early_bridge, bottom]), Err(RepoError::InvalidNode { .. })), "a root without keys");
}

#[test]
fn a_damaged_or_missing_block_is_named() {
    let (cid, bytes) = node(None, vec![entry(0, &keys_of_height(0).next().unwrap(), None)]);
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    assert!(matches!(walk(&[(cid, damaged)]), Err(RepoError::InvalidNode { cid: named, .. }) if named == cid));
    let missing = mst::get(&HashMap::new(), cid, "a/b");
    assert!(matches!(missing, Err(RepoError::MissingBlock(named)) if named == cid));
}
