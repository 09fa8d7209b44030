//! What one caller may not take from others: passwords that PDSes are asked about, look-ups.

use super::registry::{Registry, refused, rights};
use crate::asked::Asked as _;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const APP_PASSWORD: &str = "com.atproto.appPass";
const CREATE_SESSION: &str = "/xrpc/com.atproto.server.createSession";
const SCOPE: &str = "&scope=repository:alice.test/app:pull,push";

#[tokio::test]
async fn who_guesses_passwords_is_told_to_wait_and_the_owner_signs_in_all_the_same() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with(APP_PASSWORD);
    assert_eq!(registry.token("alice.test:right", SCOPE).await.status, 200);
    let wrong = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    registry.network.set(CREATE_SESSION, Reply::Raw(wrong.into()));
    let before = registry.network.requests_of(CREATE_SESSION);
    let mut asked = 0;
    for number in 0..40 {
        let answer = registry.token(&format!("alice.test:guess-{number}"), SCOPE).await;
        if answer.status == 429 {
            let message = refused(&answer, 429, "TOOMANYREQUESTS");
            assert!(message.contains("too many passwords"), "{message}");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=300).contains(&wait), "{wait} s");
        } else {
            refused(&answer, 401, "UNAUTHORIZED");
            asked += 1;
        }
    }
    // Somebody signed in from there: all that the PDS allows, less the one that was right.
    assert_eq!(asked, 29);
    assert_eq!(registry.network.requests_of(CREATE_SESSION) - before, asked, "what is refused asks nobody");
    assert_eq!(rights(&registry.token("alice.test:right", SCOPE).await), ["alice.test/app:pull,push"]);
    refused(&registry.token("alice.test:guess-0", SCOPE).await, 401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_stranger_has_ten_guesses() {
    let registry = Registry::start(NONE).await;
    let wrong = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    registry.network.set("/xrpc/com.atproto.server.createSession", Reply::Raw(wrong.into()));
    for number in 0..10 {
        let answer = registry.token(&format!("alice.test:guess-{number}"), SCOPE).await;
        refused(&answer, 401, "UNAUTHORIZED");
    }
    refused(&registry.token("alice.test:guess-10", SCOPE).await, 429, "TOOMANYREQUESTS");
}

#[tokio::test]
async fn a_handle_is_looked_up_once_and_not_again_at_once_when_it_leads_nowhere() {
    let registry = Registry::start(NONE).await;
    let ask = |handle: &str| {
        let target = format!("/v2/{handle}/app/tags/list");
        let tokens = format!("/auth/token?service=x&scope=repository:{handle}/app:pull");
        let registry = &registry;
        async move {
            let token = registry.get(&tokens).await.ok()["token"].as_str().unwrap().to_owned();
            registry.call("GET", &target).bearer(&token).send().await
        }
    };
    let calls = (0..16).map(|_| ask("nobody.test"));
    for answer in futures_util::future::join_all(calls).await {
        refused(&answer, 404, "NAME_UNKNOWN");
    }
    let requests = registry.network.requests();
    assert!(requests <= 2, "one look-up for all, not {requests}");
    refused(&ask("nobody.test").await, 404, "NAME_UNKNOWN");
    assert_eq!(registry.network.requests(), requests);
}
