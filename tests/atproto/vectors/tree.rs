//! Vectors of the Merkle search tree and of covering proofs.

use std::collections::{BTreeSet, HashMap};

use atproto::repo::mst::{self, Change, Operation};
use atproto::repo::{Cid, cid};

use super::{json, lines, text};

#[test]
fn heights() {
    for item in json("mst/key_heights.json") {
        assert_eq!(u64::from(mst::height(text(&item, "key"))), item["height"].as_u64().unwrap(), "{item}");
    }
}

/// The second character of these keys is their height.
#[test]
fn heights_of_example_keys() {
    for key in lines("mst/example_keys.txt") {
        assert_eq!(char::from_digit(mst::height(&key), 10), key.chars().nth(1), "{key}");
    }
}

#[test]
fn common_prefixes() {
    for item in json("mst/common_prefix.json") {
        let length = mst::common_prefix(text(&item, "left"), text(&item, "right"));
        assert_eq!(length as u64, item["len"].as_u64().unwrap(), "{item}");
    }
}

/// The example keys one by one, in the order of the file and against it, make one tree.
#[test]
fn the_order_of_inserts_leaves_no_trace() {
    let keys = lines("mst/example_keys.txt");
    let build = |keys: &mut dyn Iterator<Item = &String>| {
        let changes = keys.map(|key| Change { key: key.clone(), value: Some(cid::dag_cbor(key.as_bytes())) });
        mst::apply(&HashMap::new(), None, &changes.collect::<Vec<_>>()).unwrap().root
    };
    assert_eq!(build(&mut keys.iter()), build(&mut keys.iter().rev()));
}

#[test]
fn commit_proofs() {
    for item in json("firehose/commit-proof-fixtures.json") {
        let value = cid::parse(text(&item, "leafValue")).unwrap();
        let changes = |field: &str, value: Option<Cid>| -> Vec<Change> {
            let keys = item[field].as_array().unwrap().iter();
            keys.map(|key| Change { key: key.as_str().unwrap().to_owned(), value }).collect()
        };
        let before = mst::apply(&HashMap::new(), None, &changes("keys", Some(value))).unwrap();
        assert_eq!(before.root.to_string(), text(&item, "rootBeforeCommit"), "{item}");

        let stored: HashMap<_, _> = before.new.into_iter().collect();
        let changes = [changes("adds", Some(value)), changes("dels", None)].concat();
        let after = mst::apply(&stored, Some(before.root), &changes).unwrap();
        assert_eq!(after.root.to_string(), text(&item, "rootAfterCommit"), "{item}");

        let expected = item["blocksInProof"].as_array().unwrap().iter().map(|cid| cid.as_str().unwrap().to_owned());
        let covering = after.covering.iter().map(|(cid, _)| cid.to_string());
        assert_eq!(covering.collect::<BTreeSet<_>>(), expected.collect(), "{item}");

        let operations = changes.into_iter().zip(after.previous);
        let operations = operations.map(|(Change { key, value }, previous)| Operation { key, value, previous });
        let proof: HashMap<_, _> = after.covering.into_iter().collect();
        let inverted = mst::invert(&proof, after.root, &operations.collect::<Vec<_>>()).unwrap();
        assert_eq!(inverted, before.root, "{item}");
    }
}
