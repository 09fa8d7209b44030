//! Sessions at a PDS that end, that a full database cannot renew, or that a clock misleads about; and what a client is told
//! of an account that cannot sign in.

use rusqlite::Connection;
use serde_json::json;

use super::pushes::{BLOBS, INITIATE, Pushes, SCOPE};
use super::registry::{Registry, refused, rights};
use crate::asked::Asked as _;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const APP_PASSWORD: &str = "com.atproto.appPass";
const CHALLENGE: &str = "Bearer realm=\"http://localhost:5000/auth/token\",service=\"localhost:5000\"";
const CREATE: &str = "/xrpc/com.atproto.server.createSession";
const REFRESH: &str = "/xrpc/com.atproto.server.refreshSession";
const DELETE: &str = "/xrpc/com.atproto.server.deleteSession";
const RESOLVE: &str = "/xrpc/com.atproto.identity.resolveHandle?handle=";

fn execute(registry: &Registry, sql: &str) {
    Connection::open(registry.database()).unwrap().execute_batch(sql).unwrap();
}

fn raw(status: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

/// A registry where alice is signed in; her PDS renews sessions.
async fn signed_in() -> Registry {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with(APP_PASSWORD);
    assert_eq!(rights(&registry.token("alice.test:pass", SCOPE).await), ["alice.test/app:pull,push"]);
    let renewed = json!({ "did": registry.alice, "accessJwt": "e30.e30.s", "refreshJwt": "r2" });
    registry.network.set(REFRESH, Reply::Body(renewed.to_string()));
    registry
}

#[tokio::test]
async fn whose_session_has_ended_is_sent_for_a_new_token() {
    let pushes = Pushes::start().await;
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    execute(&pushes.registry, "DELETE FROM pds_session");
    let uploads = format!("{BLOBS}uploads/");
    let ended = pushes.call("POST", &uploads, "").await;
    assert!(refused(&ended, 401, "UNAUTHORIZED").contains("has ended"), "{}", ended.text());
    assert_eq!(ended.header("www-authenticate").unwrap(), format!("{CHALLENGE},error=\"invalid_token\""));
    let token = pushes.registry.token("alice.test:right", SCOPE).await.ok();
    let again = pushes.registry.call("POST", &uploads).bearer(token["token"].as_str().unwrap()).send().await;
    assert_eq!(again.status, 202, "{}", again.text());
}

#[tokio::test]
async fn who_shows_a_password_to_the_registry_is_sent_for_a_token() {
    let registry = Registry::start(NONE).await;
    let call = registry.call("GET", "/v2/alice.test/app/tags/list").header("authorization", "Basic YTpi");
    let answer = call.send().await;
    refused(&answer, 401, "UNAUTHORIZED");
    let challenge = answer.header("www-authenticate").unwrap();
    assert_eq!(challenge, format!("{CHALLENGE},scope=\"repository:alice.test/app:pull\""));
}

#[tokio::test]
async fn a_database_that_takes_nothing_costs_no_session() {
    let registry = signed_in().await;
    execute(
        &registry,
        "UPDATE pds_session SET proven_us = 1;
         CREATE TRIGGER full BEFORE UPDATE ON pds_session BEGIN SELECT RAISE(FAIL, 'no room'); END",
    );
    refused(&registry.token("alice.test:pass", SCOPE).await, 500, "UNKNOWN");
    assert_eq!(registry.network.requests_of(REFRESH), 0, "its refresh token is good for one use");
    execute(&registry, "DROP TRIGGER full");
    assert_eq!(rights(&registry.token("alice.test:pass", SCOPE).await), ["alice.test/app:pull,push"]);
    assert_eq!((registry.network.requests_of(REFRESH), registry.network.requests_of(CREATE)), (1, 1));
}

#[tokio::test]
async fn a_clock_that_was_ahead_proves_no_password() {
    let registry = signed_in().await;
    execute(&registry, "UPDATE pds_session SET proven_us = proven_us + 1000000 * 3600");
    assert_eq!(registry.token("alice.test:pass", SCOPE).await.status, 200);
    assert_eq!(registry.network.requests_of(REFRESH), 1);
}

#[tokio::test]
async fn a_token_that_a_hold_does_not_take_any_more_is_replaced_once() {
    const SERVICE_AUTH: &str = "/xrpc/com.atproto.server.getServiceAuth?";
    let pushes = Pushes::start().await;
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    let (network, uploads) = (&pushes.registry.network, format!("{BLOBS}uploads/"));
    assert_eq!(pushes.call("POST", &uploads, "").await.status, 202);
    assert_eq!((network.requests_of(INITIATE), network.requests_of(SERVICE_AUTH)), (1, 1));
    // By then it is none that was made just now.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    pushes.fails(INITIATE, "401 No", r#"{"error":"JwtExpired","message":"too old"}"#);
    let message = refused(&pushes.call("POST", &uploads, "").await, 403, "DENIED");
    assert!(message.contains("too old"), "{message}");
    assert_eq!((network.requests_of(INITIATE), network.requests_of(SERVICE_AUTH)), (3, 2));
}

#[tokio::test]
async fn who_cannot_sign_in_is_told_why() {
    let registry = Registry::start(NONE).await;
    let network = &registry.network;
    network.set(CREATE, raw("401 No", r#"{"error":"AuthFactorTokenRequired","message":"a code was sent"}"#));
    for _ in 0..2 {
        let message = refused(&registry.token("alice.test:main", SCOPE).await, 401, "UNAUTHORIZED");
        assert!(message.contains("main password"), "{message}");
    }
    assert_eq!(network.requests_of(CREATE), 1, "one mail is enough");
    network.set(CREATE, raw("401 No", r#"{"error":"AccountTakedown","message":"it was taken down"}"#));
    let message = refused(&registry.token("alice.test:right", SCOPE).await, 401, "UNAUTHORIZED");
    assert!(message.contains("was taken down at its PDS"), "{message}");
    // The reference PDS does not say so of an app password; nor is one wrong because the account is deactivated.
    network
        .set(CREATE, raw("401 No", r#"{"error":"AuthenticationRequired","message":"Invalid identifier or password"}"#));
    let did = registry.alice.as_str().replace(':', "%3A");
    let (status, mut number) = (format!("/xrpc/com.atproto.sync.getRepoStatus?did={did}"), 0);
    for (answer, said) in [
        (raw("500 Oh", ""), "no such password"),
        (raw("200 OK", r#"{"active":true}"#), "no such password"),
        (raw("200 OK", r#"{"active":false,"status":"deactivated"}"#), "no such password"),
        (raw("200 OK", r#"{"active":false,"status":"takendown"}"#), "was taken down at its PDS"),
        (raw("200 OK", r#"{"active":false,"status":"suspended"}"#), "is suspended at its PDS"),
    ] {
        network.set(&status, answer);
        number += 1;
        let message = refused(&registry.token(&format!("alice.test:app{number}"), SCOPE).await, 401, "UNAUTHORIZED");
        assert!(message.contains(said), "{said}: {message}");
    }
}

#[tokio::test]
async fn a_push_of_an_account_that_was_taken_down_is_told_so_and_goes_on_when_it_is_back() {
    let pushes = Pushes::start().await;
    let (registry, uploads) = (&pushes.registry, format!("{BLOBS}uploads/"));
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    let aud = format!("did%3Aweb%3Alocalhost%253A{}", registry.network.port);
    let service_auth = format!("/xrpc/com.atproto.server.getServiceAuth?aud={aud}&lxm=com.atproto.repo.getRecord");
    pushes.fails(&service_auth, "401 No", r#"{"error":"AccountTakedown","message":"no"}"#);
    pushes.fails(REFRESH, "400 No", r#"{"error":"ExpiredToken","message":"Token has been revoked"}"#);
    let status = format!("/xrpc/com.atproto.sync.getRepoStatus?did={}", registry.alice.as_str().replace(':', "%3A"));
    pushes.says(&status, &json!({ "active": false, "status": "takendown" }));
    for _ in 0..2 {
        let message = refused(&pushes.call("POST", &uploads, "").await, 401, "UNAUTHORIZED");
        assert!(message.contains("was taken down at its PDS"), "{message}");
    }
    pushes.says(&status, &json!({ "active": true }));
    pushes.says(&service_auth, &json!({ "token": "t" }));
    assert_eq!(pushes.call("POST", &uploads, "").await.status, 202);
}

#[tokio::test]
async fn a_main_password_is_named_although_its_session_cannot_be_ended() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.access");
    registry.network.set(DELETE, Reply::Stall(String::new()));
    let message = refused(&registry.token("alice.test:main", SCOPE).await, 401, "UNAUTHORIZED");
    assert!(message.contains("main password"), "{message}");
    let left = || -> (u32, String) {
        let sql = "SELECT count(*), coalesce(max(refresh), '') FROM ended_session";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        Connection::open(registry.database()).unwrap().query_row(sql, [], read).unwrap()
    };
    assert_eq!(left(), (1, "r".into()), "its server is asked again to end it");
    registry.network.set(DELETE, Reply::Body(String::new()));
    execute(&registry, "DELETE FROM ended_session");
    refused(&registry.token("alice.test:other", SCOPE).await, 401, "UNAUTHORIZED");
    assert_eq!((left().0, registry.network.requests_of(DELETE)), (0, 2));
}

/// Waits until the PDS was asked for something.
async fn asked(registry: &Registry, path: &str) {
    while registry.network.requests_of(path) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn tokens_that_come_for_a_session_that_has_ended_meanwhile_are_ended_too() {
    let registry = signed_in().await;
    let renewed = json!({ "did": registry.alice, "accessJwt": "e30.e30.s", "refreshJwt": "r2" });
    registry.network.set(REFRESH, Reply::Held(renewed.to_string()));
    execute(&registry, "UPDATE pds_session SET proven_us = 1");
    let ended = async {
        asked(&registry, REFRESH).await;
        execute(&registry, "DELETE FROM pds_session");
        registry.network.release();
    };
    let (token, ()) = tokio::join!(registry.token("alice.test:pass", SCOPE), ended);
    assert_eq!(rights(&token), ["alice.test/app:pull,push"], "the password makes another session");
    assert_eq!((registry.network.requests_of(CREATE), registry.network.requests_of(DELETE)), (2, 1));
}

#[tokio::test]
async fn a_token_for_a_hold_that_comes_after_the_end_of_its_session_is_not_used() {
    const SERVICE_AUTH: &str = "/xrpc/com.atproto.server.getServiceAuth?";
    let pushes = Pushes::start().await;
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    let (registry, uploads) = (&pushes.registry, format!("{BLOBS}uploads/"));
    let hold = format!("did%3Aweb%3Alocalhost%253A{}", registry.network.port);
    let path = format!("{SERVICE_AUTH}aud={hold}&lxm=com.atproto.repo.getRecord");
    registry.network.set(&path, Reply::Held(json!({ "token": "t" }).to_string()));
    let ended = async {
        asked(registry, SERVICE_AUTH).await;
        execute(registry, "DELETE FROM pds_session");
        registry.network.release();
    };
    let (answer, ()) = tokio::join!(pushes.call("POST", &uploads, ""), ended);
    assert!(refused(&answer, 401, "UNAUTHORIZED").contains("has ended"), "{}", answer.text());
    assert_eq!(registry.network.requests_of(INITIATE), 0);
}

#[tokio::test]
async fn an_owner_who_cannot_be_looked_up_is_not_taken_for_a_stranger() {
    for line in ["500 Oh", "403 No"] {
        let registry = Registry::start(NONE).await;
        registry.signs_in_with(APP_PASSWORD);
        let user = registry.alice.as_str().replace(':', "-");
        registry.network.set(&format!("{RESOLVE}alice.test"), raw(line, ""));
        let answer = registry.token(&format!("{user}:pass"), SCOPE).await;
        refused(&answer, 503, "UNAVAILABLE");
        assert!(answer.header("retry-after").is_some());
        let pull = registry.token(&format!("{user}:pass"), "&scope=repository:alice.test/app:pull").await;
        assert_eq!(rights(&pull), ["alice.test/app:pull"], "a pull needs no owner");
    }
    // Of the accounts that may push, one cannot be looked up.
    let registry = Registry::start([("ATCR_ALLOWED_ACCOUNTS", "bob.test,alice.test")]).await;
    registry.signs_in_with(APP_PASSWORD);
    registry.network.set(&format!("{RESOLVE}bob.test"), raw("500 Oh", ""));
    assert_eq!(rights(&registry.token("alice.test:pass", SCOPE).await), ["alice.test/app:pull,push"]);
    let registry = Registry::start([("ATCR_ALLOWED_ACCOUNTS", "bob.test")]).await;
    registry.signs_in_with(APP_PASSWORD);
    registry.network.set(&format!("{RESOLVE}bob.test"), raw("500 Oh", ""));
    refused(&registry.token("alice.test:pass", SCOPE).await, 503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_proxy_whose_server_is_down_is_not_taken_for_a_refusal_of_the_server() {
    let pushes = Pushes::start().await;
    let unknown = || raw("404 Not Found", "no such route");
    let did = pushes.registry.alice.as_str().replace(':', "%3A");
    let tag = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.tag&rkey=app_v1");
    pushes.registry.network.set(&tag, unknown());
    refused(&pushes.call("GET", "/v2/alice.test/app/manifests/v1", "").await, 503, "UNAVAILABLE");
    let registry = Registry::start(NONE).await;
    registry.network.set(CREATE, unknown());
    refused(&registry.token("alice.test:pass", SCOPE).await, 503, "UNAVAILABLE");
}
