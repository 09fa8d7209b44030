//! What the resolver remembers, and for how long.

use std::sync::Arc;
use std::time::Duration;

use server::identity::{Pool, ResolveError};

use super::begin;
use crate::support::did_server::{DidServer, Reply, document, key, plc};
use crate::support::small::pass;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_source_that_falls_silent_is_given_up() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    for (number, sent) in (0..).zip(["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]) {
        let did = plc(number);
        server.set(&format!("/{did}"), Reply::Stall(sent.into()));
        let asking = begin(&resolver, &did, Pool::Strangers).await;
        while server.requests() == number as usize {
            tokio::task::yield_now().await;
        }
        // With nothing left to do but wait, a paused clock runs on by itself.
        tokio::time::pause();
        let before = tokio::time::Instant::now();
        assert_eq!(asking.await.unwrap().unwrap_err(), ResolveError::Unreachable);
        assert!(before.elapsed() < Duration::from_secs(6), "five seconds in all");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn one_look_up_serves_all_who_ask_and_outlives_who_asked_first() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    server.set(&format!("/{did}"), Reply::Held(document(&did, 1).to_string()));
    let first = begin(&resolver, &did, Pool::Strangers).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(begin(&resolver, &did, Pool::Strangers).await);
    }
    first.abort();
    server.release();
    let mut accounts = Vec::new();
    for other in others {
        accounts.push(other.await.unwrap().unwrap());
    }
    assert!(accounts.iter().all(|account| Arc::ptr_eq(account, &accounts[0])));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_minute() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    assert_eq!(resolver.resolve(&did, Pool::Strangers).await.unwrap_err(), ResolveError::NotFound);
    server.publish(&did, &document(&did, 1));
    assert_eq!(resolver.resolve(&did, Pool::Strangers).await.unwrap_err(), ResolveError::NotFound);
    assert_eq!(resolver.refresh(&did, Pool::Strangers).await.unwrap_err(), ResolveError::NotFound);
    assert_eq!(server.requests(), 1);
    pass(MINUTE).await;
    assert!(resolver.resolve(&did, Pool::Strangers).await.is_ok());
}

#[tokio::test]
async fn a_document_serves_for_an_hour_and_for_a_day_while_its_source_is_down() {
    let mut server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    server.publish(&did, &document(&did, 1));
    resolver.resolve(&did, Pool::Members).await.unwrap();
    pass(HOUR - MINUTE).await;
    server.publish(&did, &document(&did, 2));
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap().key, key(1).public());
    assert_eq!(server.requests(), 1);
    pass(MINUTE).await;
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap().key, key(2).public());
    assert_eq!(server.requests(), 2);

    server.stop().await;
    for _ in 0..23 {
        pass(HOUR).await;
        assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap().key, key(2).public());
    }
    assert_eq!(resolver.resolve(&plc(2), Pool::Members).await.unwrap_err(), ResolveError::Unreachable);
    pass(HOUR).await;
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), ResolveError::Unreachable);
}

#[tokio::test]
async fn a_did_that_was_given_up_does_not_live_on_in_memory() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    server.publish(&did, &document(&did, 1));
    resolver.resolve(&did, Pool::Members).await.unwrap();
    server.set(&format!("/{did}"), Reply::Raw("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".into()));
    pass(HOUR).await;
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), ResolveError::NotFound);
}

#[tokio::test]
async fn only_404_and_410_drop_a_known_document() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    server.publish(&did, &document(&did, 1));
    resolver.resolve(&did, Pool::Members).await.unwrap();
    for status in ["403 Forbidden", "400 Bad Request", "429 Too Many Requests", "302 Found", "503 Unavailable"] {
        server.set(&format!("/{did}"), Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")));
        pass(HOUR).await;
        assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap().key, key(1).public(), "{status}");
    }
    server.set(&format!("/{did}"), Reply::Raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()));
    pass(HOUR).await;
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), ResolveError::NotFound);
}

#[tokio::test]
async fn a_document_is_refreshed_at_most_once_a_minute() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let did = plc(1);
    for (number, requests) in [(1, 1), (2, 2)] {
        server.publish(&did, &document(&did, number));
        assert_eq!(resolver.refresh(&did, Pool::Members).await.unwrap().key, key(number).public());
        assert_eq!(resolver.refresh(&did, Pool::Members).await.unwrap().key, key(number).public());
        assert_eq!(server.requests(), requests);
        pass(MINUTE).await;
    }
}
