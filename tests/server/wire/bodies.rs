//! Bodies of requests and answers.

use std::time::Duration;

use server::wire::HttpLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Wire, status};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let mut wire = Wire::new().await;
    for text in ["one", "two", ""] {
        wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, text.as_bytes()));
        assert!(!answer.closes());
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_up_to_the_refused_one() {
    let mut wire = Wire::new().await;
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nput";
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    wire.send(format!("{put}{get}{chunked}\r\n{put}GET / HTTP/1.1\r\n\r\n{put}")).await;
    for (status, body) in [(200, "put"), (200, ""), (200, "abcdef"), (200, "put")] {
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()));
    }
    assert_eq!(wire.receive().await.status, 400);
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    // Longer than every buffer on the way, and not a multiple of any.
    let body: Vec<u8> = (0..3_000_017_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut wire = Wire::new().await;
    wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    wire.send(&body).await;
    assert!(wire.receive().await.body == body);
    wire.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for (n, chunk) in body.chunks(70_001).enumerate() {
        wire.send(format!("{:x};n={n}\r\n", chunk.len())).await;
        wire.send(chunk).await;
        wire.send("\r\n").await;
    }
    wire.send("0\r\nTrailer: ignored\r\n\r\n").await;
    let answer = wire.receive().await;
    assert!(answer.body == body);
    assert!(!answer.closes());
}

#[tokio::test]
async fn broken_chunks_are_answered_and_end_the_connection() {
    for chunks in ["3\nabc\n0\n\n", "x\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0\r\n folded\r\n\r\n", "3;\0\r\nabc\r\n"] {
        let mut wire = Wire::new().await;
        wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        wire.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.closes()), (400, true), "{chunks:?}");
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn a_peer_that_leaves_within_a_body_is_noticed() {
    for head in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nab"] {
        let mut wire = Wire::new().await;
        wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{head}")).await;
        wire.client.shutdown().await.unwrap();
        assert_eq!(status(&wire.rest().await), 499);
    }
}

#[tokio::test]
async fn limits_hold_for_announced_and_for_chunked_bodies() {
    let exact = "PUT /limited HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789";
    let chunked = "PUT /limited HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n";
    let mut wire = Wire::new().await;
    wire.send(format!("{exact}{chunked}0\r\n\r\n{chunked}1\r\na\r\n0\r\n\r\n")).await;
    assert_eq!(wire.receive().await.body, b"0123456789");
    assert_eq!(wire.receive().await.body, b"0123456789");
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (413, true));
    let mut wire = Wire::new().await;
    wire.send("PUT /limited HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").await;
    assert_eq!(wire.receive().await.status, 413);
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_peer_that_expects_100_is_told_to_go_on_only_when_its_body_is_wanted() {
    let head = |path: &str, length: u32| {
        format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut wire = Wire::new().await;
    wire.send(head("/", 3)).await;
    assert_eq!(wire.receive().await.status, 100);
    wire.send("abc").await;
    assert_eq!(wire.receive().await.body, b"abc");
    for (path, length) in [("/unread", 3), ("/limited", 11)] {
        let mut wire = Wire::new().await;
        wire.send(head(path, length)).await;
        let answer = wire.receive().await;
        assert_eq!((answer.status, answer.closes()), (413, true), "{path}");
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn an_early_answer_reaches_a_peer_that_goes_on_sending() {
    let limits = HttpLimits { linger_time: Duration::from_secs(60), ..HttpLimits::default() };
    let mut wire = Wire::with(limits).await;
    wire.send(format!("PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 100 << 20)).await;
    let block = vec![0; 1 << 20];
    for _ in 0..50 {
        // Within what is read on; a reset would show here, or in reading.
        wire.send(&block).await;
    }
    let answer = wire.receive().await;
    assert_eq!((answer.status, answer.closes()), (413, true));
    for _ in 50..100 {
        if wire.client.write_all(&block).await.is_err() {
            return;
        }
    }
    panic!("the peer may send without end");
}

#[tokio::test]
async fn an_answer_to_head_has_the_length_and_no_body() {
    let mut wire = Wire::new().await;
    wire.send("HEAD /known HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.send("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.send("HEAD /unread HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let answers = wire.rest().await;
    let heads: Vec<_> = answers.split_terminator("\r\n\r\n").collect();
    assert_eq!(heads.len(), 4, "{answers}");
    for (head, length) in heads.iter().zip([6, 0, 0, 6]) {
        assert!(head.contains(&format!("content-length: {length}")), "{head}");
    }
    assert!(answers.ends_with("\r\n\r\n"), "{answers}");
}

#[tokio::test]
async fn an_answer_that_fails_is_cut_short_visibly() {
    let mut wire = Wire::new().await;
    wire.send("GET /known HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.receive().await.body, b"abcdef");
    wire.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!wire.rest().await.contains("def"));
    let mut wire = Wire::new().await;
    wire.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut rest = Vec::new();
    let _ = wire.client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}
