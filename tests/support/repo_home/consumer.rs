//! A consumer of the firehose that believes nothing: it checks each event against those before it, as Sync v1.1 asks of
//! relays, and learns the records from them alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use atproto::keys::PublicKey;
use atproto::repo::cbor::Ipld;
use atproto::repo::commit::Commit;
use atproto::repo::{Cid, mst};
use atproto::syntax::{Datetime, Did, Tid};

use super::event::{Event, Op};
use super::{RepoHome, public_key};

/// What the events up to `seq` came to.
pub(crate) struct Consumer {
    did: Did,
    key: PublicKey,
    pub(crate) seq: i64,
    pub(crate) rev: Option<Tid>,
    pub(crate) data: Option<Cid>,
    pub(crate) records: BTreeMap<String, Cid>,
    pub(crate) commits: usize,
}

impl Consumer {
    pub(crate) fn new(home: &RepoHome) -> Self {
        Self::of(home.pds.did().clone(), public_key())
    }

    /// A consumer of the repository `did`, whose commits `key` signs.
    pub(crate) fn of(did: Did, key: PublicKey) -> Self {
        Self { did, key, seq: 0, rev: None, data: None, records: BTreeMap::new(), commits: 0 }
    }

    /// Reads all new events, and checks that they lead to what is stored. Answers them.
    pub(crate) async fn catch_up(&mut self, home: &RepoHome) -> Vec<Event> {
        let events = home.events_after(self.seq).await;
        for event in &events {
            self.take(event);
        }
        let head = home.head().await;
        assert_eq!((Some(head.data), Some(&head.rev), head.last_seq), (self.data, self.rev.as_ref(), self.seq));
        assert_eq!(home.stored_tree().await, self.records);
        events
    }

    pub(crate) fn take(&mut self, event: &Event) {
        assert!(event.seq > self.seq, "{} after {}", event.seq, self.seq);
        self.seq = event.seq;
        assert!(Datetime::parse(event.text("time")).is_ok());
        match event.kind {
            "#commit" => self.take_commit(event),
            "#sync" => self.take_sync(event),
            _ => assert_eq!(event.text("did"), self.did.as_str()),
        }
    }

    fn take_sync(&mut self, event: &Event) {
        assert_eq!(event.names(), ["blocks", "did", "rev", "seq", "time"]);
        assert_eq!(event.text("did"), self.did.as_str());
        let commit = self.commit_of(event);
        assert_eq!(event.blocks().blocks.len(), 1, "the commit alone");
        assert_eq!((Some(commit.data), Some(commit.rev)), (self.data, self.rev.clone()));
    }

    fn take_commit(&mut self, event: &Event) {
        let mut names =
            vec!["blobs", "blocks", "commit", "ops", "rebase", "repo", "rev", "seq", "since", "time", "tooBig"];
        if self.data.is_some() {
            names.insert(4, "prevData");
        }
        assert_eq!(event.names(), names);
        assert_eq!((event.text("repo"), event.field("blobs")), (self.did.as_str(), &Ipld::List(Vec::new())));
        assert_eq!((event.field("rebase"), event.field("tooBig")), (&false.into(), &false.into()));
        let commit = self.commit_of(event);
        assert_eq!(event.blocks().roots, [event.link("commit")]);
        let since = self.rev.as_ref().map_or(Ipld::Null, |rev| rev.as_str().into());
        assert_eq!(event.field("since"), &since, "the chain has no gap");
        assert!(self.rev.as_ref().is_none_or(|rev| *rev < commit.rev), "revisions rise");
        let ops = event.ops();
        match self.data {
            Some(data) => {
                assert!((1..=200).contains(&ops.len()), "{} operations", ops.len());
                assert_eq!(event.link("prevData"), data);
                assert_eq!(undone(event, commit.data, &ops), data, "the operations lead back to the tree before");
            }
            None => assert!(ops.is_empty()),
        }
        ops.iter().for_each(|op| self.take_op(event, op));
        (self.data, self.rev) = (Some(commit.data), Some(commit.rev));
        self.commits += 1;
    }

    /// The commit block that comes first in the event's CAR, which is the CAR's root, signed by the repository's key.
    fn commit_of(&self, event: &Event) -> Commit {
        let car = event.blocks();
        let (cid, bytes) = car.blocks.first().expect("a block");
        assert_eq!(&car.roots, &[*cid]);
        let commit = Commit::decode(bytes).unwrap();
        commit.verify(&self.key).unwrap();
        assert_eq!((&commit.did, commit.rev.as_str(), commit.prev), (&self.did, event.text("rev"), None));
        commit
    }

    fn take_op(&mut self, event: &Event, op: &Op) {
        let before = match op.cid {
            Some(cid) => {
                assert!(event.blocks().blocks.iter().any(|(block, _)| *block == cid), "{} comes along", op.path);
                self.records.insert(op.path.clone(), cid)
            }
            None => self.records.remove(&op.path),
        };
        assert_eq!(before, op.prev, "{}", op.path);
        let action = match (op.cid, op.prev) {
            (Some(_), None) => "create",
            (Some(_), Some(_)) => "update",
            (None, _) => "delete",
        };
        assert_eq!(op.action, action);
        assert_ne!(op.cid, op.prev, "an operation changes something");
    }
}

/// The root before the operations, from the blocks of the event alone.
fn undone(event: &Event, data: Cid, ops: &[Op]) -> Cid {
    let car = event.blocks();
    let blocks: HashMap<Cid, Vec<u8>> = car.blocks.iter().map(|(cid, bytes)| (*cid, bytes.to_vec())).collect();
    assert_eq!(blocks.len(), car.blocks.len(), "no block twice");
    let paths: BTreeSet<_> = ops.iter().map(|op| &op.path).collect();
    assert_eq!(paths.len(), ops.len(), "one operation a record");
    let operations: Vec<_> =
        ops.iter().map(|op| mst::Operation { key: op.path.clone(), value: op.cid, previous: op.prev }).collect();
    mst::invert(&blocks, data, &operations).unwrap()
}
