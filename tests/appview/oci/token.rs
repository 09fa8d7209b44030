//! The token endpoint: who gets which rights, and what a PDS is asked for it.

use super::registry::{Registry, refused, rights};
use crate::support::did_server::Reply;
use crate::support::still_clock::StillClock;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const APP_PASSWORD: &str = "com.atproto.appPass";
const BOTH: &str = "&scope=repository:alice.test/app:pull,push";

#[tokio::test]
async fn nobody_may_read() {
    let registry = Registry::start(NONE).await;
    let answer = registry.get(&format!("/auth/token?service=x{BOTH}&scope=repository:*:*")).await;
    assert_eq!(rights(&answer), ["alice.test/app:pull"]);
    assert_eq!(answer.ok()["expires_in"], 300);
    assert_eq!(answer.ok()["access_token"], answer.ok()["token"]);
    assert!(answer.ok()["refresh_token"].is_null());
}

#[tokio::test]
async fn an_owner_may_write_by_either_name_and_elsewhere_only_read() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with(APP_PASSWORD);
    let hyphened = registry.alice.as_str().replace(':', "-");
    let scopes = format!("{BOTH}&scope=repository:{hyphened}/a/b:push,pull%20repository:bob.test/app:pull,push");
    let expected = ["alice.test/app:pull,push", &format!("{hyphened}/a/b:pull,push"), "bob.test/app:pull"];
    for user in ["alice.test", "@Alice.test", registry.alice.as_str(), &hyphened] {
        assert_eq!(rights(&registry.token(&format!("{user}:pass"), &scopes).await), expected, "{user}");
    }
}

#[tokio::test]
async fn a_hundred_tokens_are_one_session() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with(APP_PASSWORD);
    let clock = StillClock::now();
    let calls = (0..100).map(|_| registry.token("alice.test:pass", BOTH));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(rights(&answer), ["alice.test/app:pull,push"]);
    }
    drop(clock);
    // The handle is asked for by each that came before it was known: those are no sessions.
    registry.network.set("/xrpc/com.atproto.server.createSession", Reply::Raw("HTTP/1.1 500 X\r\n\r\n".into()));
    assert_eq!(registry.token("alice.test:pass", BOTH).await.status, 200, "the session is there");
    refused(&registry.token("alice.test:other", BOTH).await, 503, "UNAVAILABLE");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_accounts_are_refused() {
    let registry = Registry::start(NONE).await;
    let wrong = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    registry.network.set("/xrpc/com.atproto.server.createSession", Reply::Raw(wrong.into()));
    let answer = registry.token("alice.test:guess", BOTH).await;
    assert!(refused(&answer, 401, "UNAUTHORIZED").contains("no such password"));
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    let requests = registry.network.requests();
    refused(&registry.token("alice.test:guess", BOTH).await, 401, "UNAUTHORIZED");
    assert_eq!(registry.network.requests(), requests, "the PDS is not asked again at once");
    for user in ["nobody.test:x", "alice:x", ":x", "no colon", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa:x"] {
        refused(&registry.token(user, BOTH).await, 401, "UNAUTHORIZED");
    }
    let bearer = registry.call("GET", "/auth/token").bearer("x").send().await;
    refused(&bearer, 401, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_main_password_is_refused_and_its_session_ended_unless_allowed() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.access");
    let message = refused(&registry.token("alice.test:main", BOTH).await, 401, "UNAUTHORIZED");
    assert!(message.contains("main password") && message.contains("App Passwords"), "{message}");
    let lenient = Registry::start([("ATCR_ALLOW_ACCOUNT_PASSWORDS", "true")]).await;
    lenient.signs_in_with("com.atproto.access");
    assert_eq!(rights(&lenient.token("alice.test:main", BOTH).await), ["alice.test/app:pull,push"]);
}

#[tokio::test]
async fn a_refresh_token_takes_the_place_of_the_password() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with(APP_PASSWORD);
    let first = registry.token("alice.test:pass", &format!("{BOTH}&offline_token=true")).await.ok();
    let refresh = first["refresh_token"].as_str().unwrap();
    for user in ["", "<token>", "alice.test"] {
        let answer = registry.token(&format!("{user}:{refresh}"), BOTH).await;
        assert_eq!(rights(&answer), ["alice.test/app:pull,push"], "{user}");
    }
    let form = |body: String| {
        let call = registry.call("POST", "/auth/token").header("content-type", "application/x-www-form-urlencoded");
        call.body(body).send()
    };
    let scope = "scope=repository:alice.test/app:pull&scope=repository:alice.test/b:push";
    let answer = form(format!("grant_type=refresh_token&refresh_token={refresh}&{scope}")).await;
    assert_eq!(rights(&answer), ["alice.test/app:pull", "alice.test/b:push"]);
    assert_eq!(answer.ok()["scope"], "repository:alice.test/app:pull repository:alice.test/b:push");
    assert!(answer.ok()["refresh_token"].is_string());
    let answer =
        form(format!("grant_type=password&username=alice.test&password=pass&access_type=offline&{scope}")).await;
    assert!(answer.ok()["refresh_token"].is_string());
    refused(&form("grant_type=refresh_token&refresh_token=x.y.z".into()).await, 401, "UNAUTHORIZED");
    refused(&form("grant_type=magic".into()).await, 400, "UNSUPPORTED");
    refused(&form("x".repeat(70_000)).await, 413, "SIZE_INVALID");
}

#[tokio::test]
async fn only_those_whom_the_operator_names_may_write() {
    let registry = Registry::start([("ATCR_ALLOWED_ACCOUNTS", "bob.test,did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")]).await;
    registry.signs_in_with(APP_PASSWORD);
    assert_eq!(rights(&registry.token("alice.test:pass", BOTH).await), ["alice.test/app:pull"]);
    let registry = Registry::start([("ATCR_ALLOWED_ACCOUNTS", "alice.test")]).await;
    registry.signs_in_with(APP_PASSWORD);
    assert_eq!(rights(&registry.token("alice.test:pass", BOTH).await), ["alice.test/app:pull,push"]);
}
