//! How subscriptions end, and that one subscriber does not disturb the others.

use futures_util::SinkExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::{Subscriber, add_members, put_member};
use crate::support::hold::{Hold, PUBLIC};

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

/// A client's frame: its first byte, and a payload under a mask of zeros.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..=125 => vec![0x80 | u8::try_from(short).unwrap()],
        long => [&[0x80 | 126][..], &u16::try_from(long).unwrap().to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

#[tokio::test]
async fn every_kind_of_client_frame_is_answered_as_the_rfc_says_and_harms_nobody_else() {
    let hold = Hold::start(PUBLIC).await;
    let mut witness = Subscriber::open(&hold, "").await;
    let f = client_frame;
    let fragments = [f(0x01, b"par"), f(0x89, b"between"), f(0x00, b"ti"), f(0x80, b"al"), f(0x82, b"")].concat();
    let mut talker = Subscriber::open(&hold, "").await;
    talker.0.get_mut().write_all(&fragments).await.unwrap();
    assert_eq!(talker.message().await, Message::Pong("between".into()));
    put_member(&hold, 1, "a").await;
    assert_eq!(talker.event().await.seq, witness.event().await.seq);

    let ended: [(&str, Vec<u8>, u16); 16] = [
        ("reserved bit", f(0xc1, b"a"), 1002),
        ("reserved control", f(0x8b, b""), 1002),
        ("continues nothing", f(0x80, b"a"), 1002),
        ("begins within a message", [f(0x01, b"a"), f(0x81, b"b")].concat(), 1002),
        ("fragmented ping", f(0x09, b"a"), 1002),
        ("ping of 126 bytes", f(0x89, &[0; 126]), 1002),
        ("close of 126 bytes", f(0x88, &[0; 126]), 1002),
        ("close with half a code", f(0x88, b"\x03"), 1002),
        ("close with a code for no frame", f(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close with a reason that is not UTF-8", f(0x88, b"\x03\xe8\xff"), 1007),
        ("fragments of more than 4 KiB", [f(0x02, &[0; 4096]), f(0x80, b"a")].concat(), 1009),
        ("the greatest length", [&[0x82, 0xff][..], &i64::MAX.to_be_bytes(), &[0; 4]].concat(), 1009),
        ("a length beyond that", [&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat(), 1009),
        ("close", f(0x88, &1000_u16.to_be_bytes()), 1000),
        ("close with a reason", f(0x88, b"\x03\xe9bye"), 1001),
        ("close with a code of its own", f(0x88, &4000_u16.to_be_bytes()), 4000),
    ];
    for (what, bytes, code) in ended {
        let mut subscriber = Subscriber::open(&hold, "").await;
        subscriber.0.get_mut().write_all(&bytes).await.unwrap();
        let answer = subscriber.message().await;
        let Message::Close(Some(close)) = answer else { panic!("{what}: {answer:?}") };
        assert_eq!(u16::from(close.code), code, "{what}: {}", close.reason);
    }
    let mut silent = Subscriber::open(&hold, "").await;
    silent.0.get_mut().write_all(&f(0x88, b"")).await.unwrap();
    assert_eq!(silent.message().await, Message::Close(None));
    // Half a frame, and the end of the connection.
    let mut half = Subscriber::open(&hold, "").await;
    half.0.get_mut().write_all(&f(0x81, b"half")[..5]).await.unwrap();
    drop(half);

    put_member(&hold, 2, "a").await;
    assert_eq!(talker.event().await.seq, witness.event().await.seq);
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
