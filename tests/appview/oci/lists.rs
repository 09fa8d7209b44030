//! Lists of accounts with more records than a list may have.

use atproto::syntax::Digest;
use serde_json::{Value, json};

use super::registry::{Registry, refused};
use crate::asked::Asked as _;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const LIST_RECORDS: &str = "/xrpc/com.atproto.repo.listRecords?";

/// The path of a page of alice's records.
fn page(registry: &Registry, collection: &str, cursor: &str) -> String {
    let alice = registry.alice.as_str().replace(':', "%3A");
    format!("{LIST_RECORDS}repo={alice}&collection={collection}&limit=100{cursor}")
}

/// Alice's PDS lists these records, and then pages without end.
fn endless(registry: &Registry, collection: &str, records: &Value) {
    let next = json!({ "records": records, "cursor": "on" }).to_string();
    for cursor in ["", "&cursor=on"] {
        registry.network.set(&page(registry, collection, cursor), Reply::Body(next.clone()));
    }
}

#[tokio::test]
async fn of_too_many_tags_a_client_is_told_the_limit_and_not_to_try_again() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.appPass");
    let credentials = ("alice.test:right", "&scope=repository:alice.test/app:pull,push,delete");
    let token = registry.token(credentials.0, credentials.1).await.ok()["token"].as_str().unwrap().to_owned();
    let digest = Digest::from_bytes([1; 32]);
    let record = json!({ "repository": "app", "digest": digest, "schemaVersion": 2 });
    let alice = registry.alice.as_str().replace(':', "%3A");
    let of = format!("/xrpc/com.atproto.repo.getRecord?repo={alice}&collection=io.atcr.manifest&rkey={}", digest.hex());
    let view = json!({ "uri": format!("at://{}/io.atcr.manifest/{}", registry.alice, digest.hex()), "cid": "c", "value": record });
    registry.network.set(&of, Reply::Body(view.to_string()));
    endless(&registry, "io.atcr.tag", &json!([]));
    for (method, target) in
        [("GET", "tags/list".to_owned()), ("HEAD", "tags/list".to_owned()), ("DELETE", format!("manifests/{digest}"))]
    {
        let answer = registry.call(method, &format!("/v2/alice.test/app/{target}")).bearer(&token).send().await;
        assert_eq!((answer.status, answer.header("retry-after")), (400, None), "{method} {}", answer.text());
        if method != "HEAD" {
            let message = refused(&answer, 400, "UNSUPPORTED");
            assert!(message.contains("more than 50000 tags"), "{message}");
        }
    }
    assert_eq!(registry.network.requests_of("/xrpc/com.atproto.repo.deleteRecord"), 0);
    // With so many manifests and no tag: the repository is none that is known.
    registry.network.set(&page(&registry, "io.atcr.tag", ""), Reply::Body(json!({ "records": [] }).to_string()));
    endless(&registry, "io.atcr.manifest", &json!([]));
    let none = registry.call("GET", "/v2/alice.test/app/tags/list").bearer(&token).send().await;
    refused(&none, 404, "NAME_UNKNOWN");
}
