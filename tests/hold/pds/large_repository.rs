//! What keeps a large repository as fast as a small one, as far as it can be counted instead of timed.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use atcr_hold::pds::{BlockStream, PageQuery, PdsError, RecordWrite};
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Blocks, Visit};
use atproto::repo::{Cid, RepoError, car, cid};

use crate::support::repo_home::{RepoHome, START_US, change, note};

const COLLECTION: &str = "com.example.note";
const COMMITS: u64 = 10;
const RECORDS_A_COMMIT: u64 = 200;
const MINUTE_US: u64 = 60_000_000;

fn path(number: u64) -> String {
    format!("{COLLECTION}/{number:06}")
}

/// A repository whose export is many times what may wait for its reader.
async fn large() -> RepoHome {
    let home = RepoHome::new();
    for commit in 0..COMMITS {
        let numbers = commit * RECORDS_A_COMMIT..(commit + 1) * RECORDS_A_COMMIT;
        let create = |number| change(&path(number), RecordWrite::Create(note(&format!("{number:0>300}"))));
        home.commit(START_US + commit * MINUTE_US, numbers.map(create).collect()).await.unwrap();
    }
    home
}

async fn read_to_end(mut stream: BlockStream) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some(chunk) = stream.recv().await {
        file.extend(chunk.unwrap());
    }
    file
}

/// The records that the commit at the root of a CAR file reaches, all of whose blocks must be in the file.
fn records(file: &[u8]) -> (Cid, BTreeMap<String, Cid>) {
    let car = car::read(file).unwrap();
    let blocks: HashMap<_, _> = car.blocks.iter().map(|(cid, bytes)| (*cid, bytes.to_vec())).collect();
    let commit = Commit::decode(&blocks[&car.roots[0]]).unwrap();
    let mut records = BTreeMap::new();
    mst::walk::<RepoError>(&blocks, commit.data, |visit| {
        if let Visit::Leaf { key, value } = visit {
            assert!(blocks.contains_key(value), "{key}");
            records.insert(key.to_owned(), *value);
        }
        Ok(())
    })
    .unwrap();
    (car.roots[0], records)
}

#[tokio::test]
async fn an_export_is_one_snapshot_while_writes_go_on() {
    let home = large().await;
    let (head, before) = (home.head().await, home.stored_tree().await);
    let mut stream = home.pds.export(None).await.unwrap().unwrap();
    // The snapshot is taken once the first chunk is there; what is left by far exceeds what may wait.
    let mut file = stream.recv().await.unwrap().unwrap().to_vec();
    for number in 0..RECORDS_A_COMMIT {
        let now_us = START_US + (COMMITS + number) * MINUTE_US;
        let changes = vec![
            change(&path(number), RecordWrite::Delete),
            change(&path(1_000 + number), RecordWrite::Update(note("changed"))),
            change(&path(900_000 + number), RecordWrite::Create(note("new"))),
        ];
        home.commit(now_us, changes).await.unwrap();
    }
    file.extend(read_to_end(stream).await);
    assert_eq!(records(&file), (head.commit, before));

    let after = read_to_end(home.pds.export(None).await.unwrap().unwrap()).await;
    assert_eq!(records(&after), (home.head().await.commit, home.stored_tree().await));

    let news = read_to_end(home.pds.export(Some(head.rev)).await.unwrap().unwrap()).await;
    let held: HashMap<_, _> = car::read(&file).unwrap().blocks.into_iter().collect();
    let all: HashMap<_, _> = car::read(&after).unwrap().blocks.into_iter().collect();
    let sent: HashMap<_, _> = car::read(&news).unwrap().blocks.into_iter().collect();
    assert!(sent.keys().all(|cid| !held.contains_key(cid)), "nothing is sent again");
    assert!(all.keys().all(|cid| held.contains_key(cid) || sent.contains_key(cid)), "nothing is missing");
}

#[tokio::test]
async fn pages_from_any_cursor_follow_each_other() {
    let home = large().await;
    let page = async |cursor: Option<u64>, ascending| {
        let cursor = cursor.map(|number| format!("{number:06}"));
        let query = PageQuery { collection: COLLECTION.into(), cursor, limit: 100, ascending };
        let page = home.pds.read(move |records| records.page(&query)).await.map_err(|e: PdsError| e).unwrap();
        let keys = page.records.iter().map(|record| record.rkey.as_str().parse::<u64>().unwrap()).collect::<Vec<_>>();
        (keys, page.cursor)
    };
    let all = COMMITS * RECORDS_A_COMMIT;
    for at in (0..all).step_by(371) {
        let (keys, cursor) = page(Some(at), false).await;
        assert_eq!(keys, (at.saturating_sub(100)..at).rev().collect::<Vec<_>>());
        assert_eq!(cursor.is_some(), at > 100);
        let (keys, cursor) = page(Some(at), true).await;
        assert_eq!(keys, (at + 1..all.min(at + 101)).collect::<Vec<_>>());
        assert_eq!(cursor.is_some(), at + 101 < all);
    }
    let mut seen = 0;
    let mut next = None;
    loop {
        let (keys, cursor) = page(next, false).await;
        seen += keys.len() as u64;
        let Some(cursor) = cursor else { break };
        next = Some(cursor.parse().unwrap());
    }
    assert_eq!(seen, all);
}

/// Counts what is loaded.
struct Counted {
    blocks: HashMap<Cid, Vec<u8>>,
    reads: Cell<usize>,
}

impl Blocks for Counted {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        self.reads.set(self.reads.get() + 1);
        self.blocks.block(cid)
    }
}

/// A change goes down one path, splits or joins along it, and the proof goes down the paths of both neighbours.
#[test]
fn a_commit_loads_some_paths_of_a_large_tree_and_no_more() {
    let value = cid::dag_cbor(b"value");
    let set = |number: u64, value| mst::Change { key: path(number), value };
    let keys: Vec<_> = (0..20_000).map(|number| set(2 * number, Some(value))).collect();
    let empty = Counted { blocks: HashMap::new(), reads: Cell::default() };
    let tree = mst::apply(&empty, None, &keys).unwrap();
    let layers = keys.iter().map(|change| mst::height(&change.key)).max().unwrap() as usize + 1;
    let stored = Counted { blocks: tree.new.into_iter().collect(), reads: Cell::default() };
    assert!(stored.blocks.len() > 400 * layers, "{} nodes in {layers} layers", stored.blocks.len());

    let changes = (0..20_000).step_by(97).flat_map(|number| [set(2 * number + 1, Some(value)), set(2 * number, None)]);
    for change in changes {
        stored.reads.set(0);
        mst::apply(&stored, Some(tree.root), std::slice::from_ref(&change)).unwrap();
        assert!(stored.reads.get() <= 4 * layers, "{}: {} reads in {layers} layers", change.key, stored.reads.get());
    }
}
