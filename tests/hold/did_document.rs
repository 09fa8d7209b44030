//! The hold's own document: its exact form, and that a resolver takes it.

use atcr_hold::did_document::document as own_document;
use atproto::syntax::ServiceUrl;
use serde_json::json;
use server::identity::Pool;

use crate::support::did_server::{DidServer, Reply, key};

#[tokio::test]
async fn our_own_document_can_be_resolved() {
    let server = DidServer::start().await;
    let url = ServiceUrl::parse(&format!("http://localhost:{}", server.port)).unwrap();
    let ours = own_document(&url, &key(9).public());
    assert_eq!(ours.get("alsoKnownAs"), None);
    server.set("/.well-known/did.json", Reply::Body(ours.to_string()));
    let account = server.resolver().resolve(url.did(), Pool::Members).await.unwrap();
    assert_eq!((account.key, account.pds.as_deref()), (key(9).public(), Some(url.as_str())));

    let public = own_document(&ServiceUrl::parse("https://hold.example.org").unwrap(), &key(9).public());
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
