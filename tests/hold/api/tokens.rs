//! Service tokens over the wire: each refusal once with its name, and what is remembered of a token.

use std::time::Duration;

use atcr_hold::api::{Access, endpoints};
use serde_json::{Value, json};

use super::access::target;
use crate::support::hold::{Account, Answer, Hold, PRIVATE, now_s};
use crate::support::small::with;

const INITIATE: &str = "/xrpc/io.atcr.hold.initiateUpload";

async fn initiate(hold: &Hold, token: &str) -> Answer {
    hold.call("POST", INITIATE).bearer(token).json(&json!({ "digest": "uploads/temp-1" })).send().await
}

/// A token of the writer with these changes; null takes a claim out.
fn changed(hold: &Hold, changes: &Value) -> String {
    hold.writer.sign(&with(hold.claims(&hold.writer), changes))
}

#[tokio::test]
async fn each_refusal_has_its_name() {
    let hold = Hold::start(PRIVATE).await;
    let claims = hold.claims(&hold.writer);
    let header = |changes: Value| hold.writer.sign_with(&with(json!({ "alg": "ES256K" }), &changes), &claims);
    let claim = |changes: Value| changed(&hold, &changes);
    let foreign = json!({ "iss": hold.writer.did });
    let foreign = hold.stranger.sign(&with(hold.claims(&hold.stranger), &foreign));
    let good = hold.token(&hold.writer);
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let malformed = |reason: &str| format!("the token is malformed: {reason}");
    let cases = [
        (header(json!({ "typ": "at+jwt" })), "BadJwtType", "the token is not a service token".to_owned()),
        (header(json!({ "typ": "dpop+jwt" })), "BadJwtType", "the token is not a service token".to_owned()),
        (header(json!({ "alg": "none" })), "BadJwt", malformed("its alg must be ES256K or ES256")),
        (header(json!({ "alg": "HS256" })), "BadJwt", malformed("its alg must be ES256K or ES256")),
        (header(json!({ "jwk": {} })), "BadJwt", malformed("its header names a key or an extension")),
        (format!("{unsigned}."), "BadJwt", malformed("its signature must have 64 bytes")),
        (unsigned.to_owned(), "BadJwt", malformed("it must have three parts")),
        (claim(json!({ "exp": now_s() - 100 })), "JwtExpired", "the token has expired".to_owned()),
        (claim(json!({ "exp": null })), "BadJwt", malformed("exp is missing")),
        (claim(json!({ "exp": now_s() + 8000 })), "BadJwt", malformed("exp is more than an hour ahead")),
        (claim(json!({ "aud": "did:web:localhost" })), "BadJwtAudience", "the token is for another service".to_owned()),
        (
            claim(json!({ "lxm": "io.atcr.hold.abortUpload" })),
            "BadJwtLexiconMethod",
            "the token is for another method".to_owned(),
        ),
        (
            claim(json!({ "iss": "did:key:zQ3shabc" })),
            "BadJwtIss",
            "the token's issuer is not acceptable: only did:plc and did:web are known".to_owned(),
        ),
        (
            claim(json!({ "iss": "did:web:127.0.0.1" })),
            "BadJwtIss",
            "the token's issuer is not acceptable: a did:web must be a host name only".to_owned(),
        ),
        (
            hold.token(&Account::unpublished(9)),
            "BadJwtIss",
            "the token's issuer is not acceptable: there is no such DID".to_owned(),
        ),
        (foreign, "BadJwtSignature", "the token's signature does not match its issuer's key".to_owned()),
        (
            header(json!({ "alg": "ES256" })),
            "BadJwtSignature",
            "the token's signature does not match its issuer's key".to_owned(),
        ),
    ];
    for (token, name, message) in cases {
        initiate(&hold, &token).await.assert_refused(401, name, &message);
    }
    initiate(&hold, &good).await.ok();
}

#[tokio::test]
async fn the_audience_is_this_hold_by_did_or_by_service() {
    let hold = Hold::start(PRIVATE).await;
    let did = hold.did();
    for audience in [did.clone(), format!("{did}#atcr_hold")] {
        initiate(&hold, &changed(&hold, &json!({ "aud": audience }))).await.ok();
    }
    for audience in [
        format!("{did}#atproto_pds"),
        format!("{did}#"),
        format!("{did}0"),
        did.replace("%3A", "%3a"),
        did.replace("%3A", ":"),
        did.to_uppercase(),
        hold.url(),
        String::new(),
    ] {
        let answer = initiate(&hold, &changed(&hold, &json!({ "aud": audience }))).await;
        answer.assert_refused(401, "BadJwtAudience", "the token is for another service");
    }
}

#[tokio::test]
async fn the_named_method_is_the_called_one_or_get_record_or_none() {
    let hold = Hold::start(PRIVATE).await;
    for (path, verbs, access) in endpoints() {
        if matches!(access, Access::Open | Access::SignedRead) {
            continue;
        }
        let method = verbs.as_str().split(", ").next().unwrap();
        for (lxm, passes) in [
            (json!(path), true),
            (json!("com.atproto.repo.getRecord"), true),
            (Value::Null, true),
            (json!("com.atproto.server.describeServer"), false),
            (json!("*"), false),
            (json!(""), false),
        ] {
            let claims = with(hold.claims(&hold.captain), &json!({ "lxm": lxm }));
            let answer = hold.call(method, &target(path)).bearer(&hold.captain.sign(&claims)).send().await;
            let refused = answer.status == 401 && answer.json()["error"] == "BadJwtLexiconMethod";
            assert_eq!(refused, !passes, "{path} {lxm} {}", answer.text());
            assert!(refused || !matches!(answer.status, 401 | 403), "{path} {lxm} {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_remembered_token_is_still_for_its_method_only() {
    let hold = Hold::start(PRIVATE).await;
    let token = changed(&hold, &json!({ "lxm": "io.atcr.hold.initiateUpload" }));
    for _ in 0..2 {
        initiate(&hold, &token).await.ok();
        let call = hold.call("POST", "/xrpc/io.atcr.hold.abortUpload").bearer(&token);
        let answer = call.json(&json!({ "uploadId": "0".repeat(32) })).send().await;
        answer.assert_refused(401, "BadJwtLexiconMethod", "the token is for another method");
    }
}

#[tokio::test]
async fn while_documents_cannot_be_read_known_crew_goes_on_and_strangers_wait() {
    let mut hold = Hold::start(PRIVATE).await;
    initiate(&hold, &hold.token(&hold.writer)).await.ok();
    hold.network.stop().await;
    initiate(&hold, &changed(&hold, &json!({ "jti": "another" }))).await.ok();
    for account in [&hold.stranger, &hold.other_writer] {
        let answer = initiate(&hold, &hold.token(account)).await;
        let message = "the hold cannot do this at present; try again later";
        answer.assert_refused(503, "ServiceUnavailable", message);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_accounts_does_not_keep_crew_waiting() {
    let hold = Hold::start(&format!("{PRIVATE}server.trusted_proxies = [\"127.0.0.1\"]\n")).await;
    let strangers: Vec<_> = (100..200).map(|number| (number, Account::held(number, &hold.network))).collect();
    let answers = async {
        // One address alone could not have them all.
        let calls = strangers.iter().map(async |(number, account)| {
            let call = hold.call("POST", INITIATE).bearer(&hold.token(account));
            let call = call.header("x-forwarded-for", &format!("192.0.2.{number}"));
            call.json(&json!({ "digest": "uploads/temp-1" })).send().await
        });
        futures_util::future::join_all(calls).await
    };
    let crew = async {
        // All look-ups at once that strangers may have are under way.
        while hold.network.requests() < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for account in [&hold.writer, &hold.other_writer, &hold.admin, &hold.captain] {
            initiate(&hold, &hold.token(account)).await.ok();
        }
        assert_eq!(hold.network.requests(), 8 + 4, "no stranger's look-up came between");
        hold.network.release();
    };
    let (answers, ()) = tokio::join!(answers, crew);
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(busy >= 100 - 72, "8 look-ups and 64 that wait, {busy} refused");
    for answer in &answers {
        match answer.status {
            503 => answer.assert_error(503, "ServiceUnavailable"),
            _ => answer.assert_error(403, "Forbidden"),
        }
    }
}

#[tokio::test]
async fn a_removal_holds_from_the_next_request_whatever_is_remembered() {
    let hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, b"content").await;
    let (token, target) = (hold.token(&hold.writer), format!("/xrpc/com.atproto.sync.getBlob?cid={digest}"));
    for _ in 0..2 {
        initiate(&hold, &token).await.ok();
        assert_eq!(hold.get(&target).bearer(&token).send().await.status, 200);
    }
    hold.remove_from_crew(&hold.writer).await;
    let answer = initiate(&hold, &token).await;
    let message = "access denied for blob:write: user is not a crew member (required: blob:write)";
    answer.assert_refused(403, "Forbidden", message);
    assert_eq!(hold.get(&target).bearer(&token).send().await.status, 403);
    // The same token is good again as soon as its account is.
    let record = json!({ "member": hold.writer.did, "role": "mate", "permissions": ["blob:write"], "addedAt": "2026-01-01T00:00:00Z" });
    let input = json!({ "repo": hold.did(), "collection": "io.atcr.hold.crew", "record": record });
    hold.post(&hold.captain, "com.atproto.repo.createRecord", &input).await.ok();
    initiate(&hold, &token).await.ok();
}
