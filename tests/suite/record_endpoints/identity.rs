//! What the hold says of itself: server, DID document, health.

use atcr_hold::app;
use atcr_hold::config::{Config, Environment};
use atcr_hold::daemon::listeners;
use atcr_hold::repo::signing::PublicKey;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::suite::hold::{Call, Hold, PRIVATE};

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
    let state = tempfile::tempdir().unwrap();
    let path = |name: &str| state.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("blobs")).unwrap();
    let environment = Environment::from([
        ("HOLD_PUBLIC_URL", "https://hold.example.org"),
        ("HOLD_OWNER", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        ("HOLD_DATABASE_PATH", &path("hold.db")),
        ("STORAGE_ROOT_DIR", &path("blobs")),
    ]);
    let config = Config::load(None, &state.path().join("no.env"), &environment).unwrap();
    let listener = listeners::bind("127.0.0.1:0").unwrap();
    let port = listener.describe().rsplit(':').next().unwrap().parse().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(app::run(config, vec![listener], shutdown.clone()));

    // As its reverse proxy calls it.
    let get = |target: &str| Call::new(port, "GET", target).header("host", "hold.example.org").send();
    let document = get("/.well-known/did.json").await.ok();
    assert_eq!(
        (&document["id"], &document["alsoKnownAs"]),
        (&json!("did:web:hold.example.org"), &json!(["at://hold.example.org"]))
    );
    for repo in ["did:web:hold.example.org", "hold.example.org", "HOLD.example.org"] {
        let output = get(&format!("/xrpc/com.atproto.repo.describeRepo?repo={repo}")).await.ok();
        assert_eq!((&output["handle"], &output["handleIsCorrect"]), (&json!("hold.example.org"), &json!(true)));
        assert_eq!((&output["did"], &output["didDoc"]), (&json!("did:web:hold.example.org"), &document));
    }
    // com.atproto.sync knows repositories by DID alone.
    let target = "/xrpc/com.atproto.sync.getLatestCommit?did=hold.example.org";
    get(target).await.assert_error(400, "RepoNotFound");
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}
