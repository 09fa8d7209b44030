//! Relays are asked to crawl the hold, again and again where needed, and nobody waits for them.

mod relay_server;

use std::time::Duration;

use atcr_hold::pds::RecordWrite;
use atcr_hold::relays::{CrawlRequester, RetryPolicy};
use atproto::syntax::ServiceUrl;
use serde_json::{Value, json};

use crate::support::hold::{Hold, PUBLIC};
use crate::support::repo_home::{RepoHome, START_US, change, note};
use relay_server::{Asked, RelayServer, Reply};

/// Fast enough for a test; every commit comes after a quiet time.
const FAST: RetryPolicy = RetryPolicy {
    quiet: Duration::ZERO,
    repeat: Duration::ZERO,
    first_retry: Duration::from_millis(1),
    longest_retry: Duration::from_millis(2),
};

fn url() -> ServiceUrl {
    ServiceUrl::parse("https://hold.example.org").unwrap()
}

fn request_of(hostname: &str) -> Asked {
    Asked {
        line: "POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1".into(),
        content_type: Some("application/json".into()),
        body: json!({ "hostname": hostname }),
        given_up: false,
    }
}

/// A hold that asks these relays, as its configuration says it.
async fn hold_that_asks(relays: &[&RelayServer]) -> Hold {
    let relays: Vec<_> = relays.iter().map(|relay| relay.url.as_str()).collect();
    Hold::start(&format!("relays = {}\n{PUBLIC}", Value::from(relays))).await
}

/// Commits until the relay is asked again.
async fn commit_until_asked(home: &RepoHome, relay: &mut RelayServer) -> Asked {
    for number in 0..200 {
        let write = change("com.example.note/x", RecordWrite::Put(note(&number.to_string())));
        home.commit(START_US + number, vec![write]).await.unwrap();
        if let Ok(asked) = tokio::time::timeout(Duration::from_millis(50), relay.next()).await {
            return asked;
        }
    }
    panic!("the relay is asked at no commit")
}

#[tokio::test]
async fn every_relay_is_asked_once_at_each_start() {
    let (mut one, mut other) = (RelayServer::start([]).await, RelayServer::start([]).await);
    let mut hold = hold_that_asks(&[&one, &other]).await;
    let hostname = format!("localhost:{}", hold.port);
    for relay in [&mut one, &mut other] {
        assert_eq!(relay.next().await, request_of(&hostname));
    }
    hold.restart(&format!("relays = ['{}']\n{PUBLIC}", one.url)).await;
    assert_eq!(one.next().await, request_of(&hostname));
    hold.stop().await;
    assert!(!one.was_asked_again() && !other.was_asked_again());
}

#[tokio::test]
async fn a_hold_starts_serves_and_stops_while_a_relay_is_silent() {
    let mut relay = RelayServer::start([Reply::Silence]).await;
    let mut hold = hold_that_asks(&[&relay]).await;
    let request = request_of(&format!("localhost:{}", hold.port));
    assert_eq!(relay.next().await, request);
    hold.remove_from_crew(&hold.reader).await;
    hold.stop().await;
    assert_eq!(relay.next().await, Asked { given_up: true, ..request });
}

#[tokio::test]
async fn a_relay_is_asked_until_it_agrees_and_at_a_commit_after_a_quiet_time() {
    let home = RepoHome::new();
    let refusals = [Reply::Cut, Reply::Status(500), Reply::Status(400), Reply::Status(302)];
    let mut relay = RelayServer::start(refusals).await;
    let relays = [relay.url.clone()];
    let crawl = CrawlRequester::new(&url(), &relays, true, FAST).unwrap().unwrap();
    let asking = tokio::spawn(crawl.run(home.pds.newest_event(), |_| {}));
    for _ in 0..=refusals.len() {
        assert_eq!(relay.next().await, request_of("hold.example.org"));
    }
    assert_eq!(commit_until_asked(&home, &mut relay).await, request_of("hold.example.org"));
    asking.abort();
}

#[tokio::test]
async fn a_relay_that_cannot_be_reached_does_not_keep_another_from_being_asked() {
    let home = RepoHome::new();
    let mut relay = RelayServer::start([Reply::Status(503)]).await;
    // Nothing listens on port 1, and no name ends in .invalid.
    let relays = ["http://localhost:1".into(), "https://relay.invalid".into(), relay.url.clone()];
    let crawl = CrawlRequester::new(&url(), &relays, true, FAST).unwrap().unwrap();
    let asking = tokio::spawn(crawl.run(home.pds.newest_event(), |_| {}));
    for _ in 0..2 {
        assert_eq!(relay.next().await, request_of("hold.example.org"));
    }
    asking.abort();
}

#[test]
fn a_hold_that_no_relay_can_reach_asks_none() {
    let relays = ["https://relay.example.org".to_owned()];
    let asks = |url: &str, relays: &[String], test_mode| {
        CrawlRequester::new(&ServiceUrl::parse(url).unwrap(), relays, test_mode, RetryPolicy::default())
            .unwrap()
            .is_some()
    };
    assert!(asks("https://hold.example.org", &relays, false));
    assert!(!asks("https://hold.example.org", &[], false));
    for local in ["http://localhost:8080", "http://localhost", "https://localhost"] {
        assert!(!asks(local, &relays, false));
        assert!(asks(local, &relays, true));
    }
}
