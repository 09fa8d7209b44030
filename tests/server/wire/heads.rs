//! Which request heads are refused, and with which status.

use super::{Wire, status};

/// Sends `raw` and answers the status, after checking that the answer is the only and last one.
async fn only_status(raw: impl AsRef<[u8]>) -> u16 {
    let mut wire = Wire::new().await;
    wire.send(raw).await;
    let answer = wire.receive().await;
    assert!(answer.closes(), "{}", answer.head);
    assert_eq!(wire.rest().await, "");
    answer.status
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let heads = [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX@: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        " / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n0",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n0",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n0",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n0",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n",
        &format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{smuggled}"),
        &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{smuggled}"),
        &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n{smuggled}"),
        &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n{smuggled}"),
        &format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"
        ),
        &format!("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
    ];
    for head in heads {
        assert_eq!(only_status(head).await, 400, "{head:?}");
    }
    // The start of a TLS handshake.
    assert_eq!(only_status(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await, 400);
}

#[tokio::test]
async fn other_versions_are_refused() {
    assert_eq!(only_status("GET / HTTP/2.0\r\nHost: a\r\n\r\n").await, 505);
    assert_eq!(only_status("GET / HTTP/1.2\r\nHost: a\r\n\r\n").await, 505);
    assert_eq!(only_status("GET / HTTP/0.9\r\nHost: a\r\n\r\n").await, 505);
    assert_eq!(only_status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, 505);
}

/// A request whose head, target or number of headers has exactly this size.
fn head_of(bytes: usize) -> String {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(bytes - frame))
}

fn target_of(bytes: usize) -> String {
    format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1))
}

fn headers_of(count: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(count - 1))
}

#[tokio::test]
async fn sizes_are_bounded_to_the_byte() {
    assert_eq!(only_status(head_of(16 * 1024 + 1)).await, 431);
    assert_eq!(only_status(head_of(70_000)).await, 431);
    assert_eq!(only_status(headers_of(101)).await, 431);
    assert_eq!(only_status(target_of(8 * 1024 + 1)).await, 414);
    assert_eq!(only_status(target_of(70_000)).await, 414);
    let mut wire = Wire::new().await;
    for largest in [head_of(16 * 1024), headers_of(100), target_of(8 * 1024)] {
        wire.send(largest).await;
        assert_eq!(wire.receive().await.status, 200);
    }
}

#[tokio::test]
async fn unusual_but_well_formed_heads_are_accepted() {
    let mut wire = Wire::new().await;
    let heads = [
        "GET http://a/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET /?q=/?:@%20 HTTP/1.1\r\nhOST:[::1]:8080\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \u{e9}\t\"b\"\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\nContent-Length:  00 \t\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ];
    for head in heads {
        wire.send(head).await;
        assert_eq!(wire.receive().await.status, 200, "{head:?}");
    }
    wire.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&wire.rest().await), 200);
}

#[tokio::test]
async fn a_refused_head_request_is_answered_without_a_body() {
    let mut wire = Wire::new().await;
    wire.send("HEAD / HTTP/1.1\r\n\r\n").await;
    let answer = wire.rest().await;
    assert_eq!(status(&answer), 400);
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}
