//! Members' documents that outlive the resolver.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atproto::syntax::Did;
use futures_util::future::BoxFuture;
use serde_json::json;
use server::identity::{KeptDocuments, Pool, ResolveError};

use crate::support::did_server::{DidServer, Reply, document, key, plc};
use crate::support::log::Log;
use crate::support::small::pass;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

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
    assert_eq!(after.resolve(&stranger, Pool::Strangers).await.unwrap_err(), ResolveError::Unreachable);
    assert_eq!(
        after.resolve(&stranger, Pool::Members).await.unwrap_err(),
        ResolveError::Unreachable,
        "strangers are not kept"
    );
    kept.1.store(23, Ordering::SeqCst);
    let late = server.resolver().keeping(&shared);
    assert!(late.resolve(&member, Pool::Members).await.is_ok());
    assert!(late.cached(&member).is_none(), "it is looked up again");
    pass(HOUR).await;
    assert_eq!(late.resolve(&member, Pool::Members).await.unwrap_err(), ResolveError::Unreachable, "a day is over");
}

/// A hold asks for its own document every minute until that fits.
#[tokio::test]
async fn a_directory_that_is_away_is_logged_once_and_so_is_its_return() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let (known, unknown) = (plc(1), plc(2));
    server.publish(&known, &document(&known, 1));
    resolver.resolve(&known, Pool::Members).await.unwrap();
    for did in [&known, &unknown] {
        server.set(&format!("/{did}"), Reply::Raw("HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n".into()));
    }
    let (log, _guard) = Log::capture();
    for _ in 0..3 {
        pass(2 * MINUTE).await;
        assert!(resolver.refresh(&known, Pool::Members).await.is_ok());
        assert_eq!(resolver.refresh(&unknown, Pool::Members).await.unwrap_err(), ResolveError::Unreachable);
    }
    [&known, &unknown].into_iter().for_each(|did| server.publish(did, &document(did, 1)));
    for _ in 0..2 {
        pass(2 * MINUTE).await;
        assert!(resolver.refresh(&known, Pool::Members).await.is_ok());
        assert!(resolver.refresh(&unknown, Pool::Members).await.is_ok());
    }
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" WARN ") || line.contains(" INFO ")).collect();
    let said = [
        "the PLC directory cannot be reached".to_owned(),
        format!("the DID document of {known}, a member, cannot be read: "),
        format!("the DID document of {known} that was read 2 min ago is used meanwhile"),
        format!("the DID document of {unknown}, a member, cannot be read: "),
        "the PLC directory answers again".to_owned(),
        format!("the DID document of {known}, a member, can be read again"),
        format!("the DID document of {unknown}, a member, can be read again"),
    ];
    assert!(lines.len() == said.len() && lines.iter().zip(&said).all(|(line, said)| line.contains(said)), "{text}");
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
