//! Files that are not what they should be, and holds that must not be replaced: one clear error, and nothing changed.

use atcr_hold::pds::{Pds, RecordWrite};
use atproto::repo::cbor::{self, Ipld};
use atproto::repo::commit::Commit;
use atproto::repo::{Cid, car, cid, mst};
use atproto::syntax::{Did, ServiceUrl, Tid};
use serde_json::json;

use super::{A_SECOND_US, file_with_notes, fresh};
use crate::support::did_server::{key, plc};
use crate::support::repo_home::file::{exported, import, joined, parts};
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const LATER_US: u64 = START_US + 100 * A_SECOND_US;

type Blocks = Vec<(Cid, Vec<u8>)>;

/// Imports `file`, which must be refused with these words, and leave `home` as it is.
async fn refused(home: &RepoHome, file: Vec<u8>, words: &str) {
    let before = (home.head().await, home.stored_tree().await);
    let error = import(&home.pds, LATER_US, file, None).await.unwrap_err().to_string();
    assert!(error.contains(words), "{words}: {error}");
    assert_eq!((home.head().await, home.stored_tree().await), before, "{words}");
}

/// A file of one record at `path`, signed with the hold's key.
fn file_of(path: &str, record: &Ipld, did: &str, rev_us: u64) -> Vec<u8> {
    let bytes = cbor::encode(record).unwrap();
    let value = cid::dag_cbor(&bytes);
    let change = mst::Change { key: path.into(), value: Some(value) };
    let tree = mst::apply(&std::collections::HashMap::<Cid, Vec<u8>>::new(), None, &[change]).unwrap();
    let rev = Tid::from_micros(rev_us, 1);
    let signed = Commit::sign(&Did::parse(did).unwrap(), tree.root, &rev, &key(77)).unwrap();
    let mut blocks = vec![(signed.cid, signed.bytes), (value, bytes)];
    blocks.extend(tree.new);
    joined(Some(&signed.cid), &blocks)
}

#[tokio::test]
async fn a_hold_in_use_is_not_replaced() {
    let file = file_with_notes(3).await;
    let home = fresh().await;
    home.commit(START_US + 61 * A_SECOND_US, vec![change("com.example.note/own", RecordWrite::Create(note("own")))])
        .await
        .unwrap();
    refused(&home, file.clone(), "records of its own").await;
    // One who joined is a record of its own, one who is declared is not.
    let joined = fresh().await;
    let member = cbor::from_json(&json!({
        "$type": "io.atcr.hold.crew", "member": plc(9), "role": "crew", "permissions": ["blob:read"],
        "addedAt": "2026-01-01T00:00:00.000Z",
    }));
    let path = format!("io.atcr.hold.crew/{}", plc(9));
    joined
        .commit(START_US + 61 * A_SECOND_US, vec![change(&path, RecordWrite::Create(member.unwrap()))])
        .await
        .unwrap();
    refused(&joined, file.clone(), "records of its own").await;
    let declared_too = RepoHome::new();
    let mut declaration = declared(&declared_too, &plc(1));
    declaration.crew.insert(plc(9), crate::support::repo_home::member("crew", &[]));
    declared_too.crew.reconcile(&declaration, START_US).await.unwrap();
    import(&declared_too.pds, LATER_US, file, None).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_one_whole_repository_is_refused() {
    let home = fresh().await;
    let file = file_with_notes(40).await;
    let (roots, blocks) = parts(&file);
    let root = roots.first();
    let with = |change: &dyn Fn(&mut Blocks)| {
        let mut blocks = blocks.clone();
        change(&mut blocks);
        joined(root, &blocks)
    };
    let foreign = (cid::dag_cbor(b"\x01"), b"\x01".to_vec());
    refused(&home, Vec::new(), "ends within").await;
    refused(&home, file[..file.len() - 1].to_vec(), "ends within").await;
    refused(&home, [&file[..], &[0]].concat(), "shorter than its CID").await;
    refused(&home, [&file[..], &file[..]].concat(), "CID").await;
    refused(&home, joined(None, &blocks), "one root").await;
    refused(&home, joined(Some(&foreign.0), &blocks), "is missing").await;
    refused(&home, joined(Some(&blocks[3].0), &blocks), "cannot be imported").await;
    for absent in 0..blocks.len() {
        refused(&home, with(&|blocks| drop(blocks.remove(absent))), "is missing").await;
    }
    refused(&home, with(&|blocks| blocks[4].1[0] ^= 1), "another hash").await;
    let large = vec![0; 2_000_000];
    refused(&home, with(&|blocks| blocks.push((cid::dag_cbor(&large), large.clone()))), "larger").await;
    let two = b"\xa2\x65roots\x82".to_vec();
    refused(&home, [&[7][..], &two[..7]].concat(), "cannot be imported").await;
    import(&home.pds, LATER_US, file, None).await.unwrap();
}

#[tokio::test]
async fn a_repository_that_is_not_ours_or_not_a_holds_is_refused() {
    let home = fresh().await;
    let ours = home.pds.did().to_string();
    let note = note("text");
    let file = |path: &str, record: &Ipld| file_of(path, record, &ours, START_US);
    refused(
        &home,
        file_of("com.example.note/a", &note, "did:web:other.example.org", START_US),
        "repository of did:web:other",
    )
    .await;
    refused(&home, file_of("com.example.note/a", &note, &ours, LATER_US + A_SECOND_US), "clock").await;
    refused(&home, file("com.example.other/a", &note), "$type").await;
    refused(&home, file("example/a", &note), "NSID").await;
    for path in ["com.Example.note/a", "COM.example.note/a"] {
        let collection = path.split_once('/').unwrap().0;
        let record = cbor::from_json(&json!({ "$type": collection, "text": "text" })).unwrap();
        refused(&home, file(path, &record), "not in lower case").await;
        let refusal = home.commit(LATER_US, vec![change(path, RecordWrite::Create(record))]).await.unwrap_err();
        assert!(refusal.to_string().contains("not in lower case"), "{refusal}");
    }
    refused(&home, file("com.example.note/.", &note), "record key").await;
    refused(&home, file("com.example.note/a", &Ipld::List(Vec::new())), "not a map").await;
    let large = cbor::from_json(&json!({ "$type": "com.example.note", "text": "x".repeat(1_000_000) })).unwrap();
    refused(&home, file("com.example.note/a", &large), "1,000,000").await;
    refused(&home, file("com.example.note/a", &note), "no captain").await;
    let captain = cbor::from_json(&json!({ "$type": "io.atcr.hold.captain", "owner": "nobody" })).unwrap();
    refused(&home, file("io.atcr.hold.captain/self", &captain), "not those of a hold").await;
    let url = ServiceUrl::parse("https://other.example.org").unwrap();
    let elsewhere = Pds::new(home.database.clone(), url.did(), &url, key(77), 5);
    let error = import(&elsewhere, LATER_US, file_with_notes(1).await, None).await.unwrap_err();
    assert!(error.to_string().contains("the database is the repository of"), "{error}");
}

#[tokio::test]
async fn any_changed_byte_is_found() {
    let home = fresh().await;
    let file = file_with_notes(12).await;
    let before = (home.head().await, exported(&home.pds).await);
    let mut random = 88_172_645_463_325_252_u64;
    for round in 0..400 {
        // xorshift: the same file every time.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random % file.len() as u64).unwrap();
        let mut damaged = file.clone();
        match round % 4 {
            0 => damaged[at] ^= 1 << (random >> 61),
            1 => damaged.truncate(at),
            2 => damaged.insert(at, (random >> 56) as u8),
            _ => drop(damaged.remove(at)),
        }
        if damaged != file {
            assert!(import(&home.pds, LATER_US, damaged, None).await.is_err(), "round {round} at {at}");
        }
    }
    assert_eq!((home.head().await, exported(&home.pds).await), before);
    assert!(car::read(&file).is_ok());
}
