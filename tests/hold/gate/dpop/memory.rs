//! A proof is used up when the PDS has seen it: what is asked once, remembered, and for how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atproto::syntax::Did;
use serde_json::{Value, json};
use server::bulkhead::Overload;
use server::egress::{Dns, system_txt};
use server::identity::{Asker, Pool, Resolver, ResolverSettings, SessionError, SessionQuestion, Sessions};

use super::{Client, GET_SESSION, client_of, initiate, pds_of, serve_session};
use crate::support::did_server::{DidServer, Reply, asker, document, plc};
use crate::support::hold::{Hold, PRIVATE};
use crate::support::small::pass;
use crate::support::still_clock::StillClock;

/// A document of `did` with its PDS at `pds`.
fn document_at(did: &Did, pds: &str) -> Value {
    let mut document = document(did, 1);
    document["service"] =
        json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds }]);
    document
}

/// Directory and PDS in one, and who asks it.
struct Asked {
    server: DidServer,
    resolver: Resolver,
    sessions: Sessions,
}

impl Asked {
    async fn start() -> Self {
        let server = DidServer::start().await;
        for number in 0..100 {
            let url = format!("http://localhost:{}", server.port);
            server.publish(&plc(number), &document_at(&plc(number), &url));
        }
        let resolver = server.resolver();
        Self { server, sessions: resolver.sessions(), resolver }
    }

    /// Asks about the `number`th account, whose pair has that number as its key.
    async fn ask(&self, number: u8, lifetime: Duration, asker: impl Into<Asker>) -> Result<(), SessionError> {
        let asker = asker.into();
        let account = self.resolver.resolve(&plc(number.into()), asker.clone()).await.unwrap();
        let question = SessionQuestion {
            key: [number; 32],
            account: account.did.clone(),
            url: self.resolver.pds_method(&account, "com.atproto.server.getSession").unwrap(),
            authorization: "DPoP a.b.c".into(),
            proof: "d.e.f".into(),
            lifetime,
        };
        self.sessions.ask(question, asker).await
    }

    fn session(&self, reply: fn(String) -> Reply, number: u8) {
        self.server.set(GET_SESSION, reply(json!({ "did": plc(number.into()) }).to_string()));
    }
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_good_answer_is_remembered_for_fifty_seconds_or_as_long_as_the_token_lives() {
    let asked = Asked::start().await;
    for (number, lifetime, seconds) in [(1, LONG, 50), (2, Duration::from_secs(7), 7)] {
        asked.session(Reply::Body, number);
        assert_eq!(asked.ask(number, lifetime, Pool::Members).await, Ok(()));
        // The test itself takes time, too.
        pass(Duration::from_secs(seconds - 3)).await;
        assert_eq!(asked.sessions.known(&[number; 32]), Some(plc(number.into())));
        let before = asked.server.requests();
        assert_eq!(asked.ask(number, lifetime, Pool::Members).await, Ok(()));
        assert_eq!(asked.server.requests(), before);
        pass(Duration::from_secs(3)).await;
        assert_eq!(asked.sessions.known(&[number; 32]), None);
    }
    assert_eq!(asked.sessions.known(&[3; 32]), None);
}

#[tokio::test]
async fn a_silent_pds_is_given_up_after_five_seconds() {
    let asked = Asked::start().await;
    for sent in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        asked.server.set(GET_SESSION, Reply::Stall(sent.into()));
        asked.resolver.resolve(&plc(1), Pool::Members).await.unwrap();
        let before = asked.server.requests();
        let asking = asked.ask(1, LONG, Pool::Members);
        let watching = async {
            while asked.server.requests() == before {
                tokio::task::yield_now().await;
            }
            // With nothing left to do but wait, a paused clock runs on by itself.
            tokio::time::pause();
            tokio::time::Instant::now()
        };
        let (answer, began) = tokio::join!(asking, watching);
        assert_eq!(answer, Err(SessionError::Unreachable));
        assert!(began.elapsed() < Duration::from_secs(6));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn strangers_who_wait_for_a_pds_keep_nobody_of_the_crew_waiting() {
    let asked = Arc::new(Asked::start().await);
    for number in 0..90 {
        asked.resolver.resolve(&plc(number), Pool::Strangers).await.unwrap();
    }
    asked.resolver.resolve(&plc(99), Pool::Members).await.unwrap();
    asked.session(Reply::Held, 1);
    let before = asked.server.requests();
    let _clock = StillClock::now();
    let ask_one = |number| {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move { asked.ask(number, LONG, asker(Pool::Strangers, number.into())).await })
    };
    let strangers: Vec<_> = (0..90).map(ask_one).collect();
    while asked.server.requests() < before + 8 {
        tokio::task::yield_now().await;
    }
    asked.session(Reply::Body, 99);
    assert_eq!(asked.ask(99, LONG, Pool::Members).await, Ok(()));
    assert_eq!(asked.server.requests(), before + 8 + 1);
    asked.server.release();
    let mut busy = 0;
    for stranger in strangers {
        busy += usize::from(stranger.await.unwrap() == Err(SessionError::Busy(Overload::Server)));
    }
    assert_eq!(busy, 90 - 72, "8 that run and 64 that wait");
}

#[tokio::test]
async fn a_pds_on_a_private_network_is_not_asked() {
    let server = DidServer::start().await;
    let (did, port) = (plc(1), server.port);
    server.publish(&did, &document_at(&did, "https://pds.example"));
    let dns: Dns = Arc::new(move |_| Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) }));
    let settings = ResolverSettings { plc_directory: format!("http://localhost:{port}"), test_mode: true };
    let resolver = Resolver::with_dns(&settings, dns, system_txt()).unwrap();
    let asked = Asked { sessions: resolver.sessions(), resolver, server };
    let answer = asked.ask(1, LONG, Pool::Strangers).await;
    assert_eq!(answer, Err(SessionError::Token("the account's PDS does not answer with a session")));
    assert_eq!(asked.server.connections(), 1, "for the document");
}

#[tokio::test]
async fn the_same_headers_are_asked_about_once() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    let proof = client.proof();
    for _ in 0..3 {
        initiate(&hold, &client, &proof).await.ok();
    }
    assert_eq!(hold.network.requests(), 2, "the document and the session");
    // Another call with the same headers: they are for no call of the hold in particular.
    let call = hold.call("POST", "/xrpc/io.atcr.hold.abortUpload").json(&json!({ "uploadId": "0".repeat(32) }));
    client.prove(call, &proof).send().await.assert_error(404, "InvalidUploadId");
    assert_eq!(hold.network.requests(), 2);
    initiate(&hold, &client, &client.proof()).await.ok();
    assert_eq!(hold.network.requests(), 3);
    // The proof with another token of the same account is another pair.
    let other = Client::with_token(&hold.writer.did, &pds_of(&hold), &json!({ "jti": "tok-2" }));
    initiate(&hold, &other, &proof).await.assert_error(401, "invalid_dpop_proof");
}

#[tokio::test]
async fn all_at_once_wait_for_one_answer_which_outlives_who_asked_first() {
    let hold = Hold::start(PRIVATE).await;
    let client = Arc::new(client_of(&hold, &hold.writer));
    let session = json!({ "did": hold.writer.did }).to_string();
    hold.network.set(GET_SESSION, Reply::Held(session));
    let (hold, proof) = (Arc::new(hold), client.proof());
    let call = || {
        let (hold, client, proof) = (Arc::clone(&hold), Arc::clone(&client), proof.clone());
        tokio::spawn(async move { initiate(&hold, &client, &proof).await })
    };
    let first = call();
    while hold.network.requests() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.abort();
    assert!(first.await.is_err());
    let others: Vec<_> = (0..10).map(|_| call()).collect();
    // They have reached the hold, and wait: nothing else can be seen of that from outside.
    tokio::time::sleep(Duration::from_millis(50)).await;
    hold.network.release();
    for other in others {
        other.await.unwrap().ok();
    }
    assert_eq!(hold.network.requests(), 2);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    let proof = client.proof();
    for status in ["401 Unauthorized", "500 Oops"] {
        hold.network.set(GET_SESSION, Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")));
        assert!(matches!(initiate(&hold, &client, &proof).await.status, 401 | 503));
    }
    serve_session(&hold, &hold.writer.did);
    initiate(&hold, &client, &proof).await.ok();
}

#[tokio::test]
async fn a_removal_holds_from_the_next_request_whatever_is_remembered() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    let proof = client.proof();
    initiate(&hold, &client, &proof).await.ok();
    hold.remove_from_crew(&hold.writer).await;
    let message = "access denied for blob:write: user is not a crew member (required: blob:write)";
    initiate(&hold, &client, &proof).await.assert_refused(403, "Forbidden", message);
}
