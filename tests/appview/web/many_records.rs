//! An account with more records than a page lists.

use atproto::repo::cid;
use atproto::syntax::Digest;
use serde_json::json;
use sha2::Digest as _;

use super::person::{HOST, status};
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

#[tokio::test]
async fn a_tag_behind_those_that_are_listed_has_a_page() {
    let registry = Registry::start(NONE).await;
    let did = registry.alice.as_str().replace(':', "%3A");
    for collection in ["io.atcr.tag", "io.atcr.manifest"] {
        for cursor in ["", "&cursor=on"] {
            let path =
                format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection={collection}&limit=100{cursor}");
            registry.network.set(&path, Reply::Body(json!({ "records": [], "cursor": "on" }).to_string()));
        }
    }
    let digest = Digest::from_bytes(sha2::Sha256::digest(MANIFEST).into());
    let manifest = format!("at://{}/io.atcr.manifest/{}", registry.alice, digest.hex());
    let tag = json!({ "repository": "app", "tag": "v1", "manifest": manifest });
    let record = |key: &str| format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.tag&rkey={key}");
    let view = json!({ "uri": format!("at://{}/io.atcr.tag/app_v1", registry.alice), "cid": "b", "value": tag });
    registry.says(&record("app_v1"), &view);
    let absent = json!({ "error": "RecordNotFound", "message": "it is not here" }).to_string();
    registry.network.set(&record("app_v2"), status("400 Bad Request", &absent));
    let blob = format!("/xrpc/com.atproto.sync.getBlob?did={did}&cid={}", cid::raw(&digest));
    registry.network.set(&blob, Reply::Body(MANIFEST.into()));
    for (reference, expected) in [("v1", 200), ("v2", 404)] {
        let path = format!("/alice.test/app:{reference}");
        let page = registry.call("GET", &path).header("host", HOST).header("accept", "text/html").send().await;
        assert_eq!(page.status, expected, "{reference}: {}", page.text());
    }
}
