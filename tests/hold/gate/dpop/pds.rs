//! What the PDS answers, and what comes of it.

use atcr_hold::api::{Access, endpoints};
use serde_json::json;

use super::{Client, GET_SESSION, client_of, initiate, pds_of, serve_session};
use crate::support::did_server::{DidServer, Reply};
use crate::support::hold::{Hold, PRIVATE, PUBLIC};
use crate::support::small::with;

fn raw(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

/// 401 with this error of the scheme DPoP.
fn challenge(error: &str, more: &str) -> Reply {
    raw("401 Unauthorized", &format!("WWW-Authenticate: DPoP algs=\"ES256\", error=\"{error}\"\r\n{more}"), "{}")
}

#[tokio::test]
async fn every_endpoint_that_takes_a_service_token_takes_an_access_token() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.captain);
    serve_session(&hold, &hold.captain.did);
    let mut endpoints_called = 0;
    for (path, verbs, access) in endpoints() {
        if matches!(access, Access::Open | Access::SignedRead) {
            continue;
        }
        let method = verbs.as_str().split(", ").next().unwrap();
        let answer = client.prove(hold.call(method, &format!("/xrpc/{path}")), &client.proof()).send().await;
        assert!(!matches!(answer.status, 401 | 403 | 503), "{path} {}", answer.text());
        endpoints_called += 1;
    }
    assert!(endpoints_called > 10);
    assert_eq!(hold.network.requests(), 1 + endpoints_called, "the document once, and the PDS for each proof");
}

#[tokio::test]
async fn what_an_account_may_do_is_what_it_may_with_a_service_token() {
    let hold = Hold::start(PRIVATE).await;
    for (account, standing) in
        [(&hold.reader, "crew member lacks permission"), (&hold.stranger, "user is not a crew member")]
    {
        let client = client_of(&hold, account);
        serve_session(&hold, &account.did);
        let message = format!("access denied for blob:write: {standing} (required: blob:write)");
        initiate(&hold, &client, &client.proof()).await.assert_refused(403, "Forbidden", &message);
    }
}

#[tokio::test]
async fn the_nonce_of_the_pds_reaches_the_client() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    hold.network.set(GET_SESSION, challenge("use_dpop_nonce", "DPoP-Nonce: the-nonce\r\n"));
    let answer = initiate(&hold, &client, &client.proof()).await;
    let message = "the account's PDS demands a nonce in the DPoP proof: see the DPoP-Nonce header";
    answer.assert_refused(401, "use_dpop_nonce", message);
    assert_eq!(answer.header("dpop-nonce"), Some("the-nonce"));
    // As the clients of the reference implementation look for it.
    let challenge_out = answer.header("www-authenticate").unwrap();
    assert!(challenge_out.starts_with("DPoP") && challenge_out.contains("error=\"use_dpop_nonce\""));
    for unusable in ["", "DPoP-Nonce: \r\n", "DPoP-Nonce: a b\r\n", &format!("DPoP-Nonce: {}\r\n", "n".repeat(257))] {
        hold.network.set(GET_SESSION, challenge("use_dpop_nonce", unusable));
        let answer = initiate(&hold, &client, &client.proof()).await;
        answer.assert_error(401, "invalid_token");
        assert_eq!(answer.header("dpop-nonce"), None);
    }
    let two = "WWW-Authenticate: Bearer\r\nWWW-Authenticate: DPoP error=use_dpop_nonce\r\nDPoP-Nonce: n\r\n";
    hold.network.set(GET_SESSION, raw("401 Unauthorized", two, ""));
    assert_eq!(initiate(&hold, &client, &client.proof()).await.header("dpop-nonce"), Some("n"));
    serve_session(&hold, &hold.writer.did);
    let proof = client.sign(&with(client.claims(), &json!({ "nonce": "the-nonce" })));
    initiate(&hold, &client, &proof).await.ok();
}

#[tokio::test]
async fn anything_but_the_accounts_own_session_is_a_refusal() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    let session = |did: &str, active: bool| Reply::Body(json!({ "did": did, "active": active }).to_string());
    let elsewhere = format!("Location: {}{GET_SESSION}2\r\n", pds_of(&hold));
    hold.network.set(&format!("{GET_SESSION}2"), session(hold.writer.did.as_str(), true));
    let (none, refuses) = ("the account's PDS does not answer with a session", "the account's PDS refuses it");
    let huge = json!({ "did": hold.writer.did, "active": true, "x": "y".repeat(10_000_000) });
    for (reply, reason) in [
        (session(hold.captain.did.as_str(), true), "the account's PDS says it is another's"),
        (session(hold.writer.did.as_str(), false), "the account is not active at its PDS"),
        (session("alice.test", true), none),
        (Reply::Body("{}".into()), none),
        (Reply::Body("not JSON".into()), none),
        (Reply::Body(huge.to_string()), none),
        (raw("204 No Content", "", ""), none),
        (raw("302 Found", &elsewhere, ""), none),
        (raw("307 Temporary Redirect", &elsewhere, ""), none),
        (raw("404 Not Found", "", ""), refuses),
        (raw("400 Bad Request", "", r#"{"error":"InvalidToken"}"#), refuses),
        (challenge("invalid_token", ""), refuses),
    ] {
        hold.network.set(GET_SESSION, reply);
        let answer = initiate(&hold, &client, &client.proof()).await;
        answer.assert_refused(401, "invalid_token", &format!("the access token is not acceptable: {reason}"));
    }
    hold.network.set(GET_SESSION, challenge("invalid_dpop_proof", ""));
    let answer = initiate(&hold, &client, &client.proof()).await;
    let message = "the DPoP proof is not acceptable: the account's PDS refuses it; a proof is good for one use";
    answer.assert_refused(401, "invalid_dpop_proof", message);
}

#[tokio::test]
async fn a_pds_that_fails_is_for_later() {
    let mut hold = Hold::start(PUBLIC).await;
    let client = client_of(&hold, &hold.writer);
    for reply in [
        raw("500 Oops", "", ""),
        raw("502 Bad Gateway", "", ""),
        raw("429 Too Many Requests", "", ""),
        Reply::Raw(String::new()),
        Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into()),
        Reply::Raw("SSH-2.0-x\r\n".into()),
    ] {
        hold.network.set(GET_SESSION, reply);
        let answer = initiate(&hold, &client, &client.proof()).await;
        answer.assert_refused(503, "ServiceUnavailable", "the hold cannot do this at present; try again later");
    }
    hold.network.stop().await;
    initiate(&hold, &client, &client.proof()).await.assert_error(503, "ServiceUnavailable");
}

#[tokio::test]
async fn accounts_without_a_pds_that_may_be_asked_are_refused() {
    let hold = Hold::start(PRIVATE).await;
    let reason = "the access token is not acceptable: its PDS must be https:// and a host name only";
    let endpoints = [
        "http://127.0.0.1:1",
        "https://10.0.0.1",
        "http://localhost:1/path",
        "http://pds.example",
        "https://a.example:8443",
    ];
    let accounts = [&hold.writer, &hold.reader, &hold.admin, &hold.captain, &hold.stranger];
    for (account, endpoint) in accounts.into_iter().zip(endpoints) {
        account.publish_with_pds(&hold.network, endpoint);
        let client = Client::with_token(&account.did, endpoint, &json!({}));
        initiate(&hold, &client, &client.proof()).await.assert_refused(401, "invalid_token", reason);
    }
    let unknown = crate::support::hold::Account::unpublished(99);
    let client = Client::with_token(&unknown.did, &pds_of(&hold), &json!({}));
    let reason = "the access token is not acceptable: there is no such DID";
    initiate(&hold, &client, &client.proof()).await.assert_refused(401, "invalid_token", reason);
    assert_eq!(hold.network.requests(), 5 + 1, "documents only");
}

#[tokio::test]
async fn an_account_that_moved_is_asked_for_at_its_new_pds() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    initiate(&hold, &client, &client.proof()).await.ok();
    let new_pds = DidServer::start().await;
    let url = format!("http://localhost:{}", new_pds.port);
    new_pds.set(GET_SESSION, Reply::Body(json!({ "did": hold.writer.did }).to_string()));
    let client = Client::with_token(&hold.writer.did, &url, &json!({}));
    hold.writer.publish_with_pds(&hold.network, &url);
    initiate(&hold, &client, &client.proof()).await.ok();
    assert_eq!(new_pds.requests(), 1);
}
