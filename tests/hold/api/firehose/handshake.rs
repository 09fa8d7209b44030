//! Which requests become a WebSocket, and how the others are answered.

use super::{ACCEPTED, ASKS, PATH, Subscriber};
use crate::support::hold::{Hold, PUBLIC, raw};

fn without(name: &str) -> String {
    ASKS.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect()
}

#[tokio::test]
async fn only_a_handshake_is_upgraded() {
    let hold = Hold::start(PUBLIC).await;
    let end = "Connection: close\r\n";
    let cases = [
        ("GET", String::new(), 426, "UpgradeRequired"),
        ("HEAD", ASKS.into(), 426, ""),
        ("POST", ASKS.into(), 405, "MethodNotAllowed"),
        ("GET", without("Upgrade"), 426, "UpgradeRequired"),
        ("GET", without("Connection"), 426, "UpgradeRequired"),
        ("GET", without("Sec-WebSocket-Version"), 426, "UpgradeRequired"),
        ("GET", ASKS.replace("13", "8"), 426, "UpgradeRequired"),
        ("GET", ASKS.replace("Upgrade: websocket", "Upgrade: h2c"), 426, "UpgradeRequired"),
        ("GET", without("Sec-WebSocket-Key"), 400, "InvalidRequest"),
        ("GET", ASKS.replace("dGhl", ""), 400, "InvalidRequest"),
        ("GET", ASKS.replace("dGhl", "****"), 400, "InvalidRequest"),
        ("GET", format!("{ASKS}Content-Length: 1\r\n"), 400, "InvalidRequest"),
    ];
    for (method, headers, status, name) in cases {
        let body = if headers.contains("Content-Length") { "x" } else { "" };
        let request = format!("{method} {PATH} HTTP/1.1\r\nHost: hold\r\n{headers}{end}\r\n{body}");
        let answer = raw(hold.port, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        assert!(answer.contains(name), "{request}{answer}");
        let offers = answer.contains("upgrade: websocket\r\n") && answer.contains("sec-websocket-version: 13\r\n");
        assert_eq!(offers, status == 426, "{answer}");
    }
    let old = raw(hold.port, format!("GET {PATH} HTTP/1.0\r\n{}\r\n", ASKS.replace("keep-alive", "close"))).await;
    assert!(old.starts_with("HTTP/1.0 426 "), "{old}");
}

#[tokio::test]
async fn other_endpoints_answer_as_if_no_upgrade_was_asked_for() {
    let hold = Hold::start(PUBLIC).await;
    for path in ["/xrpc/_health", "/xrpc/com.atproto.sync.listRepos", "/"] {
        // The connection goes on in HTTP.
        let request = format!("GET {path} HTTP/1.1\r\nHost: hold\r\n{ASKS}\r\n");
        let last = "GET /xrpc/_health HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n";
        let answers = raw(hold.port, format!("{request}{last}")).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        assert!(!answers.contains(ACCEPTED));
    }
}

#[tokio::test]
async fn there_are_sixty_four_places() {
    let hold = Hold::start(PUBLIC).await;
    let mut subscribers = Vec::new();
    let refused = async |last: u8| Subscriber::try_open_from(&hold, last).await.err().expect("a refusal");
    for last in [vec![1; 8], vec![2; 8], vec![3; 8], vec![4; 8], vec![5; 8], vec![6; 8]].concat() {
        subscribers.push(Subscriber::try_open_from(&hold, last).await.unwrap());
    }
    let head = refused(1).await;
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: 60\r\n"), "{head}");
    // The last sixteen are for those who have none.
    for last in 7..23 {
        subscribers.push(Subscriber::try_open_from(&hold, last).await.unwrap());
    }
    let head = refused(23).await;
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: 60\r\n"), "{head}");
    assert_eq!(hold.get("/xrpc/_health").send().await.status, 200);
    let mut leaving = subscribers.pop().unwrap();
    leaving.0.close(None).await.unwrap();
    leaving.assert_closed_by_us().await;
    while Subscriber::try_open_from(&hold, 23).await.is_err() {
        tokio::task::yield_now().await;
    }
}
