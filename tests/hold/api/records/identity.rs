//! What the hold says of itself: server, DID document, health.

use atproto::keys::PublicKey;
use serde_json::json;

use super::public_hold::PublicHold;
use crate::support::hold::{Hold, PRIVATE};

const RESOLVE: &str = "/xrpc/com.atproto.identity.resolveHandle";

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

#[tokio::test]
async fn a_public_hold_has_its_host_as_handle() {
    let hold = PublicHold::start().await;
    let document = hold.get("/.well-known/did.json").await.ok();
    assert_eq!(
        (&document["id"], &document["alsoKnownAs"]),
        (&json!("did:web:hold.example.org"), &json!(["at://hold.example.org"]))
    );
    for repo in ["did:web:hold.example.org", "hold.example.org", "HOLD.example.org"] {
        let output = hold.get(&format!("/xrpc/com.atproto.repo.describeRepo?repo={repo}")).await.ok();
        assert_eq!((&output["handle"], &output["handleIsCorrect"]), (&json!("hold.example.org"), &json!(true)));
        assert_eq!((&output["did"], &output["didDoc"]), (&json!("did:web:hold.example.org"), &document));
    }
    // com.atproto.sync knows repositories by DID alone.
    let target = "/xrpc/com.atproto.sync.getLatestCommit?did=hold.example.org";
    hold.get(target).await.assert_error(400, "RepoNotFound");
    hold.stop().await;
}

#[tokio::test]
async fn its_handle_resolves_and_no_other_does() {
    let public = PublicHold::start().await;
    for handle in ["hold.example.org", "HOLD.example.org"] {
        let output = public.get(&format!("{RESOLVE}?handle={handle}")).await.ok();
        assert_eq!(output, json!({ "did": "did:web:hold.example.org" }));
    }
    let local = Hold::start(PRIVATE).await;
    let message = "this server resolves only the hold's own handle";
    for handle in ["example.org", "other.example.org", "hold.example.org.example", "handle.invalid"] {
        let target = format!("{RESOLVE}?handle={handle}");
        public.get(&target).await.assert_refused(400, "HandleNotFound", message);
        local.get(&target).send().await.assert_refused(400, "HandleNotFound", message);
    }
    let localhost = format!("localhost:{}", local.port);
    for bad in ["", "localhost", &localhost, "did:web:hold.example.org", "a..b", "x.example&handle=y.example"] {
        public.get(&format!("{RESOLVE}?handle={bad}")).await.assert_error(400, "InvalidRequest");
        local.get(&format!("{RESOLVE}?handle={bad}")).send().await.assert_error(400, "InvalidRequest");
    }
    public.stop().await;
}
