//! Where a subscription begins.

use std::time::{Duration, Instant};

use atcr_hold::pds::{PdsLimits, RecordWrite, Step, Subscription};
use bytes::Bytes;
use serde_json::json;
use server::daemon::ClockSteps;
use server::sqlite::Read;

use super::{Subscriber, error_frame, frame_of, put_member};
use crate::support::did_server::plc;
use crate::support::hold::{Hold, PUBLIC};
use crate::support::repo_home::event::Event;
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

#[tokio::test]
async fn a_cursor_is_the_last_event_that_is_not_sent() {
    let hold = Hold::start(PUBLIC).await;
    let all = Subscriber::open(&hold, "?cursor=0").await.events(5).await;
    for (index, event) in all.iter().enumerate() {
        let mut subscriber = Subscriber::open(&hold, &format!("?cursor={}", event.seq)).await;
        let expected: Vec<_> = all[index + 1..].iter().map(|event| event.seq).collect();
        let sent: Vec<_> = subscriber.events(expected.len()).await.iter().map(|event| event.seq).collect();
        assert_eq!(sent, expected);
    }
    // Below the first event, and between two.
    assert_eq!(Subscriber::open(&hold, "?cursor=1").await.event().await.seq, all[0].seq);
    // An empty one is none, as at the reference server.
    let (mut newest, mut empty) = (Subscriber::open(&hold, "").await, Subscriber::open(&hold, "?cursor=").await);
    put_member(&hold, 1, "a").await;
    assert!(newest.event().await.seq > all[4].seq);
    assert!(empty.event().await.seq > all[4].seq);
}

#[tokio::test]
async fn a_cursor_in_the_future_is_an_error_in_the_stream() {
    let hold = Hold::start(PUBLIC).await;
    let last = Subscriber::open(&hold, "?cursor=0").await.events(5).await[4].seq;
    for cursor in [last + 1, i64::MAX] {
        let mut subscriber = Subscriber::open(&hold, &format!("?cursor={cursor}")).await;
        assert_eq!(subscriber.frame().await, error_frame("FutureCursor", "the cursor is beyond the newest event"));
        subscriber.assert_closed(1008).await;
    }
}

#[tokio::test]
async fn a_cursor_that_is_no_number_is_refused_before_the_upgrade() {
    let hold = Hold::start(PUBLIC).await;
    for cursor in ["-1", "abc", "1.5", "%2B1", "0x1", "9223372036854775808", "1&cursor=2"] {
        let Err(head) = Subscriber::try_open(&hold, &format!("?cursor={cursor}")).await else {
            panic!("{cursor} was accepted")
        };
        assert!(head.starts_with("HTTP/1.1 400 "), "{cursor}: {head}");
    }
}

async fn frames(subscription: &mut Subscription) -> Vec<Bytes> {
    match subscription.next().await.unwrap() {
        Step::Frames(frames) => frames,
        Step::End(frame) => panic!("the end: {frame:?}"),
    }
}

/// A repository with events of the first day and one of the second.
async fn two_days() -> RepoHome {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    home.commit(START_US + DAY_US + 1, vec![change("com.example.note/a", RecordWrite::Put(note("a")))]).await.unwrap();
    home
}

#[tokio::test]
async fn events_of_more_than_a_day_go_and_the_newest_stays() {
    let home = two_days().await;
    let all = home.events_after(0).await;
    assert_eq!(home.pds.prune_events(START_US + DAY_US, &ClockSteps::default()).await.unwrap(), 0);
    assert_eq!(home.pds.prune_events(START_US + DAY_US + 1000, &ClockSteps::default()).await.unwrap(), all.len() - 1);
    assert_eq!(home.pds.prune_events(START_US + 9 * DAY_US, &ClockSteps::default()).await.unwrap(), 0);
    let kept = home.events_after(0).await;
    assert_eq!((kept.len(), kept[0].seq), (1, all.last().unwrap().seq));
    // The clock went back: still above everything that was ever sent.
    home.commit(START_US, vec![change("com.example.note/b", RecordWrite::Put(note("b")))]).await.unwrap();
    assert_eq!(home.events_after(kept[0].seq).await[0].seq, kept[0].seq + 1);
}

#[tokio::test]
async fn events_stay_for_a_day_though_the_clock_is_set_ahead() {
    const HOUR_US: u64 = DAY_US / 24;
    let (home, steps, begun) = (two_days().await, ClockSteps::default(), Instant::now());
    let all = home.events_after(0).await.len();
    let mut clock_us = START_US + HOUR_US;
    steps.look(clock_us, begun);
    clock_us += 30 * DAY_US;
    for (passed_hours, pruned) in [(0, 0), (22, 0), (23, 0), (24, all - 1)] {
        steps.look(clock_us + passed_hours * HOUR_US, begun + Duration::from_micros(passed_hours * HOUR_US));
        let found = home.pds.prune_events(clock_us + passed_hours * HOUR_US, &steps).await.unwrap();
        assert_eq!(found, pruned, "after {passed_hours} hours");
    }
}

#[tokio::test]
async fn an_event_of_a_clock_that_was_ahead_keeps_no_older_one_and_goes_with_those_after_it() {
    let home = RepoHome::new();
    let commit = async |time_us, name: &str| {
        let write = vec![change(&format!("com.example.note/{name}"), RecordWrite::Put(note(name)))];
        home.commit(time_us, write).await.unwrap();
    };
    commit(START_US, "old").await;
    let old = home.events_after(0).await.len();
    commit(START_US + 400 * DAY_US, "ahead").await;
    // When it was written is not known, as long as it is the newest of them.
    assert_eq!(home.pds.prune_events(START_US + 2 * DAY_US, &ClockSteps::default()).await.unwrap(), old);
    commit(START_US + DAY_US, "new").await;
    commit(START_US + DAY_US + 1, "newer").await;
    assert_eq!(home.pds.prune_events(START_US + 2 * DAY_US, &ClockSteps::default()).await.unwrap(), 0);
    assert_eq!(home.pds.prune_events(START_US + 2 * DAY_US + 1000, &ClockSteps::default()).await.unwrap(), 2);
    let kept = home.events_after(0).await;
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn events_of_too_many_bytes_go_and_the_newest_stay() {
    let home = two_days().await;
    for letter in ["a", "b", "c", "d"] {
        let write = RecordWrite::Put(note(&letter.repeat(100_000)));
        home.commit(START_US + 2 * DAY_US, vec![change("com.example.note/a", write)]).await.unwrap();
    }
    let frames = async || {
        let read = |read: &Read<'_>| atcr_hold::pds::tables::events_after(read, 0, 1000, usize::MAX);
        home.database.read(read).await.unwrap().frames
    };
    let size = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).sum::<usize>() as u64;
    let all = frames().await;
    assert_eq!(home.pds.event_bytes().await.unwrap(), size(&all));
    home.pds.set_limits(PdsLimits { event_bytes: 250_000, ..PdsLimits::default() });
    // None of them is too old.
    assert_eq!(home.pds.prune_events(START_US, &ClockSteps::default()).await.unwrap(), all.len() - 2);
    let kept = frames().await;
    assert!(all.ends_with(&kept) && kept.len() == 2, "the newest two");
    assert_eq!(home.pds.event_bytes().await.unwrap(), size(&kept));
    home.pds.set_limits(PdsLimits { event_bytes: 1, ..PdsLimits::default() });
    assert_eq!(home.pds.prune_events(START_US, &ClockSteps::default()).await.unwrap(), 1);
    assert_eq!(frames().await, all[all.len() - 1..]);
}

#[tokio::test]
async fn every_event_comes_once_however_far_behind_a_reader_is() {
    let home = two_days().await;
    let write = |text: &str| home.commit(START_US, vec![change("com.example.note/a", RecordWrite::Put(note(text)))]);
    let (mut live, mut seen) = (home.pds.subscribe(None).await.unwrap(), Vec::new());
    // One event at a time, three before the reader looks, and one again.
    for texts in [&["1"][..], &["2"], &["3", "4", "5"], &["6"]] {
        for text in texts {
            write(text).await.unwrap();
        }
        seen.extend(frames(&mut live).await);
        let at_once = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(at_once, live.next()).await.is_err(), "no more than {texts:?}");
    }
    let read = |read: &Read<'_>| atcr_hold::pds::tables::events_after(read, 0, 1000, usize::MAX);
    let stored = home.database.read(read).await.unwrap().frames;
    assert_eq!(seen, stored[stored.len() - 6..], "as they are stored");
}

#[tokio::test]
async fn an_outdated_cursor_is_told_and_then_gets_what_is_kept() {
    let home = two_days().await;
    let all: Vec<i64> = home.events_after(0).await.iter().map(|event| event.seq).collect();
    home.pds.prune_events(START_US + 2 * DAY_US, &ClockSteps::default()).await.unwrap();
    let [.., last_pruned, kept] = all[..] else { panic!("two events") };
    let message = "events after the cursor are no longer kept; those that are follow";
    let info = frame_of(json!({ "op": 1, "t": "#info" }), json!({ "name": "OutdatedCursor", "message": message }));
    for (cursor, outdated) in [(0, false), (1, true), (all[0], true), (last_pruned - 1, true), (last_pruned, false)] {
        let mut subscription = home.pds.subscribe(Some(cursor)).await.unwrap();
        if outdated {
            assert_eq!(frames(&mut subscription).await, std::slice::from_ref(&info));
        }
        let events: Vec<_> = frames(&mut subscription).await.iter().map(|frame| Event::decode(frame).seq).collect();
        assert_eq!(events, [kept], "after {cursor}");
    }
}

#[tokio::test]
async fn a_reader_whose_next_events_are_gone_is_told_so() {
    let home = two_days().await;
    let first = home.events_after(0).await[0].seq;
    let mut subscription = home.pds.subscribe(Some(first)).await.unwrap();
    home.pds.prune_events(START_US + 2 * DAY_US, &ClockSteps::default()).await.unwrap();
    let message = "too far behind; come back with the last sequence number as cursor";
    match subscription.next().await.unwrap() {
        Step::End(frame) => assert_eq!(frame, error_frame("ConsumerTooSlow", message)),
        Step::Frames(_) => panic!("a gap"),
    }
}

#[tokio::test]
async fn only_who_was_up_to_date_can_fall_behind() {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let from_start = home.pds.subscribe(Some(0)).await.unwrap();
    let live = home.pds.subscribe(None).await.unwrap();
    let write = |number: u64| {
        home.commit(START_US, vec![change("com.example.note/a", RecordWrite::Put(note(&number.to_string())))])
    };
    for number in 0..499 {
        write(number).await.unwrap();
    }
    let at_once = std::time::Duration::ZERO;
    assert!(tokio::time::timeout(at_once, live.left_behind()).await.is_err());
    write(499).await.unwrap();
    let message = "too far behind; come back with the last sequence number as cursor";
    assert_eq!(live.left_behind().await.unwrap(), error_frame("ConsumerTooSlow", message));
    assert!(tokio::time::timeout(at_once, from_start.left_behind()).await.is_err());
}
