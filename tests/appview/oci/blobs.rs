//! Blobs of an account with more than one hold.

use std::time::Duration;

use atcr_appview::repos::manifest_key;
use atproto::repo::cid;
use atproto::syntax::Digest;
use serde_json::{Value, json};

use super::pushes::{BLOBS, Pushes, digest};
use super::registry::refused;
use crate::asked::Asked as _;
use crate::support::did_server::{DidServer, Reply, document, plc};
use crate::support::http::Answer;
use crate::support::small::pass;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const ELSEWHERE: &str = "https://elsewhere.example/";
const HERE: &str = "https://here.example/";

/// Alice, whose new blobs go to one hold, and who has an image in another one.
struct Holds {
    pushes: Pushes,
    other: DidServer,
    blob: Digest,
    image: String,
}

impl Holds {
    async fn start() -> Self {
        let (pushes, other, blob) = (Pushes::start().await, DidServer::start().await, digest("blob"));
        let config = json!({ "mediaType": "m", "digest": blob, "size": 4 });
        let image = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [] }).to_string();
        Self { pushes, other, blob, image }
    }

    /// The answer of a hold about the blob: its URL, or that it has none or tells none.
    fn says(&self, hold: &DidServer, answer: Result<&str, &str>) {
        let aud = format!("did%3Aweb%3Alocalhost%253A{}", hold.port);
        let path = format!("/xrpc/com.atproto.sync.getBlob?did={aud}&cid=sha256%3A{}&method=GET", self.blob.hex());
        hold.set(
            &path,
            match answer {
                Ok(url) => Reply::Body(json!({ "url": url, "method": "GET" }).to_string()),
                Err(status) => {
                    let body = r#"{"error":"Named","message":"no"}"#;
                    let head =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    Reply::Raw(head + body)
                }
            },
        );
    }

    /// The record of the image, which names the other hold.
    fn record(&self) -> Value {
        let mut record: Value = serde_json::from_str(&self.image).unwrap();
        record["repository"] = json!("app");
        record["digest"] = json!(digest(&self.image));
        record["holdDid"] = json!(format!("did:web:localhost%3A{}", self.other.port));
        record["createdAt"] = json!("2026-01-01T00:00:00Z");
        record
    }

    async fn blob_as_nobody(&self) -> Answer {
        let registry = &self.pushes.registry;
        let token = registry.get("/auth/token?service=x&scope=repository:alice.test/app:pull").await.ok();
        let call = registry.call("GET", &format!("{BLOBS}{}", self.blob)).bearer(token["token"].as_str().unwrap());
        call.send().await
    }
}

#[tokio::test]
async fn a_blob_that_the_hold_of_a_manifest_does_not_have_is_looked_for_where_new_ones_go() {
    let holds = Holds::start().await;
    let (pushes, here) = (&holds.pushes, &holds.pushes.registry.network);
    let image = digest(&holds.image);
    pushes.has_record("io.atcr.manifest", manifest_key(&image).as_str(), Some(&holds.record()));
    let alice = pushes.registry.alice.as_str().replace(':', "%3A");
    let bytes = format!("/xrpc/com.atproto.sync.getBlob?did={alice}&cid={}", cid::raw(&image));
    here.set(&bytes, Reply::Bytes(holds.image.clone().into_bytes()));
    assert_eq!(pushes.call("GET", &format!("/v2/alice.test/app/manifests/{image}"), "").await.status, 200);
    holds.says(&holds.other, Ok(ELSEWHERE));
    holds.says(here, Ok(HERE));
    assert_eq!(holds.blob_as_nobody().await.header("location"), Some(ELSEWHERE));
    // Another image with this layer was read last, and its hold has lost it.
    holds.says(&holds.other, Err("404 No"));
    let found = holds.blob_as_nobody().await;
    assert_eq!((found.status, found.header("location")), (307, Some(HERE)));
    holds.says(here, Err("404 No"));
    refused(&holds.blob_as_nobody().await, 404, "BLOB_UNKNOWN");
    // A hold that fails may have it.
    holds.says(&holds.other, Err("500 Oh"));
    refused(&holds.blob_as_nobody().await, 503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_private_hold_for_new_blobs_does_not_hide_those_of_an_older_image() {
    let holds = Holds::start().await;
    let here = &holds.pushes.registry.network;
    holds.says(here, Err("401 No"));
    holds.says(&holds.other, Ok(ELSEWHERE));
    let refusal = holds.blob_as_nobody().await;
    refused(&refusal, 401, "UNAUTHORIZED");
    assert!(refusal.header("www-authenticate").unwrap().contains("insufficient_scope"));
    let alice = holds.pushes.registry.alice.as_str().replace(':', "%3A");
    let listed = format!("/xrpc/com.atproto.repo.listRecords?repo={alice}&collection=io.atcr.manifest&limit=100");
    let uri = format!("at://{}/io.atcr.manifest/{}", holds.pushes.registry.alice, digest(&holds.image).hex());
    let page = json!({ "records": [{ "uri": uri, "cid": "c", "value": holds.record() }] });
    here.set(&listed, Reply::Body(page.to_string()));
    let found = holds.blob_as_nobody().await;
    assert_eq!((found.status, found.header("location")), (307, Some(ELSEWHERE)));
}

#[tokio::test]
async fn a_hold_with_a_did_plc_that_has_moved_is_found_at_its_new_address_without_a_restart() {
    let mut holds = Holds::start().await;
    let (did, mut newest) = (plc(7), DidServer::start().await);
    let path = |blob: &Digest| {
        let did = did.as_str().replace(':', "%3A");
        format!("/xrpc/com.atproto.sync.getBlob?did={did}&cid=sha256%3A{}&method=GET", blob.hex())
    };
    let moves_to = |holds: &Holds, hold: &DidServer| {
        let mut published = document(&did, 1);
        let url = format!("http://localhost:{}", hold.port);
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": url }]);
        holds.pushes.registry.network.publish(&did, &published);
        let there = json!({ "url": format!("{ELSEWHERE}{}", hold.port), "method": "GET" });
        hold.set(&path(&holds.blob), Reply::Body(there.to_string()));
    };
    let profile = json!({ "defaultHold": did });
    holds.pushes.has_record("io.atcr.sailor.profile", "self", Some(&profile));
    let read = |holds: &Holds| holds.pushes.registry.network.requests_of(&format!("/{did}"));
    moves_to(&holds, &holds.other);
    let first = Some(format!("{ELSEWHERE}{}", holds.other.port));
    assert_eq!(holds.blob_as_nobody().await.header("location"), first.as_deref());
    assert_eq!(holds.blob_as_nobody().await.header("location"), first.as_deref());
    assert_eq!(read(&holds), 1, "the document is cached");
    holds.other.stop().await;
    moves_to(&holds, &newest);
    refused(&holds.blob_as_nobody().await, 503, "UNAVAILABLE");
    let second = Some(format!("{ELSEWHERE}{}", newest.port));
    assert_eq!(holds.blob_as_nobody().await.header("location"), second.as_deref());
    assert_eq!(read(&holds), 2);
    // The document was read a moment ago: not again at each failure, but after a minute.
    newest.stop().await;
    let back = DidServer::start().await;
    moves_to(&holds, &back);
    for _ in 0..3 {
        refused(&holds.blob_as_nobody().await, 503, "UNAVAILABLE");
    }
    assert_eq!(read(&holds), 2);
    pass(Duration::from_secs(61)).await;
    refused(&holds.blob_as_nobody().await, 503, "UNAVAILABLE");
    let third = Some(format!("{ELSEWHERE}{}", back.port));
    assert_eq!(holds.blob_as_nobody().await.header("location"), third.as_deref());
    assert_eq!(read(&holds), 3);
}
