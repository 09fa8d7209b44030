//! Many writes of crew in any order: the firehose alone tells every consumer what the hold stores.

use std::collections::BTreeMap;

use atcr_hold::crew::{CrewChange, CrewError, CrewWrite, Manager, member_key};
use atcr_hold::pds::{Outcome, PdsError, RecordWrite};
use atproto::lexicon::Swap;
use atproto::repo::Cid;
use atproto::syntax::Did;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::did_server::plc;
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::{CREW, RepoHome, START_US, change, declared, note};

/// Numbers that are the same at every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }
}

fn record(member: &Did, tier: usize) -> Value {
    let permissions = ["blob:read", "blob:write"];
    json!({
        "$type": CREW, "member": member, "role": "member", "permissions": permissions,
        "addedAt": "2027-01-15T08:00:00.000Z", "tier": format!("tier-{tier}"), "unknown": { "kept": [1, null] },
    })
}

/// A write that must succeed on `members`, and its effect on them.
fn write(random: &mut Random, members: &mut BTreeMap<Did, usize>, touched: &mut Vec<Did>) -> Option<CrewChange> {
    let member = plc(100 + u32::try_from(random.below(60)).unwrap());
    if touched.contains(&member) {
        return None;
    }
    touched.push(member.clone());
    let tier = random.below(4);
    let write = match (members.contains_key(&member), random.below(4)) {
        (false, 0) => CrewWrite::DeleteIfPresent,
        (false, 1) => CrewWrite::Put(record(&member, tier)),
        (false, _) => CrewWrite::Create(record(&member, tier)),
        (true, 0) => CrewWrite::Delete,
        (true, 1) => CrewWrite::DeleteIfPresent,
        (true, 2) => CrewWrite::Put(record(&member, tier)),
        (true, _) => CrewWrite::Update(record(&member, tier)),
    };
    let rkey = Some(member_key(&member).to_string());
    match write {
        CrewWrite::Delete | CrewWrite::DeleteIfPresent => members.remove(&member),
        _ => members.insert(member, tier),
    };
    Some(CrewChange { collection: CREW.into(), rkey, write, swap: Swap::Any })
}

#[tokio::test]
async fn three_hundred_commits_lead_a_consumer_to_what_is_stored() {
    let mut home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let mut consumer = Consumer::new(&home);
    let (mut random, mut members, mut now_us) = (Random(0x5EED), BTreeMap::new(), START_US);
    while consumer.commits < 300 {
        // Sometimes many writes at once, as applyWrites does; sometimes the clock jumps.
        let count = if random.below(4) == 0 { 1 + random.below(30) } else { 1 };
        let mut touched = Vec::new();
        let changes: Vec<_> = (0..count).filter_map(|_| write(&mut random, &mut members, &mut touched)).collect();
        now_us = now_us + 500_000 - u64::try_from(random.below(700_000)).unwrap();
        home.crew.apply(Manager::Captain, changes, None, now_us).await.unwrap();
        if random.below(20) == 0 {
            home = home.reopen(true);
        }
        if random.below(5) == 0 {
            consumer.catch_up(&home).await;
        }
    }
    let stored = home.records(CREW).await;
    assert_eq!(stored.len(), members.len() + 1, "and the captain");
    for (member, tier) in &members {
        assert_eq!(stored[member.as_str()], record(member, *tier));
    }
}

/// Adds a hundred members, each by a task of its own, all at the same microsecond.
fn hundred_writers(home: &RepoHome, swap: Option<Cid>) -> Vec<JoinHandle<Result<Outcome, CrewError>>> {
    let write = |number: u32| {
        let (crew, member) = (home.crew.clone(), plc(100 + number));
        tokio::spawn(async move {
            let create = CrewWrite::Create(record(&member, 0));
            let change = CrewChange { collection: CREW.into(), rkey: None, write: create, swap: Swap::Any };
            crew.apply(Manager::Captain, vec![change], swap, START_US).await.map(|(outcome, _)| outcome)
        })
    };
    (0..100).map(write).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_make_one_line_of_commits() {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let mut revs = Vec::new();
    for writer in hundred_writers(&home, None) {
        revs.push(writer.await.unwrap().unwrap().commit.unwrap().1);
    }
    let mut consumer = Consumer::new(&home);
    consumer.catch_up(&home).await;
    assert_eq!((consumer.commits, consumer.records.len()), (102, 103));
    revs.sort();
    revs.dedup();
    assert_eq!(revs.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_swap_the_same_commit_one_succeeds() {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let head = home.head().await.commit;
    let mut succeeded = 0;
    for writer in hundred_writers(&home, Some(head)) {
        match writer.await.unwrap() {
            Ok(_) => succeeded += 1,
            Err(CrewError::Pds(PdsError::InvalidSwap { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(succeeded, 1);
    Consumer::new(&home).catch_up(&home).await;
}

#[tokio::test]
async fn equal_records_share_a_block_until_the_last_one_goes() {
    let home = RepoHome::new();
    let mut consumer = Consumer::new(&home);
    let path = |name: &str| format!("com.example.note/{name}");
    let create = |name: &str| change(&path(name), RecordWrite::Create(note("same")));
    let delete = |name: &str| change(&path(name), RecordWrite::Delete);
    for changes in [
        vec![create("a"), create("b")],
        vec![delete("a")],
        // The same block goes and comes in one commit.
        vec![create("c"), delete("b")],
        vec![change(&path("c"), RecordWrite::Update(note("other"))), create("d")],
        vec![change(&path("c"), RecordWrite::Update(note("same"))), delete("d")],
        vec![delete("c")],
        vec![create("a")],
    ] {
        home.commit(START_US, changes).await.unwrap();
        consumer.catch_up(&home).await;
    }
    assert_eq!(consumer.records.keys().collect::<Vec<_>>(), [&path("a")]);
}
