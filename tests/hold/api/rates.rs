//! Floods: whoever sends too much is told so, and nobody else notices.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::hold::{Account, Answer, Hold, raw_unix};

/// Many more at once than a rate of 1 a second admits.
const FLOOD: usize = 60;
const MESSAGE: &str = "too many requests; slow down";

#[track_caller]
fn assert_limited(answer: &Answer) {
    answer.assert_refused(429, "RateLimitExceeded", MESSAGE);
    assert_eq!(answer.header("retry-after"), Some("5"));
}

/// The answers that are not `status`, of which there must be some, and some others.
fn assert_some_limited(answers: &[Answer], status: u16) {
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status != status).collect();
    assert!(!limited.is_empty() && limited.len() < answers.len(), "{} limited", limited.len());
    limited.into_iter().for_each(assert_limited);
}

#[tokio::test]
async fn a_flood_of_one_account_leaves_the_others_alone() {
    let hold = Hold::start("public = true\n[limits]\nrequests_per_account = 1\n").await;
    // There is no such blob, which shows that the call got through.
    let target = format!("/xrpc/com.atproto.sync.getBlob?cid=sha256:{}", "0".repeat(64));
    let call = |account: &Account| hold.get(&target).bearer(&hold.token(account)).send();
    let answers = join_all((0..FLOOD).map(|_| call(&hold.stranger))).await;
    assert_some_limited(&answers, 404);
    for account in [&hold.reader, &hold.writer, &hold.captain] {
        assert_eq!(call(account).await.status, 404);
    }
    let anonymous = join_all((0..FLOOD).map(|_| hold.get(&target).send())).await;
    assert!(anonymous.iter().all(|answer| answer.status == 404));
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_who_floods() {
    let hold = Hold::start("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[limits]\nrequests_per_address = 1\n").await;
    let call = |forwarded: &str| hold.get("/xrpc/_health").header("x-forwarded-for", forwarded).send();
    assert_some_limited(&join_all((0..FLOOD).map(|_| call("192.0.2.1"))).await, 200);
    // The proxy appends what it saw; what stands before that, the client wrote.
    let spoofed: Vec<_> = (0..FLOOD).map(|n| format!("198.51.100.{n}, 192.0.2.2")).collect();
    assert_some_limited(&join_all(spoofed.iter().map(|text| call(text))).await, 200);
    for address in ["192.0.2.3", "2001:db8::1", "198.51.100.7"] {
        assert_eq!(call(address).await.status, 200, "{address}");
    }
    // One IPv6 customer has a whole /64.
    let neighbours: Vec<_> = (2..FLOOD + 2).map(|n| format!("2001:db8:1::{n:x}")).collect();
    assert_some_limited(&join_all(neighbours.iter().map(|text| call(text))).await, 200);
}

#[tokio::test]
async fn whoever_is_not_a_trusted_proxy_cannot_say_who_it_is() {
    let hold = Hold::start("[server]\ntrusted_proxies = [\"192.0.2.9\"]\n[limits]\nrequests_per_address = 1\n").await;
    let names: Vec<_> = (0..FLOOD).map(|n| format!("198.51.100.{n}")).collect();
    let call = |name: &String| hold.get("/xrpc/_health").header("x-forwarded-for", name).send();
    let answers = join_all(names.iter().map(call)).await;
    assert_some_limited(&answers, 200);
}

#[tokio::test]
async fn whoever_connects_by_the_socket_file_is_a_trusted_proxy() {
    let hold = Hold::start("[limits]\nrequests_per_address = 1\n").await;
    let call = async |header: &str| {
        let request = format!("GET /xrpc/_health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n");
        raw_unix(&hold.socket_file(), request).await[..12].to_owned()
    };
    let flood = join_all((0..FLOOD).map(|_| call("X-Forwarded-For: 192.0.2.1\r\n"))).await;
    assert!(flood.contains(&"HTTP/1.1 429".to_owned()), "{flood:?}");
    assert_eq!(call("X-Forwarded-For: 192.0.2.2\r\n").await, "HTTP/1.1 200");
    // Those whom the proxy does not name, or not by an address, are held to one rate together.
    for garbage in ["", "X-Forwarded-For: unknown\r\n", "X-Forwarded-For: 192.0.2.3, \r\n"] {
        let unnamed = join_all((0..FLOOD).map(|_| call(garbage))).await;
        assert!(unnamed.contains(&"HTTP/1.1 429".to_owned()), "{garbage} {unnamed:?}");
    }
    // HAProxy adds a line of its own, others a port.
    for number in 10..FLOOD {
        let line = format!("X-Forwarded-For: 198.51.100.{number}\r\nx-forwarded-for: 192.0.2.4:{number}\r\n");
        _ = call(&line).await;
    }
    assert_eq!(call("X-Forwarded-For: 192.0.2.4\r\n").await, "HTTP/1.1 429");
    assert_eq!(call("X-Forwarded-For: 198.51.100.10\r\n").await, "HTTP/1.1 200");
}

#[tokio::test]
async fn bodies_that_do_not_end_take_the_share_of_their_account_only() {
    const BODIES: usize = 300;
    // Of one account 16 bodies are read, and 256 wait for their turn.
    const SHARE: usize = 16 + 256;
    let hold = Hold::start("").await;
    let head = format!(
        "POST /xrpc/io.atcr.hold.requestCrew HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        hold.token(&hold.writer)
    );
    let mut open = Vec::new();
    for _ in 0..BODIES {
        let mut stream = TcpStream::connect(("127.0.0.1", hold.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let mut answers: FuturesUnordered<_> = open
        .iter_mut()
        .map(|stream| async {
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            String::from_utf8_lossy(&status).into_owned()
        })
        .collect();
    for _ in 0..BODIES - SHARE {
        let answer = tokio::time::timeout(Duration::from_secs(120), answers.next()).await;
        assert_eq!(answer.expect("those beyond the share are refused").unwrap(), "HTTP/1.1 429");
    }
    let more = tokio::time::timeout(Duration::from_millis(500), answers.next()).await;
    assert!(more.is_err(), "the share is waited for: {more:?}");
    drop(answers);
    // Others do not notice.
    let other = hold.post(&hold.captain, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    assert_eq!(other.status, 200);
    drop(open);
    let own = hold.post(&hold.writer, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    assert_eq!(own.status, 200);
}
