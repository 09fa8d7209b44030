//! What the resolver remembers, for how long, and how look-ups share or leave alone each other.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use atproto::syntax::Did;
use futures_util::future::BoxFuture;
use serde_json::json;
use server::identity::{Account, Error, KeptDocuments, Pool, Resolver};

use crate::support::did_server::{DidServer, Reply, document, key, plc};
use crate::support::small::pass;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

type Answer = Result<Arc<Account>, Error>;

/// Asks so far that the look-up is under way or in the queue.
async fn begin(resolver: &Resolver, did: &Did, pool: Pool) -> tokio::task::JoinHandle<Answer> {
    let (resolver, did) = (resolver.clone(), did.clone());
    let (begun, begins) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut asking = pin!(resolver.resolve(&did, pool));
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        begun.send(()).unwrap();
        asking.await
    });
    begins.await.unwrap();
    task
}

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
        assert_eq!(asking.await.unwrap().unwrap_err(), Error::Unreachable);
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
    assert_eq!(resolver.resolve(&did, Pool::Strangers).await.unwrap_err(), Error::NotFound);
    server.publish(&did, &document(&did, 1));
    assert_eq!(resolver.resolve(&did, Pool::Strangers).await.unwrap_err(), Error::NotFound);
    assert_eq!(resolver.refresh(&did, Pool::Strangers).await.unwrap_err(), Error::NotFound);
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
    assert_eq!(resolver.resolve(&plc(2), Pool::Members).await.unwrap_err(), Error::Unreachable);
    pass(HOUR).await;
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), Error::Unreachable);
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
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), Error::NotFound);
}

/// What a database would keep, and how many hours ago it was read.
#[derive(Default)]
struct Kept(Mutex<HashMap<Did, String>>, AtomicU32);

impl KeptDocuments for Kept {
    fn keep(&self, did: &Did, document: String, _age: Duration) {
        self.0.lock().unwrap().insert(did.clone(), document);
    }

    fn forget(&self, did: &Did) {
        self.0.lock().unwrap().remove(did);
    }

    fn recall(&self, did: &Did) -> BoxFuture<'static, Option<(String, Duration)>> {
        let (document, hours) = (self.0.lock().unwrap().get(did).cloned(), self.1.load(Ordering::SeqCst));
        Box::pin(async move { Some((document?, HOUR * hours)) })
    }
}

#[tokio::test]
async fn a_member_is_known_after_a_restart_while_the_directory_is_away() {
    let mut server = DidServer::start().await;
    let kept = Arc::new(Kept::default());
    let shared: Arc<dyn KeptDocuments> = kept.clone();
    let (member, stranger) = (plc(1), plc(2));
    let before = server.resolver().keeping(&shared);
    for (did, pool) in [(&member, Pool::Members), (&stranger, Pool::Strangers)] {
        server.publish(did, &document(did, 1));
        before.resolve(did, pool).await.unwrap();
    }
    server.stop().await;

    let after = server.resolver().keeping(&shared);
    assert_eq!(after.resolve(&member, Pool::Members).await.unwrap().key, key(1).public());
    assert!(after.cached(&member).is_some(), "young enough for an hour");
    assert_eq!(after.resolve(&stranger, Pool::Strangers).await.unwrap_err(), Error::Unreachable);
    assert_eq!(
        after.resolve(&stranger, Pool::Members).await.unwrap_err(),
        Error::Unreachable,
        "strangers are not kept"
    );
    kept.1.store(23, Ordering::SeqCst);
    let late = server.resolver().keeping(&shared);
    assert!(late.resolve(&member, Pool::Members).await.is_ok());
    assert!(late.cached(&member).is_none(), "it is looked up again");
    pass(HOUR).await;
    assert_eq!(late.resolve(&member, Pool::Members).await.unwrap_err(), Error::Unreachable, "a day is over");
}

#[tokio::test]
async fn what_was_known_of_a_stranger_is_kept_when_it_has_become_a_member() {
    let server = DidServer::start().await;
    let kept = Arc::new(Kept::default());
    let shared: Arc<dyn KeptDocuments> = kept.clone();
    let resolver = server.resolver().keeping(&shared);
    let did = plc(1);
    resolver.adopt(&did);
    server.publish(&did, &document(&did, 1));
    resolver.resolve(&did, Pool::Strangers).await.unwrap();
    assert!(kept.0.lock().unwrap().is_empty());
    resolver.adopt(&did);
    assert!(kept.0.lock().unwrap().contains_key(&did));
    resolver.resolve(&did, Pool::Members).await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn what_is_gone_for_good_is_kept_no_longer() {
    let server = DidServer::start().await;
    let kept = Arc::new(Kept::default());
    let shared: Arc<dyn KeptDocuments> = kept.clone();
    let did = plc(1);
    let status = |status: &str| Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
    let no_key = json!({ "id": did, "verificationMethod": [] }).to_string();
    for (reply, stays) in [
        (status("503 Unavailable"), true),
        (status("403 Forbidden"), true),
        (status("404 Not Found"), false),
        (status("410 Gone"), false),
        (Reply::Body(no_key), false),
    ] {
        server.publish(&did, &document(&did, 1));
        server.resolver().keeping(&shared).resolve(&did, Pool::Members).await.unwrap();
        assert!(kept.0.lock().unwrap().contains_key(&did));
        server.set(&format!("/{did}"), reply);
        let answer = server.resolver().keeping(&shared).resolve(&did, Pool::Members).await;
        assert_eq!((answer.is_ok(), kept.0.lock().unwrap().contains_key(&did)), (stays, stays), "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_read_anew_replaces_what_is_kept() {
    let mut server = DidServer::start().await;
    let shared: Arc<dyn KeptDocuments> = Arc::new(Kept::default());
    let did = plc(1);
    let resolver = server.resolver().keeping(&shared);
    for number in [1, 2] {
        server.publish(&did, &document(&did, number));
        resolver.refresh(&did, Pool::Members).await.unwrap();
        pass(MINUTE).await;
    }
    server.stop().await;
    let after = server.resolver().keeping(&shared).resolve(&did, Pool::Members).await.unwrap();
    assert_eq!(after.key, key(2).public());
    drop(shared);
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
    assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap_err(), Error::NotFound);
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

#[tokio::test]
async fn a_flood_of_strangers_fills_their_lane_and_delays_no_member() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let mut flood = Vec::new();
    for number in 0..72 {
        let did = plc(number);
        server.set(&format!("/{did}"), Reply::Held(document(&did, 1).to_string()));
        flood.push(begin(&resolver, &did, Pool::Strangers).await);
    }
    let late = plc(1000);
    server.publish(&late, &document(&late, 1));
    assert_eq!(resolver.resolve(&late, Pool::Strangers).await.unwrap_err(), Error::Busy);
    let member = plc(2000);
    server.publish(&member, &document(&member, 2));
    assert!(resolver.resolve(&member, Pool::Members).await.is_ok());
    while server.requests() < 9 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests(), 8 + 1, "eight strangers at once, and the member");
    assert!(flood.iter().all(|stranger| !stranger.is_finished()));

    server.release();
    for stranger in flood {
        assert!(stranger.await.unwrap().is_ok());
    }
    assert!(resolver.resolve(&late, Pool::Strangers).await.is_ok(), "Busy is not remembered");
}
