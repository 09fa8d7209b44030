//! Peers that keep the layer waiting, with limits shrunk.

use std::time::Duration;

use server::wire::HttpLimits;
use tokio::io::AsyncWriteExt as _;

use super::Wire;
use crate::support::small::pass;

const SOON: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_head_that_does_not_arrive_is_answered_408() {
    let mut wire = Wire::with(HttpLimits { head_time: SOON, ..HttpLimits::default() }).await;
    wire.send("GET / HTTP/1.1\r\nHos").await;
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (408, true));
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_head_that_drips_is_answered_408() {
    let mut wire = Wire::with(HttpLimits { head_time: 3 * SOON, ..HttpLimits::default() }).await;
    wire.send("GET / HTTP/1.1\r\nX: ").await;
    assert_dripping_is_answered_408(wire).await;
}

/// Sends a byte now and then until there is an answer.
async fn assert_dripping_is_answered_408(mut wire: Wire) {
    let (mut reader, mut writer) = wire.client.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    let mut start = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut start);
    tokio::select! { _ = drip => panic!("no answer"), read = read => read.unwrap() };
    assert_eq!(&start, b"HTTP/1.1 408");
}

#[tokio::test]
async fn silent_connections_are_closed_without_an_answer() {
    let mut new = Wire::with(HttpLimits { head_time: SOON, ..HttpLimits::default() }).await;
    assert_eq!(new.rest().await, "");
    let mut used = Wire::with(HttpLimits { idle_time: SOON, ..HttpLimits::default() }).await;
    used.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(used.receive().await.status, 200);
    assert_eq!(used.rest().await, "");
}

#[tokio::test]
async fn a_long_answer_is_not_silence() {
    let mut wire = Wire::with(HttpLimits { idle_time: SOON, ..HttpLimits::default() }).await;
    wire.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(3 * SOON).await;
    wire.stage.release.notify_one();
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (200, false));
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408() {
    for head in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut wire = Wire::with(HttpLimits { body_idle_time: SOON, ..HttpLimits::default() }).await;
        wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{head}")).await;
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.body.as_slice(), answer.closes()), (408, b"body timed out".as_slice(), true));
        assert_eq!(wire.rest().await, "");
    }
}

/// As one of a virtual machine that was paused, or of a laptop that slept.
#[tokio::test]
async fn a_body_goes_on_after_the_machine_stood_still() {
    for time in [HttpLimits::default().body_idle_time, HttpLimits::default().min_rate_window, 1000 * SECOND] {
        let mut wire = Wire::with(HttpLimits::default()).await;
        wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
        stand_still(time).await;
        wire.send("def").await;
        assert_eq!(wire.receive().await.status, 200, "after {time:?}");
    }
}

#[tokio::test]
async fn a_head_goes_on_after_the_machine_stood_still() {
    for begin in ["", "\r\n", "GET / HTTP/1.1\r\nHos"] {
        let mut wire = Wire::with(HttpLimits::default()).await;
        wire.send(begin).await;
        stand_still(1000 * SECOND).await;
        wire.send(&"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[begin.trim().len()..]).await;
        assert_eq!(wire.receive().await.status, 200, "after {begin:?}");
        stand_still(1000 * SECOND).await;
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(wire.receive().await.status, 200, "on the same connection");
    }
}

#[tokio::test]
async fn an_answer_goes_on_after_the_machine_stood_still() {
    let mut wire = Wire::with(HttpLimits::default()).await;
    wire.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The first time ends a window in which the kernel took much.
    for _ in 0..2 {
        stand_still(HttpLimits::default().min_rate_window).await;
    }
    tokio::time::sleep(SOON).await;
    assert!(!wire.served.is_finished());
}

/// Lets the layer wait for its peer, and then a time pass in which neither could do anything.
async fn stand_still(time: Duration) {
    tokio::time::sleep(SOON).await;
    pass(time + SOON).await;
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408() {
    let mut wire = Wire::with(HttpLimits { min_rate_window: 3 * SOON, ..HttpLimits::default() }).await;
    wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    assert_dripping_is_answered_408(wire).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let mut wire = Wire::with(HttpLimits { min_rate_window: 3 * SOON, ..HttpLimits::default() }).await;
    wire.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The answer has no end: only the layer can end this.
    wire.served.await.unwrap();
}

#[tokio::test]
async fn reading_on_after_the_last_answer_ends() {
    let mut wire = Wire::with(HttpLimits { linger_time: SOON, ..HttpLimits::default() }).await;
    wire.send("PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await;
    assert_eq!(wire.receive().await.status, 413);
    // The peer neither sends nor closes.
    wire.served.await.unwrap();
}

#[tokio::test]
async fn draining_does_not_wait_for_idle_clients() {
    // Longer than any test run: lingering for what was left unread would be noticed.
    let mut wire = Wire::with(HttpLimits { linger_time: Duration::from_secs(100_000), ..HttpLimits::default() }).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.receive().await.status, 200);
    wire.drain.cancel();
    wire.served.await.unwrap();
}
