//! Events in order, as they happen and after a restart, checked as relays check them.

use atcr_hold::operations::CrewAdd;
use atproto::lexicon::Permission;

use super::{CREW, PATIENCE, Subscriber, consumer, delete_member, put_member};
use crate::support::hold::{Hold, PUBLIC};
use server::control::AdminClient;

#[tokio::test]
async fn a_fresh_hold_tells_of_itself_first() {
    let hold = Hold::start(PUBLIC).await;
    let mut consumer = consumer(&hold).await;
    let events = Subscriber::open(&hold, "?cursor=0").await.events(5).await;
    events.iter().for_each(|event| consumer.take(event));
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["#identity", "#account", "#commit", "#sync", "#commit"]);
}

#[tokio::test]
async fn new_events_reach_everyone_in_the_same_order() {
    let hold = Hold::start(PUBLIC).await;
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        subscribers.push(Subscriber::open(&hold, "").await);
    }
    for number in 0..10 {
        put_member(&hold, number, "a").await;
    }
    let mut first: Option<Vec<i64>> = None;
    for subscriber in &mut subscribers {
        let seqs: Vec<_> = subscriber.events(10).await.iter().map(|event| event.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b));
        assert_eq!(first.get_or_insert(seqs.clone()), &seqs);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_comes_and_goes_gets_every_event_once() {
    let mut hold = Hold::start(PUBLIC).await;
    let mut consumer = consumer(&hold).await;
    let mut subscriber = Subscriber::open(&hold, "?cursor=0").await;
    // The hold's own events, and those of its crew.
    for event in subscriber.events(5).await {
        consumer.take(&event);
    }
    let mut number: u32 = 7;
    for step in 0..120 {
        // Members 0 to 15 in an order that repeats late.
        number = (number * 5 + step) % 16;
        let path = format!("io.atcr.hold.crew/{}", crate::support::did_server::plc(1000 + number));
        if consumer.records.contains_key(&path) && step % 3 == 0 {
            delete_member(&hold, number).await;
        } else {
            put_member(&hold, number, &format!("tier-{step}")).await;
        }
        if step == 60 {
            drop(subscriber);
            hold.restart(PUBLIC).await;
            subscriber = Subscriber::open(&hold, &format!("?cursor={}", consumer.seq)).await;
        }
        // Some events are read as they come, others after the connection was lost in between.
        if step % 7 == 0 {
            drop(subscriber);
            subscriber = Subscriber::open(&hold, &format!("?cursor={}", consumer.seq)).await;
        }
        while consumer.commits < commits(step) {
            let read = tokio::time::timeout(PATIENCE, subscriber.event()).await.expect("an event in time");
            consumer.take(&read);
        }
    }
    assert_eq!(consumer.commits, commits(119));
}

/// Commits there are after so many steps: the first one, the crew of the configuration, and one each step.
fn commits(step: u32) -> usize {
    usize::try_from(step).unwrap() + 3
}

#[tokio::test]
async fn what_the_operator_changes_is_one_commit() {
    let hold = Hold::start(PUBLIC).await;
    let mut consumer = consumer(&hold).await;
    for event in Subscriber::open(&hold, "?cursor=0").await.events(5).await {
        consumer.take(&event);
    }
    let mut subscriber = Subscriber::open(&hold, "").await;
    let running = AdminClient::new(&hold.root().join("admin.sock")).connect().await.unwrap().expect("a running hold");
    let did = hold.stranger.did.clone();
    let add = CrewAdd { did, role: "mate".into(), permissions: vec![Permission::BlobRead], tier: None };
    let member = running.run(&add, |_| {}).await.unwrap();
    assert_eq!(member.did, hold.stranger.did);
    let event = subscriber.event().await;
    consumer.take(&event);
    let ops: Vec<_> = event.ops().into_iter().map(|op| (op.action, op.path)).collect();
    let path = format!("{CREW}/{}", atcr_hold::crew::member_key(&hold.stranger.did));
    assert_eq!(ops, [("create".to_owned(), path)]);
}
