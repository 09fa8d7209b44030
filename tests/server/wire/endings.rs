//! How connections end, and what they survive.

use std::time::Duration;

use server::wire::HttpLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Wire, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const WAIT: &str = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_lives() {
    let mut wire = Wire::new().await;
    wire.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (500, false));
    assert_eq!(answer.body, br#"{"error":"InternalServerError","message":"Internal Server Error"}"#);
    wire.send("GET /panic/uncaught HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes(), answer.body.as_slice()), (500, false, &b""[..]));
    wire.send(GET).await;
    assert_eq!(wire.receive().await.status, 200);
}

#[tokio::test]
async fn draining_finishes_the_request_in_flight_and_takes_no_other() {
    let mut wire = Wire::new().await;
    wire.send(WAIT).await;
    wire.stage.entered.notified().await;
    wire.drain.cancel();
    wire.send(GET).await;
    wire.stage.release.notify_one();
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert_eq!(answer.body, b"waited");
    assert_eq!(wire.rest().await, "");
    drop(wire.client);
    wire.served.await.unwrap();
}

#[tokio::test]
async fn draining_finishes_an_upload() {
    let mut wire = Wire::new().await;
    wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.receive().await.status, 100);
    wire.drain.cancel();
    wire.send("abc").await;
    wire.send("def").await;
    let answer = wire.receive().await;
    assert_eq!((answer.body.as_slice(), answer.closes()), (b"abcdef".as_slice(), true));
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn draining_answers_one_more_request_of_a_connection_without_one() {
    for is_new in [true, false] {
        let mut wire =
            Wire::with(HttpLimits { drain_idle_time: Duration::from_secs(600), ..HttpLimits::default() }).await;
        if !is_new {
            wire.send(GET).await;
            let answer = wire.receive().await;
            assert_eq!((answer.status, answer.closes()), (200, false));
        }
        wire.drain.cancel();
        tokio::task::yield_now().await;
        wire.send(GET).await;
        wire.send(GET).await;
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.closes()), (200, true));
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn draining_answers_one_more_request_after_a_response_that_did_not_close_the_connection() {
    let mut wire = Wire::with(HttpLimits { drain_idle_time: Duration::from_secs(600), ..HttpLimits::default() }).await;
    wire.send("GET /halves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut begun = Vec::new();
    while !begun.ends_with(b"\r\n\r\nabc") {
        begun.push(wire.client.read_u8().await.unwrap());
    }
    assert!(!String::from_utf8(begun).unwrap().contains("connection: close"));
    wire.drain.cancel();
    tokio::task::yield_now().await;
    wire.stage.release.notify_one();
    let mut rest = [0; 3];
    wire.client.read_exact(&mut rest).await.unwrap();
    wire.send(GET).await;
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn draining_closes_silent_connections() {
    let mut silent = Wire::new().await;
    silent.drain.cancel();
    assert_eq!(silent.rest().await, "");
    let mut used = Wire::new().await;
    used.send(GET).await;
    assert_eq!(used.receive().await.status, 200);
    used.send("GET / HT").await;
    used.drain.cancel();
    assert_eq!(used.rest().await, "");
}

#[tokio::test]
async fn a_peer_that_has_sent_all_may_close_its_half() {
    let mut wire = Wire::new().await;
    wire.send(WAIT).await;
    wire.client.shutdown().await.unwrap();
    wire.stage.entered.notified().await;
    wire.stage.release.notify_one();
    assert_eq!(status(&wire.rest().await), 200);
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let mut wire = Wire::new().await;
    wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{GET}")).await;
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert_eq!(wire.rest().await, "");
}
