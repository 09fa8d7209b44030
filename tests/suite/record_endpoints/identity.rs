//! What the hold says of itself: server, DID document, health.

use atcr_hold::repo::signing::PublicKey;
use serde_json::json;

use crate::suite::hold::{Hold, PRIVATE};

#[tokio::test]
async fn the_server_describes_itself() {
    let hold = Hold::start(PRIVATE).await;
    let output = hold.get("/xrpc/com.atproto.server.describeServer").send().await.ok();
    let expected = json!({
        "did": hold.did(), "availableUserDomains": [], "inviteCodeRequired": true, "links": {}, "contact": {},
    });
    assert_eq!(output, expected);
}

#[tokio::test]
async fn the_did_document_names_key_and_services() {
    let mut hold = Hold::start(PRIVATE).await;
    let document = hold.get("/.well-known/did.json").send().await.ok();
    let did = hold.did();
    assert_eq!(document["id"], did);
    assert!(document.get("alsoKnownAs").is_none(), "localhost is no handle");
    let methods = document["verificationMethod"].as_array().unwrap();
    let expected = (1, json!(format!("{did}#atproto")), json!("Multikey"), json!(did));
    assert_eq!(
        (methods.len(), methods[0]["id"].clone(), methods[0]["type"].clone(), methods[0]["controller"].clone()),
        expected
    );
    let key = PublicKey::from_multikey(methods[0]["publicKeyMultibase"].as_str().unwrap()).unwrap();
    assert_eq!(key.algorithm(), "ES256K");
    let services = json!([
        { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": hold.url() },
        { "id": "#atcr_hold", "type": "AtcrHoldService", "serviceEndpoint": hold.url() },
    ]);
    assert_eq!(document["service"], services);
    hold.restart(PRIVATE).await;
    assert_eq!(hold.get("/.well-known/did.json").send().await.ok(), document, "the same key after a restart");
}

#[tokio::test]
async fn the_did_is_told_as_plain_text() {
    let hold = Hold::start(PRIVATE).await;
    let answer = hold.get("/.well-known/atproto-did").send().await;
    assert_eq!((answer.status, answer.text()), (200, hold.did().as_str()));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
}

#[tokio::test]
async fn health_tells_the_version() {
    let hold = Hold::start(PRIVATE).await;
    let output = hold.get("/xrpc/_health").send().await.ok();
    assert_eq!(output, json!({ "version": env!("CARGO_PKG_VERSION") }));
}
