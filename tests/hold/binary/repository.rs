//! What the repository of a process says, in two ways: the signed export, and the listing of its records.

use std::collections::{BTreeMap, HashMap, HashSet};

use atproto::keys::PublicKey;
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Blocks, Visit};
use atproto::repo::{Cid, RepoError, car};
use serde_json::Value;

use crate::support::http::blocking::Client;

struct Exported<'a>(HashMap<Cid, &'a [u8]>);

impl Blocks for Exported<'_> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        Ok(self.0.get(cid).map(|bytes| bytes.to_vec()))
    }
}

/// The newest commit and the CID of each record, once the export was found to be signed, whole and without anything
/// else.
pub(super) fn verified(client: &Client) -> (Commit, BTreeMap<String, Cid>) {
    let identity = client.get("/.well-known/did.json").json();
    let key = PublicKey::from_multikey(identity["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap());
    let export = client.get("/xrpc/com.atproto.sync.getRepo?did=did:web:localhost%253A8080");
    assert_eq!(export.status, 200);
    let car = car::read(&export.body).unwrap();
    let blocks: HashMap<_, _> = car.blocks.iter().copied().collect();
    assert_eq!(blocks.len(), car.blocks.len(), "a block is there twice");
    let commit = Commit::decode(blocks[&car.roots[0]]).unwrap();
    commit.verify(&key.unwrap()).unwrap();

    let blocks = Exported(blocks);
    let mut reached = HashSet::from([car.roots[0]]);
    let mut records = BTreeMap::new();
    mst::walk::<RepoError>(&blocks, commit.data, |visit| {
        match visit {
            Visit::Node { cid, .. } => _ = reached.insert(*cid),
            Visit::Leaf { key, value } => {
                assert!(blocks.0.contains_key(value), "the record {key} is missing");
                reached.insert(*value);
                records.insert(key.to_owned(), *value);
            }
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(reached.len(), blocks.0.len(), "blocks that belong to nothing");
    (commit, records)
}

/// Every record as `listRecords` tells it, by path: its CID as text, and its value.
pub(super) fn listed(client: &Client) -> BTreeMap<String, (String, Value)> {
    let repo = "repo=did:web:localhost%253A8080";
    let described = client.get(&format!("/xrpc/com.atproto.repo.describeRepo?{repo}")).json();
    let mut found = BTreeMap::new();
    for collection in described["collections"].as_array().unwrap() {
        let collection = collection.as_str().unwrap();
        let mut cursor = String::new();
        loop {
            let target = format!("/xrpc/com.atproto.repo.listRecords?{repo}&collection={collection}&limit=50{cursor}");
            let page = client.get(&target).json();
            for record in page["records"].as_array().unwrap() {
                let path = record["uri"].as_str().unwrap().strip_prefix("at://did:web:localhost%3A8080/").unwrap();
                let cid = record["cid"].as_str().unwrap().to_owned();
                let before = found.insert(path.to_owned(), (cid, record["value"].clone()));
                assert!(before.is_none(), "{path} is listed twice");
            }
            match page["cursor"].as_str() {
                Some(last) => cursor = format!("&cursor={last}"),
                None => break,
            }
        }
    }
    found
}
