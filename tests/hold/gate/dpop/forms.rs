//! What is refused before anybody is asked: every flaw that a token or a proof can have.

use p256::ecdsa::Signature;
use serde_json::{Value, json};

use super::{Client, client_of, encode, initiate, pds_of, serve_session};
use crate::support::hold::{Hold, PRIVATE, now_s};
use crate::support::small::with;

const PROOF: &str = "the DPoP proof is not acceptable: ";
const TOKEN: &str = "the access token is not acceptable: ";

#[tokio::test]
async fn a_flaw_of_the_proof_is_refused_by_name_and_nobody_is_asked() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    let header = |changes: Value| client.sign_with(&with(client.header(), &changes), &client.claims());
    let jwk = |changes: Value| header(json!({ "jwk": with(client.jwk(), &changes) }));
    let claim = |changes: Value| client.sign(&with(client.claims(), &changes));
    let good = client.proof();
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let other_proof = client.proof();
    let other_client =
        Client::new(p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap(), &client.token, &pds_of(&hold));
    let cases = [
        ("a.b".to_owned(), "it must have three parts"),
        ("a.b.c".to_owned(), "its parts must be base64url without padding"),
        (
            format!("{}.{}.", encode(&json!([])), encode(&json!({}))),
            "its parts must be JSON objects without duplicate names",
        ),
        ("a".repeat(8193), "it is longer than 8 KiB"),
        (header(json!({ "typ": "JWT" })), "its typ must be dpop+jwt"),
        (header(json!({ "typ": null })), "its typ must be dpop+jwt"),
        (header(json!({ "alg": "none" })), "its alg must be ES256"),
        (header(json!({ "alg": "HS256" })), "its alg must be ES256"),
        (header(json!({ "alg": "ES256K" })), "its alg must be ES256"),
        (header(json!({ "crit": ["b64"] })), "its header demands an extension"),
        (header(json!({ "jwk": null })), "its jwk is missing"),
        (header(json!({ "jwk": "key" })), "its jwk is missing"),
        (jwk(json!({ "kty": "oct" })), "its jwk must be a P-256 key"),
        (jwk(json!({ "crv": "secp256k1" })), "its jwk must be a P-256 key"),
        (jwk(json!({ "d": "AAAA" })), "its jwk must not have the private key"),
        (jwk(json!({ "x": "AAAA" })), "the coordinates of its jwk must have 32 bytes"),
        (jwk(json!({ "y": null })), "the coordinates of its jwk must have 32 bytes"),
        (jwk(json!({ "x": client.jwk()["y"] })), "its jwk is not a point of P-256"),
        (other_client.proof(), "the access token is bound to another key"),
        (claim(json!({ "iat": null })), "iat is missing"),
        (claim(json!({ "iat": "now" })), "a time must be a whole number of seconds"),
        (claim(json!({ "iat": now_s() - 200 })), "it is too old"),
        (claim(json!({ "iat": i64::MIN })), "it is too old"),
        (claim(json!({ "exp": now_s() - 1 })), "it is too old"),
        (claim(json!({ "iat": now_s() + 100 })), "iat or nbf is in the future"),
        (claim(json!({ "nbf": i64::MAX })), "iat or nbf is in the future"),
        (claim(json!({ "jti": null })), "jti is missing"),
        (claim(json!({ "jti": "" })), "jti is missing"),
        (claim(json!({ "jti": 7 })), "a claim that must be a text is something else"),
        (claim(json!({ "ath": null })), "its ath is not the hash of the access token"),
        (claim(json!({ "ath": "AAAA" })), "its ath is not the hash of the access token"),
        (claim(json!({ "htm": null })), "htm is missing"),
        (claim(json!({ "htu": null })), "its htu must be a URL"),
        (claim(json!({ "htu": "/xrpc/com.atproto.server.getSession" })), "its htu must be a URL"),
        (format!("{unsigned}."), "its signature must have 64 bytes"),
        (format!("{unsigned}.{}", &signature[..84]), "its signature must have 64 bytes"),
        (format!("{unsigned}.{}", &other_proof[other_proof.len() - 86..]), "its signature does not match"),
        (format!("{unsigned}.{}", "A".repeat(86)), "its signature does not match"),
    ];
    for (proof, reason) in cases {
        initiate(&hold, &client, &proof).await.assert_refused(401, "invalid_dpop_proof", &format!("{PROOF}{reason}"));
    }
    assert_eq!(hold.network.requests(), 0);
    initiate(&hold, &client, &good).await.ok();
}

#[tokio::test]
async fn a_flaw_of_the_access_token_is_refused_by_name_and_nobody_is_asked() {
    let hold = Hold::start(PRIVATE).await;
    let of_writer = |changes: Value| Client::with_token(&hold.writer.did, &pds_of(&hold), &changes);
    let opaque = Client { token: "opaque".into(), ..of_writer(json!({})) };
    let service_token = Client { token: hold.token(&hold.writer), ..of_writer(json!({})) };
    let cases = [
        (opaque, "it must have three parts"),
        (service_token, "its sub must be a DID"),
        (of_writer(json!({ "sub": "alice.test" })), "its sub must be a DID"),
        (of_writer(json!({ "exp": null })), "exp is missing"),
        (of_writer(json!({ "exp": 1.5 })), "a time must be a whole number of seconds"),
        (of_writer(json!({ "exp": now_s() })), "it has expired"),
        (of_writer(json!({ "iat": now_s() + 100 })), "iat or nbf is in the future"),
        (of_writer(json!({ "cnf": null })), "it is not bound to a key"),
        (of_writer(json!({ "cnf": {} })), "it is not bound to a key"),
        (of_writer(json!({ "cnf": "key" })), "it is not bound to a key"),
    ];
    for (client, reason) in cases {
        let answer = initiate(&hold, &client, &client.proof()).await;
        answer.assert_refused(401, "invalid_token", &format!("{TOKEN}{reason}"));
    }
    let other_key = of_writer(json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }));
    let answer = initiate(&hold, &other_key, &other_key.proof()).await;
    answer.assert_refused(401, "invalid_dpop_proof", &format!("{PROOF}the access token is bound to another key"));
    assert_eq!(hold.network.requests(), 0);
}

#[tokio::test]
async fn both_forms_of_a_signature_pass_and_any_spelling_of_the_url() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    let signed = format!("{}.{}", encode(&client.header()), encode(&client.claims()));
    let signature: Signature = p256::ecdsa::signature::Signer::sign(&client.key, signed.as_bytes());
    let low = signature.normalize_s();
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r, -s).unwrap();
    assert_ne!(low, high);
    for signature in [low, high] {
        let signature = data_encoding::BASE64URL_NOPAD.encode(&signature.to_bytes());
        initiate(&hold, &client, &format!("{signed}.{signature}")).await.ok();
    }
    let url = format!("HTTP://LocalHost:{}/x/../xrpc/com.atproto.server.getSession", hold.network.port);
    initiate(&hold, &client, &client.sign(&with(client.claims(), &json!({ "htu": url })))).await.ok();
}

#[tokio::test]
async fn a_proof_for_anything_but_the_session_at_the_own_pds_is_told_what_is_expected() {
    let hold = Hold::start(PRIVATE).await;
    let client = client_of(&hold, &hold.writer);
    serve_session(&hold, &hold.writer.did);
    let expected = format!("{}/xrpc/com.atproto.server.getSession", pds_of(&hold));
    let message = format!(
        "the DPoP proof must be for GET {expected}, which the hold asks with it, and not for the hold's own URL"
    );
    let own = format!("{}/xrpc/io.atcr.hold.initiateUpload", hold.url());
    for (htm, htu) in [
        ("POST", own.as_str()),
        ("GET", &own),
        ("POST", &expected),
        ("get", &expected),
        ("GET", "https://pds.example/xrpc/com.atproto.server.getSession"),
        ("GET", &format!("{}/xrpc/com.atproto.server.getServiceAuth", pds_of(&hold))),
        ("GET", &format!("{expected}?x=1")),
        ("GET", &format!("{expected}#x")),
        ("GET", &expected.replace("http:", "https:")),
        ("GET", &expected.replace("//", "//a@")),
    ] {
        let proof = client.sign(&with(client.claims(), &json!({ "htm": htm, "htu": htu })));
        initiate(&hold, &client, &proof).await.assert_refused(401, "invalid_dpop_proof", &message);
    }
    // The document, and once more for an account that may have moved; the PDS was not asked.
    assert_eq!(hold.network.requests(), 2);
}

#[tokio::test]
async fn headers_that_do_not_fit_each_other_are_refused() {
    let hold = Hold::start("public = true\n").await;
    let client = client_of(&hold, &hold.writer);
    let (access, bearer) = (format!("DPoP {}", client.token), format!("Bearer {}", hold.token(&hold.writer)));
    let proof = client.proof();
    let refused = async |headers: &[(&str, &str)], name: &str, message: &str| {
        let call = hold.get("/xrpc/com.atproto.sync.getBlob");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.send().await.assert_refused(401, name, message);
    };
    let alone = "a DPoP header goes with Authorization: DPoP only";
    for (headers, reason) in [
        (&[("authorization", access.as_str())][..], "the DPoP header is missing"),
        (&[("authorization", &access), ("dpop", "")], "the DPoP header must be one proof"),
        (&[("authorization", &access), ("dpop", &proof), ("dpop", &proof)], "there is more than one DPoP header"),
        (&[("authorization", &bearer), ("dpop", &proof)], alone),
        (&[("dpop", &proof)], alone),
    ] {
        refused(headers, "invalid_dpop_proof", &format!("{PROOF}{reason}")).await;
    }
    let two = [("authorization", access.as_str()), ("authorization", &bearer), ("dpop", &proof)];
    refused(&two, "BadJwt", "the token is malformed: there is more than one Authorization header").await;
    let as_bearer = [("authorization", format!("Bearer {}", client.token))];
    refused(&[("authorization", &as_bearer[0].1)], "BadJwtType", "the token is not a service token").await;
    assert_eq!(hold.network.requests(), 0);
}
