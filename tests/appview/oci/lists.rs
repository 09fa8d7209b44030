//! Lists of accounts with more records than a list may have.

use atcr_appview::repos::digest_of;
use atproto::repo::cid;
use atproto::syntax::Digest;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::registry::{Registry, refused};
use crate::asked::Asked as _;
use crate::support::did_server::Reply;
use crate::support::still_clock::StillClock;

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
    // Each list has so many pages that a busy machine may take longer for them than an answer may.
    let _clock = StillClock::now();
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

/// Fills the database with this many referrers of `subject`, the last of them of the type `application/rare`.
fn pushed_here(registry: &Registry, subject: &Digest, number: u32) {
    let mut database = Connection::open(registry.database()).unwrap();
    let transaction = database.transaction().unwrap();
    for n in 1..=number {
        let (digest, kind) = (ordered(n), if n == number { "application/rare" } else { "application/usual" });
        let sql = "INSERT INTO referrer (account, subject, digest, media_type, size_bytes, artifact_type, pushed_us)
                   VALUES (?1, ?2, ?3, 'application/x', 5, ?4, 1)";
        let row = (registry.alice.as_str(), subject.as_bytes().as_slice(), digest.as_bytes().as_slice(), kind);
        transaction.execute(sql, row).unwrap();
    }
    transaction.commit().unwrap();
}

/// The `number`th digest in the order of digests.
fn ordered(number: u32) -> Digest {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

/// The digests of all pages of a list, and their number.
async fn all_pages(registry: &Registry, token: &str, first: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut next) = (Vec::new(), 0, Some(first.to_owned()));
    while let Some(target) = next {
        let answer = registry.call("GET", &target).bearer(token).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let listed: Value = serde_json::from_str(answer.text()).unwrap();
        let all = listed["manifests"].as_array().unwrap();
        found.extend(all.iter().map(|manifest| manifest["digest"].as_str().unwrap().to_owned()));
        next = answer.header("link").map(|link| link[1..link.find('>').unwrap()].to_owned());
        pages += 1;
    }
    (found, pages)
}

#[tokio::test]
async fn a_filter_that_leaves_few_referrers_of_many_leaves_none_out() {
    let registry = Registry::start(NONE).await;
    let token = registry.get("/auth/token?service=localhost:5000&scope=repository:alice.test/app:pull").await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let subject = Digest::from_bytes([9; 32]);
    // Of so many manifests not all are read, so what is in the database alone is not deleted.
    endless(&registry, "io.atcr.manifest", &json!([]));
    pushed_here(&registry, &subject, 1100);
    let list = format!("/v2/alice.test/app/referrers/{subject}");
    let (rare, pages) = all_pages(&registry, &token, &format!("{list}?artifactType=application/rare")).await;
    assert_eq!((rare, pages), (vec![ordered(1100).to_string()], 3), "of 500, of 500, of the rest");
    let (all, _) = all_pages(&registry, &token, &list).await;
    assert_eq!(all, (1..=1100).map(|n| ordered(n).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn referrers_that_another_program_deleted_end_no_list() {
    let registry = Registry::start(NONE).await;
    let token = registry.get("/auth/token?service=localhost:5000&scope=repository:alice.test/app:pull").await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let subject = Digest::from_bytes([9; 32]);
    pushed_here(&registry, &subject, 1100);
    let database = Connection::open(registry.database()).unwrap();
    // The last one was pushed after the records were read.
    database.execute("UPDATE referrer SET pushed_us = 4e15 WHERE artifact_type = 'application/rare'", ()).unwrap();
    let (left, pages) = all_pages(&registry, &token, &format!("/v2/alice.test/app/referrers/{subject}")).await;
    assert_eq!((left, pages), (vec![ordered(1100).to_string()], 3));
}

#[tokio::test]
async fn a_referrer_that_was_deleted_while_the_records_were_read_is_listed_no_more() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.appPass");
    let scope = "&scope=repository:alice.test/app:pull,push,delete";
    let token = registry.token("alice.test:right", scope).await.ok()["token"].as_str().unwrap().to_owned();
    let (alice, subject) = (registry.alice.as_str().replace(':', "%3A"), Digest::from_bytes([9; 32]));
    let about = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 2 });
    let index = "application/vnd.oci.image.index.v1+json";
    let bytes = json!({ "schemaVersion": 2, "mediaType": index, "manifests": [], "subject": about }).to_string();
    let digest = digest_of(bytes.as_bytes());
    let blob = format!("/xrpc/com.atproto.sync.getBlob?did={alice}&cid={}", cid::raw(&digest));
    registry.network.set(&blob, Reply::Body(bytes));
    let record = json!({ "repository": "app", "digest": digest, "schemaVersion": 2, "subject": about });
    let uri = format!("at://{}/io.atcr.manifest/{}", registry.alice, digest.hex());
    let view = json!({ "uri": uri, "cid": "c", "value": record });
    let of = format!("/xrpc/com.atproto.repo.getRecord?repo={alice}&collection=io.atcr.manifest&rkey={}", digest.hex());
    registry.network.set(&of, Reply::Body(view.to_string()));
    registry.network.set("/xrpc/com.atproto.repo.deleteRecord", Reply::Body("{}".into()));
    let manifests = page(&registry, "io.atcr.manifest", "");
    registry.network.set(&manifests, Reply::Held(json!({ "records": [view] }).to_string()));
    let call = |method, target: String| registry.call(method, &format!("/v2/alice.test/app/{target}")).bearer(&token);
    let list = async || {
        let answer = call("GET", format!("referrers/{subject}")).send().await;
        serde_json::from_str::<Value>(answer.text()).unwrap()["manifests"].clone()
    };
    let delete = async {
        while registry.network.requests_of(&manifests) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let deleted = call("DELETE", format!("manifests/{digest}")).send().await;
        assert_eq!(deleted.status, 202, "{}", deleted.text());
        registry.network.release();
    };
    let (before, ()) = tokio::join!(list(), delete);
    assert_eq!(before[0]["digest"], json!(digest), "it was there when the records were read");
    registry.network.set(&manifests, Reply::Body(json!({ "records": [] }).to_string()));
    assert_eq!(list().await, json!([]));
}
