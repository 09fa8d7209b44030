//! com.atproto.sync.*: the repository as signed blocks that anyone can verify.

use std::collections::{BTreeMap, HashMap};

use atproto::keys::PublicKey;
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{Cid, RepoError, car};
use bytes::Bytes;
use serde_json::json;

use super::{CAPTAIN, CREW, Latest, PUT, crew_record, get_record, latest, query_did, write};
use crate::support::did_server::plc;
use crate::support::hold::{Answer, Hold, PRIVATE};

/// No block of any repository here.
const OTHER: &str = "bafyreifqwkmiw256ojf2zws6tzjeonw6bpd5vza4i22ccpcq4hjv2ts7cm";

async fn query(hold: &Hold, method: &str, more: &str) -> Answer {
    hold.get(&format!("/xrpc/com.atproto.sync.{method}?did={}{more}", query_did(hold))).send().await
}

/// A CAR that verifies: its root is a commit of this hold, signed by the key of its DID document.
struct Verified {
    root: Cid,
    commit: Commit,
    blocks: HashMap<Cid, Vec<u8>>,
}

impl Verified {
    async fn new(hold: &Hold, answer: Answer) -> Self {
        let (root, blocks) = blocks_of(answer);
        let commit = Commit::decode(&blocks[&root]).unwrap();
        let document = hold.get("/.well-known/did.json").send().await.ok();
        let key = document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
        commit.verify(&PublicKey::from_multikey(key).unwrap()).unwrap();
        assert_eq!(commit.did.as_str(), hold.did());
        Self { root, commit, blocks }
    }

    fn latest(&self) -> Latest {
        Latest { cid: self.root.to_string(), rev: self.commit.rev.to_string() }
    }
}

fn blocks_of(answer: Answer) -> (Cid, HashMap<Cid, Vec<u8>>) {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/vnd.ipld.car")));
    let body: Bytes = answer.body;
    let car = car::read(&body).unwrap();
    assert_eq!(car.roots.len(), 1);
    let blocks: HashMap<_, _> = car.blocks.iter().map(|(cid, bytes)| (*cid, bytes.to_vec())).collect();
    assert_eq!(blocks.len(), car.blocks.len(), "no block twice");
    (car.roots[0], blocks)
}

/// The records of a whole repository: path and CID. Every block belongs to it.
fn records_of(repo: &Verified) -> BTreeMap<String, Cid> {
    let (mut records, mut reached) = (BTreeMap::new(), vec![repo.root]);
    mst::walk::<RepoError>(&repo.blocks, repo.commit.data, |visit| {
        match visit {
            Visit::Node { cid, .. } => reached.push(*cid),
            Visit::Leaf { key, value } => {
                reached.push(*value);
                records.insert(key.to_owned(), *value);
            }
        }
        Ok(())
    })
    .unwrap();
    reached.sort();
    reached.dedup();
    assert!(reached.len() == repo.blocks.len() && reached.iter().all(|cid| repo.blocks.contains_key(cid)));
    records
}

#[tokio::test]
async fn the_whole_repository_verifies_and_agrees_with_its_records() {
    let hold = Hold::start(PRIVATE).await;
    let repo = Verified::new(&hold, query(&hold, "getRepo", "").await).await;
    assert_eq!(repo.latest(), latest(&hold).await);
    let records = records_of(&repo);
    assert_eq!(records.len(), 7, "captain, profile, and five members: {records:?}");
    for (path, cid) in &records {
        let (collection, rkey) = path.split_once('/').unwrap();
        assert_eq!(get_record(&hold, collection, rkey).await.ok()["cid"], cid.to_string());
    }
}

#[tokio::test]
async fn an_export_since_a_revision_completes_the_one_before() {
    let hold = Hold::start(PRIVATE).await;
    let before = Verified::new(&hold, query(&hold, "getRepo", "").await).await;
    for number in 50..60 {
        write(&hold, &hold.captain, PUT, &plc(number), &crew_record(&plc(number))).await.ok();
    }
    let since = query(&hold, "getRepo", &format!("&since={}", before.commit.rev)).await;
    let mut since = Verified::new(&hold, since).await;
    assert!(since.blocks.keys().all(|cid| !before.blocks.contains_key(cid)), "only what is new");
    since.blocks.extend(before.blocks);
    let whole = Verified::new(&hold, query(&hold, "getRepo", "").await).await;
    since.blocks.retain(|cid, _| whole.blocks.contains_key(cid));
    assert_eq!(records_of(&since), records_of(&whole));
    let nothing = query(&hold, "getRepo", &format!("&since={}", whole.commit.rev)).await;
    assert_eq!(blocks_of(nothing).1.into_keys().collect::<Vec<_>>(), [whole.root], "the commit alone");
    assert_eq!(records_of(&Verified::new(&hold, query(&hold, "getRepo", "&since=").await).await), records_of(&whole));
    for bad in ["x", "2027-01-15T08:00:00.000Z", "zzzzzzzzzzzzz"] {
        query(&hold, "getRepo", &format!("&since={bad}")).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn a_record_comes_with_its_proof_and_an_absent_one_with_the_proof_of_that() {
    let hold = Hold::start(PRIVATE).await;
    for number in 50..80 {
        write(&hold, &hold.captain, PUT, &plc(number), &crew_record(&plc(number))).await.ok();
    }
    for (collection, rkey, there) in [
        (CAPTAIN, "self", true),
        (CREW, plc(66).as_str(), true),
        (CREW, plc(99).as_str(), false),
        ("com.example.none", "self", false),
    ] {
        let answer = query(&hold, "getRecord", &format!("&collection={collection}&rkey={rkey}")).await;
        let proof = Verified::new(&hold, answer).await;
        assert_eq!(proof.latest(), latest(&hold).await);
        let found = mst::get(&proof.blocks, proof.commit.data, &format!("{collection}/{rkey}")).unwrap();
        assert_eq!(found.is_some(), there, "{collection}/{rkey}");
        assert!(found.is_none_or(|cid| proof.blocks.contains_key(&cid)), "the record comes along");
        assert!(proof.blocks.len() < 15, "a path, not the repository: {}", proof.blocks.len());
    }
    for bad in ["&collection=x.y.z", "&rkey=self", "&collection=crew&rkey=self", "&collection=x.y.z&rkey=.."] {
        query(&hold, "getRecord", bad).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn blocks_come_by_their_cids() {
    let hold = Hold::start(PRIVATE).await;
    let repo = Verified::new(&hold, query(&hold, "getRepo", "").await).await;
    let cids: String = repo.blocks.keys().map(|cid| format!("&cids={cid}")).collect();
    let (root, blocks) = blocks_of(query(&hold, "getBlocks", &cids).await);
    assert_eq!((root, blocks), (repo.root, repo.blocks.clone()));
    let again = query(&hold, "getBlocks", &format!("&cids={}", repo.root).repeat(100)).await;
    assert_eq!(blocks_of(again), (repo.root, HashMap::from([(repo.root, repo.blocks[&repo.root].clone())])));
    let missing = query(&hold, "getBlocks", &format!("{cids}&cids={OTHER}")).await;
    missing.assert_refused(400, "BlockNotFound", &format!("there is no block {OTHER}"));
    let many = format!("&cids={OTHER}").repeat(100);
    query(&hold, "getBlocks", &many).await.assert_error(400, "BlockNotFound");
    for bad in ["", "&cids=", "&cids=x", &format!("&cids={OTHER}&cids=x")] {
        query(&hold, "getBlocks", bad).await.assert_error(400, "InvalidRequest");
    }
    // What was replaced is gone.
    write(&hold, &hold.captain, PUT, &plc(50), &crew_record(&plc(50))).await.ok();
    query(&hold, "getBlocks", &format!("&cids={}", repo.root)).await.assert_error(400, "BlockNotFound");
}

#[tokio::test]
async fn the_head_is_told_in_three_ways() {
    let hold = Hold::start(PRIVATE).await;
    let at = latest(&hold).await;
    let status = query(&hold, "getRepoStatus", "").await.ok();
    assert_eq!(status, json!({ "did": hold.did(), "active": true, "rev": at.rev }));
    let list = |more: &str| hold.get(&format!("/xrpc/com.atproto.sync.listRepos{more}"));
    let repos = json!({ "repos": [{ "did": hold.did(), "head": at.cid, "rev": at.rev, "active": true }] });
    for more in ["", "?limit=1", "?limit=1000", "?cursor=&limit=500"] {
        assert_eq!(list(more).send().await.ok(), repos);
    }
    assert_eq!(list("?cursor=x").send().await.ok(), json!({ "repos": [] }));
    for bad in ["?limit=0", "?limit=1001", "?limit=x"] {
        list(bad).send().await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn no_record_refers_to_a_blob_and_image_layers_are_not_listed() {
    let hold = Hold::start(PRIVATE).await;
    hold.upload(&hold.writer, b"a layer").await;
    let rev = latest(&hold).await.rev;
    for more in ["", "&limit=1", "&limit=1000", "&cursor=", "&cursor=&since=", &format!("&since={rev}")] {
        assert_eq!(query(&hold, "listBlobs", more).await.ok(), json!({ "cids": [] }), "{more}");
    }
    for bad in ["&limit=0", "&limit=1001", "&limit=x", "&since=x", "&cursor=x", "&cursor=x&cursor=y"] {
        query(&hold, "listBlobs", bad).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn other_repositories_are_not_here() {
    let hold = Hold::start(PRIVATE).await;
    let message = "this server has only the hold's own repository";
    for method in ["getRepo", "getRecord", "getBlocks", "getLatestCommit", "getRepoStatus", "listBlobs"] {
        let call = |did: &str| {
            let target = format!("/xrpc/com.atproto.sync.{method}?did={did}&cids={OTHER}&collection={CREW}&rkey=self");
            hold.get(&target)
        };
        for did in ["did:web:localhost", plc(1).as_str(), "localhost", "x"] {
            call(did).send().await.assert_refused(400, "RepoNotFound", message);
        }
        call("").send().await.assert_refused(400, "InvalidRequest", "query parameter did is required");
    }
}
