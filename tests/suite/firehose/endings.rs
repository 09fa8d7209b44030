//! How subscriptions end, and that one subscriber does not disturb the others.

use futures_util::SinkExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::{Subscriber, add_members, put_member};
use crate::suite::hold::{Hold, PUBLIC};

#[tokio::test]
async fn pings_are_answered_and_all_else_is_ignored() {
    let hold = Hold::start(PUBLIC).await;
    let mut subscriber = Subscriber::open(&hold, "").await;
    subscriber.0.send(Message::text("hello")).await.unwrap();
    subscriber.0.send(Message::binary(vec![0; 4096])).await.unwrap();
    subscriber.0.send(Message::Pong("unasked".into())).await.unwrap();
    subscriber.0.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(subscriber.message().await, Message::Pong("are you there".into()));
    put_member(&hold, 1, "a").await;
    assert_eq!(subscriber.event().await.kind, "#commit");
}

#[tokio::test]
async fn large_and_malformed_client_frames_end_the_subscription() {
    let hold = Hold::start(PUBLIC).await;
    let mut large = Subscriber::open(&hold, "").await;
    large.0.send(Message::binary(vec![0; 4097])).await.unwrap();
    large.assert_closed(1009).await;
    // Not masked; of an unknown kind; a text that is not UTF-8.
    for (bytes, code) in
        [(&[0x81, 1, b'a'][..], 1002), (&[0x83, 0x80, 0, 0, 0, 0], 1002), (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007)]
    {
        let mut subscriber = Subscriber::open(&hold, "").await;
        subscriber.0.get_mut().write_all(bytes).await.unwrap();
        subscriber.assert_closed(code).await;
    }
}

#[tokio::test]
async fn a_subscriber_that_leaves_is_answered() {
    let hold = Hold::start(PUBLIC).await;
    let mut subscriber = Subscriber::open(&hold, "").await;
    subscriber.0.close(None).await.unwrap();
    subscriber.assert_closed_by_us().await;
}

#[tokio::test]
async fn a_stopping_hold_says_goodbye() {
    let mut hold = Hold::start(PUBLIC).await;
    let mut live = Subscriber::open(&hold, "").await;
    let mut backfilled = Subscriber::open(&hold, "?cursor=0").await;
    backfilled.events(5).await;
    tokio::join!(hold.stop(), live.assert_closed(1001), backfilled.assert_closed(1001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_pauses_delays_nobody_and_misses_nothing() {
    let hold = Hold::start(PUBLIC).await;
    let mut slow = Subscriber::with_small_buffer(&hold).await;
    let mut quick = Subscriber::open(&hold, "").await;
    // 40 events of 200 kB: more than the system's buffers hold.
    let long = "x".repeat(7_000);
    let mut seqs = Vec::new();
    for commit in 0..40 {
        add_members(&hold, commit * 30..commit * 30 + 30, &long).await;
        seqs.push(quick.event().await.seq);
    }
    let late: Vec<_> = slow.events(40).await.iter().map(|event| event.seq).collect();
    assert_eq!(late, seqs);
}
