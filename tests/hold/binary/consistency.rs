//! Crew writes at random while the daemon is stopped and killed: one consumer that comes back with its cursor learns
//! every commit, once, and holds in the end what the hold stores.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::dice::Dice;
use super::process::{Daemon, eventually};
use super::repository::{listed, verified};
use super::site::Site;
use super::subscriber::{History, Subscriber};
use super::writer::Writer;
use crate::support::http::blocking::Client;

const WRITES: u64 = 1_000;
const WRITERS: u32 = 3;
/// The most writes that a daemon answers before its end comes.
const LIFE_WRITES: u64 = 100;

#[test]
fn a_consumer_that_comes_back_learns_every_commit_once() {
    let mut dice = Dice::of_this_run();
    let mut site = Site::new();
    site.configure("[limits]\nrequests_per_address = 0\nrequests_per_account = 0\n");
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(number, dice.split())).collect();
    let mut daemon = site.start();
    let mut history = History::new(&daemon.anonymous(), dice.split());
    while writers.iter().map(|writer| writer.acknowledged).sum::<u64>() < WRITES {
        live(daemon, &site, &mut writers, &mut history, &mut dice);
        if dice.below(4) == 0 {
            // One more end, while it recovers.
            let mut starting = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(30)));
            starting.kill().unwrap();
            starting.wait().unwrap();
        }
        daemon = site.start();
        let listed = listed(&daemon.anonymous());
        writers.iter_mut().for_each(|writer| writer.settle(&listed));
    }
    check(&daemon.anonymous(), &writers, &mut history);
    assert_eq!(daemon.stop(), Some(0));
}

/// Writes and reads until the daemon is stopped or killed.
fn live(mut daemon: Daemon, site: &Site, writers: &mut [Writer], history: &mut History, dice: &mut Dice) {
    let client = daemon.client(&site.alice);
    let answered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in writers {
            scope.spawn(|| writer.work(&client, &answered));
        }
        let follower = scope.spawn(|| history.follow(&client));
        let last = dice.below(LIFE_WRITES);
        eventually("writes are answered", || answered.load(Ordering::Relaxed) >= last);
        std::thread::sleep(Duration::from_micros(dice.below(8_000)));
        if dice.below(2) == 0 {
            daemon.signal("TERM");
            assert_eq!(daemon.ended().code(), Some(0));
            let code = follower.join().unwrap();
            // None when it ended while the consumer was on its way back.
            assert!(matches!(code, Some(1001) | None), "{code:?}");
        } else {
            daemon.kill();
            assert_eq!(follower.join().unwrap(), None);
        }
    });
}

/// That events, export and listing say the same, and that nothing acknowledged is missing.
fn check(client: &Client, writers: &[Writer], history: &mut History) {
    history.catch_up(client);
    let (commit, records) = verified(client);
    assert_eq!((history.consumer.data, history.consumer.rev.as_ref()), (Some(commit.data), Some(&commit.rev)));
    assert_eq!(history.consumer.records, records);
    let texts = |(path, cid): (&String, &atproto::repo::Cid)| (path.clone(), cid.to_string());
    let cids = |(path, (cid, _)): (String, (String, serde_json::Value))| (path, cid);
    let exported: BTreeMap<_, _> = records.iter().map(texts).collect();
    assert_eq!(listed(client).into_iter().map(cids).collect::<BTreeMap<_, _>>(), exported);
    for rev in writers.iter().flat_map(|writer| &writer.revs) {
        assert!(history.revs.contains(rev), "the acknowledged commit {rev} was never announced");
    }
    // Whoever comes later is told the same, byte by byte: no event was sent that was not stored, none was replaced.
    let mut late = Subscriber::open(client, Some(0)).unwrap();
    for frame in &history.frames {
        assert!(late.frame() == *frame, "another event than was sent before");
    }
}
