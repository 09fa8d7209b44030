//! The hold's own document: its exact form, and that a resolver takes it.

use atcr_hold::did_document::{document as own_document, plc_data};
use atproto::syntax::{Did, ServiceUrl};
use serde_json::json;
use server::identity::Pool;

use crate::support::did_server::{DidServer, Reply, key};

#[tokio::test]
async fn our_own_document_can_be_resolved() {
    let server = DidServer::start().await;
    let url = ServiceUrl::parse(&format!("http://localhost:{}", server.port)).unwrap();
    let ours = own_document(url.did(), &url, &key(9).public());
    assert_eq!(ours.get("alsoKnownAs"), None);
    server.set("/.well-known/did.json", Reply::Body(ours.to_string()));
    let account = server.resolver().resolve(url.did(), Pool::Members).await.unwrap();
    assert_eq!((account.key, account.pds.as_deref()), (key(9).public(), Some(url.as_str())));

    let url = ServiceUrl::parse("https://hold.example.org").unwrap();
    let public = own_document(url.did(), &url, &key(9).public());
    let multikey = key(9).public().to_multikey();
    assert_eq!(
        public,
        json!({
            "@context": [
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/multikey/v1",
                "https://w3id.org/security/suites/secp256k1-2019/v1",
            ],
            "id": "did:web:hold.example.org",
            "alsoKnownAs": ["at://hold.example.org"],
            "verificationMethod": [{
                "id": "did:web:hold.example.org#atproto",
                "type": "Multikey",
                "controller": "did:web:hold.example.org",
                "publicKeyMultibase": multikey,
            }],
            "service": [
                { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://hold.example.org" },
                { "id": "#atcr_hold", "type": "AtcrHoldService", "serviceEndpoint": "https://hold.example.org" },
            ],
        })
    );
}

#[test]
fn an_operation_of_the_directory_says_what_the_document_of_a_did_plc_has() {
    let (did, key) = (Did::parse("did:plc:z72i7hdynmk6r22z27h6tvur").unwrap(), key(9).public());
    let url = ServiceUrl::parse("https://hold.example.org").unwrap();
    let document = own_document(&did, &url, &key);
    assert_eq!((&document["id"], &document["verificationMethod"][0]["controller"]), (&json!(did), &json!(did)));
    assert_eq!(
        plc_data(&document),
        json!({
            "alsoKnownAs": ["at://hold.example.org"],
            "verificationMethods": { "atproto": format!("did:key:{}", key.to_multikey()) },
            "services": {
                "atproto_pds": { "type": "AtprotoPersonalDataServer", "endpoint": "https://hold.example.org" },
                "atcr_hold": { "type": "AtcrHoldService", "endpoint": "https://hold.example.org" },
            },
        })
    );
    let local = ServiceUrl::parse("http://localhost:8080").unwrap();
    assert_eq!(plc_data(&own_document(&did, &local, &key))["alsoKnownAs"], json!([]));
}
