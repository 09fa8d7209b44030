//! The exported repository, proven from its signature down to every record.

use std::collections::{HashMap, HashSet};

use atcr_hold::repo::commit::Commit;
use atcr_hold::repo::mst::{self, Blocks, Visit};
use atcr_hold::repo::signing::PublicKey;
use atcr_hold::repo::{Cid, RepoError, car};

use crate::suite::binary::client::Client;

struct Exported<'a>(HashMap<Cid, &'a [u8]>);

impl Blocks for Exported<'_> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        Ok(self.0.get(cid).map(|bytes| bytes.to_vec()))
    }
}

/// The keys of all records, once the export was found to be signed, whole and without anything else.
pub(super) fn verified_keys(client: &Client) -> HashSet<String> {
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
    let mut keys = HashSet::new();
    mst::walk::<RepoError>(&blocks, commit.data, |visit| {
        match visit {
            Visit::Node { cid, .. } => reached.insert(*cid),
            Visit::Leaf { key, value } => {
                assert!(blocks.0.contains_key(value), "the record {key} is missing");
                reached.insert(*value);
                keys.insert(key.to_owned())
            }
        };
        Ok(())
    })
    .unwrap();
    assert_eq!(reached.len(), blocks.0.len(), "blocks that belong to nothing");
    keys
}
