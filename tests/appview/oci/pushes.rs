//! What becomes of pushes and deletions when others do something else at the same moment, or do not do their part.

use std::time::Duration;

use atcr_appview::repos::manifest_key;
use atproto::repo::cid;
use atproto::syntax::Digest;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::registry::{Registry, refused};
use crate::asked::Asked as _;
use crate::support::did_server::Reply;
use crate::support::http::Answer;
use crate::support::small::pass;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
pub(super) const SCOPE: &str = "&scope=repository:alice.test/app:pull,push";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DELETE_RECORD: &str = "/xrpc/com.atproto.repo.deleteRecord";
pub(crate) const PUT_RECORD: &str = "/xrpc/com.atproto.repo.putRecord";
pub(crate) const NOTIFY: &str = "/xrpc/io.atcr.hold.notifyManifest";
const REQUEST_CREW: &str = "/xrpc/io.atcr.hold.requestCrew";
pub(crate) const INITIATE: &str = "/xrpc/io.atcr.hold.initiateUpload";
pub(crate) const BLOBS: &str = "/v2/alice.test/app/blobs/";
/// Some record.
pub(crate) const URI: &str = "at://did:web:hold.example.org/io.atcr.hold.crew/x";

/// A registry, and alice with a token to push to her repository `app`, whose hold is the network as well.
pub(crate) struct Pushes {
    pub(crate) registry: Registry,
    pub(super) token: String,
}

impl Pushes {
    pub(crate) async fn start() -> Self {
        let registry = Registry::start(NONE).await;
        registry.signs_in_with("com.atproto.appPass");
        let token = registry.token("alice.test:right", SCOPE).await.ok()["token"].as_str().unwrap().to_owned();
        let pushes = Self { registry, token };
        let hold = format!("did:web:localhost%3A{}", pushes.registry.network.port);
        pushes.has_record("io.atcr.sailor.profile", "self", Some(&json!({ "defaultHold": hold })));
        let aud = format!("did%3Aweb%3Alocalhost%253A{}", pushes.registry.network.port);
        let spoken_for = format!("/xrpc/com.atproto.server.getServiceAuth?aud={aud}&lxm=com.atproto.repo.getRecord");
        pushes.says(&spoken_for, &json!({ "token": "t" }));
        pushes.says(DELETE_RECORD, &json!({}));
        pushes
    }

    pub(crate) fn says(&self, path: &str, answer: &Value) {
        self.registry.network.set(path, Reply::Body(answer.to_string()));
    }

    pub(super) fn fails(&self, path: &str, status: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        self.registry.network.set(path, Reply::Raw(text));
    }

    /// What alice's PDS has at a key.
    pub(super) fn has_record(&self, collection: &str, key: &str, value: Option<&Value>) {
        let alice = self.registry.alice.as_str().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.repo.getRecord?repo={alice}&collection={collection}&rkey={key}");
        let uri = format!("at://{}/{collection}/{key}", self.registry.alice);
        match value {
            Some(value) => self.says(&path, &json!({ "uri": uri, "cid": "c", "value": value })),
            None => self.fails(&path, "400 No", r#"{"error":"RecordNotFound","message":"no"}"#),
        }
    }

    fn tag(&self, digest: &Digest) -> Value {
        let manifest = format!("at://{}/io.atcr.manifest/{}", self.registry.alice, manifest_key(digest));
        json!({ "repository": "app", "tag": "v1", "manifest": manifest, "updatedAt": "2026-01-01T00:00:00Z" })
    }

    pub(crate) async fn call(&self, method: &str, target: &str, body: &str) -> Answer {
        let call = self.registry.call(method, target).bearer(&self.token).header("content-type", INDEX);
        call.body(body.to_owned()).send().await
    }

    /// A manifest that alice has not pushed, nor its tag `v1`; her PDS takes it.
    fn new_index(&self) -> (String, Digest) {
        self.new_index_named("first")
    }

    fn new_index_named(&self, name: &str) -> (String, Digest) {
        self.new_index_with("annotations", &json!({ "name": name }))
    }

    pub(crate) fn new_index_with(&self, field: &str, value: &Value) -> (String, Digest) {
        let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [], field: value }).to_string();
        let digest = digest(&manifest);
        self.has_record("io.atcr.manifest", manifest_key(&digest).as_str(), None);
        self.has_record("io.atcr.tag", "app_v1", None);
        let blob = json!({ "blob": { "$type": "blob", "ref": { "$link": cid::raw(&digest).to_string() } } });
        self.says("/xrpc/com.atproto.repo.uploadBlob", &blob);
        self.says(PUT_RECORD, &json!({ "uri": URI, "cid": "c" }));
        (manifest, digest)
    }

    /// How many manifests holds are still to be told of.
    fn untold(&self) -> u32 {
        self.count("SELECT count(*) FROM notice")
    }

    pub(crate) fn count(&self, sql: &str) -> u32 {
        let database = Connection::open(self.registry.database()).unwrap();
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(text.as_bytes()).into())
}

#[tokio::test]
async fn a_tag_that_is_pushed_anew_while_its_manifest_is_deleted_stays() {
    let pushes = Pushes::start().await;
    let (old, new) = (digest("old"), digest("new"));
    let record = json!({ "repository": "app", "digest": old, "mediaType": INDEX, "schemaVersion": 2 });
    pushes.has_record("io.atcr.manifest", manifest_key(&old).as_str(), Some(&record));
    // The list is older than the record: in between somebody pushed.
    let alice = pushes.registry.alice.as_str().replace(':', "%3A");
    let listed = format!("/xrpc/com.atproto.repo.listRecords?repo={alice}&collection=io.atcr.tag&limit=100");
    let uri = format!("at://{}/io.atcr.tag/app_v1", pushes.registry.alice);
    pushes.says(&listed, &json!({ "records": [{ "uri": uri, "cid": "c", "value": pushes.tag(&old) }] }));
    pushes.has_record("io.atcr.tag", "app_v1", Some(&pushes.tag(&new)));
    let target = format!("/v2/alice.test/app/manifests/{old}");
    assert_eq!(pushes.call("DELETE", &target, "").await.status, 202);
    let network = &pushes.registry.network;
    let deleted: Value = serde_json::from_slice(&network.last_body(DELETE_RECORD)).unwrap();
    assert_eq!((network.requests_of(DELETE_RECORD), &deleted["collection"]), (1, &json!("io.atcr.manifest")));
    // One that leads there still goes with it.
    pushes.has_record("io.atcr.tag", "app_v1", Some(&pushes.tag(&old)));
    assert_eq!(pushes.call("DELETE", &target, "").await.status, 202);
    assert_eq!(network.requests_of(DELETE_RECORD), 3);
}

#[tokio::test]
async fn an_image_with_more_layers_than_holds_take_is_refused_before_anybody_is_asked() {
    let pushes = Pushes::start().await;
    let blob = |more: &Value| {
        let mut blob = json!({ "mediaType": "application/x", "digest": digest("blob"), "size": 4 });
        blob.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        blob
    };
    let push = async |layers: Vec<Value>| {
        let image = json!({ "schemaVersion": 2, "config": blob(&json!({})), "layers": layers });
        let call = pushes.registry.call("PUT", "/v2/alice.test/app/manifests/v1").bearer(&pushes.token);
        let typed = call.header("content-type", "application/vnd.oci.image.manifest.v1+json");
        typed.body(image.to_string()).send().await
    };
    let before = pushes.registry.network.requests();
    let message = refused(&push(vec![blob(&json!({})); 2_001]).await, 400, "MANIFEST_INVALID");
    assert!(message.contains("more than 2000 layers"), "{message}");
    assert_eq!(pushes.registry.network.requests(), before);
    // Those of other servers are no layers of the hold.
    let elsewhere = blob(&json!({ "urls": ["https://layers.example/x"] }));
    refused(&push([vec![blob(&json!({})); 2_000], vec![elsewhere]].concat()).await, 400, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn of_a_push_whose_bytes_the_pds_does_not_take_no_hold_is_told() {
    const UPLOAD_BLOB: &str = "/xrpc/com.atproto.repo.uploadBlob";
    let pushes = Pushes::start().await;
    let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }).to_string();
    let digest = digest(&manifest);
    pushes.has_record("io.atcr.manifest", manifest_key(&digest).as_str(), None);
    pushes.has_record("io.atcr.tag", "app_v1", None);
    pushes.says(PUT_RECORD, &json!({ "uri": URI, "cid": "c" }));
    pushes.fails(UPLOAD_BLOB, "500 No", "{}");
    let push = || pushes.call("PUT", "/v2/alice.test/app/manifests/v1", &manifest);
    refused(&push().await, 503, "UNAVAILABLE");
    assert_eq!(pushes.untold(), 0);
    // What it takes is told of, at once or later.
    let blob = json!({ "blob": { "$type": "blob", "ref": { "$link": cid::raw(&digest).to_string() } } });
    pushes.says(UPLOAD_BLOB, &blob);
    assert_eq!(push().await.status, 201);
    assert_eq!(pushes.untold(), 1, "the hold does not answer");
}

#[tokio::test]
async fn of_a_push_whose_records_the_pds_refuses_no_hold_is_told() {
    let pushes = Pushes::start().await;
    let (manifest, _) = pushes.new_index();
    let push = || pushes.call("PUT", "/v2/alice.test/app/manifests/v1", &manifest);
    pushes.fails(PUT_RECORD, "400 No", r#"{"error":"InvalidRecord","message":"no"}"#);
    refused(&push().await, 403, "DENIED");
    assert_eq!(pushes.untold(), 0);
    // Whether it has written the record is not known, so the hold must be told.
    pushes.fails(PUT_RECORD, "500 Oh", "{}");
    refused(&push().await, 503, "UNAVAILABLE");
    assert_eq!(pushes.untold(), 1);
}

#[tokio::test]
async fn a_push_whose_tag_cannot_be_written_leaves_no_manifest_and_no_notice() {
    let pushes = Pushes::start().await;
    let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }).to_string();
    let digest = digest(&manifest);
    pushes.has_record("io.atcr.manifest", manifest_key(&digest).as_str(), None);
    // The same record key.
    let other = json!({ "repository": "a", "tag": "b_v1", "manifest": pushes.tag(&digest)["manifest"] });
    pushes.has_record("io.atcr.tag", "a_b_v1", Some(&other));
    let blob = json!({ "blob": { "$type": "blob", "ref": { "$link": cid::raw(&digest).to_string() } } });
    pushes.says("/xrpc/com.atproto.repo.uploadBlob", &blob);
    pushes.says(PUT_RECORD, &json!({ "uri": URI, "cid": "c" }));
    let token = pushes.registry.token("alice.test:right", "&scope=repository:alice.test/a_b:pull,push").await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let push = || {
        let call = pushes.registry.call("PUT", "/v2/alice.test/a_b/manifests/v1").bearer(&token);
        call.header("content-type", INDEX).body(manifest.clone()).send()
    };
    refused(&push().await, 403, "DENIED");
    let network = &pushes.registry.network;
    let deleted: Value = serde_json::from_slice(&network.last_body(DELETE_RECORD)).unwrap();
    assert_eq!((network.requests_of(DELETE_RECORD), &deleted["collection"]), (1, &json!("io.atcr.manifest")));
    assert_eq!(pushes.untold(), 0);
    // A manifest that stays is one that the hold must be told of.
    pushes.fails(DELETE_RECORD, "500 Oh", "{}");
    refused(&push().await, 403, "DENIED");
    assert_eq!(pushes.untold(), 1);
}

#[tokio::test]
async fn a_hold_that_put_somebody_out_of_its_crew_is_asked_again() {
    let pushes = Pushes::start().await;
    let network = &pushes.registry.network;
    pushes.says(REQUEST_CREW, &json!({ "status": "created", "message": "welcome", "uri": URI, "cid": "c" }));
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    let uploads = format!("{BLOBS}uploads/");
    for _ in 0..2 {
        assert_eq!(pushes.call("POST", &uploads, "").await.status, 202);
    }
    assert_eq!(network.requests_of(REQUEST_CREW), 1, "who is of its crew need not ask");
    pushes.fails(INITIATE, "403 No", r#"{"error":"AuthorizationRequired","message":"you are out"}"#);
    let message = refused(&pushes.call("POST", &uploads, "").await, 403, "DENIED");
    assert!(message.contains("you are out"), "{message}");
    pushes.says(INITIATE, &json!({ "uploadId": "u2" }));
    assert_eq!(pushes.call("POST", &uploads, "").await.status, 202);
    assert_eq!(network.requests_of(REQUEST_CREW), 2);
}

#[tokio::test]
async fn who_looks_for_a_blob_before_a_push_asks_a_private_hold_to_be_of_its_crew() {
    let pushes = Pushes::start().await;
    let (network, digest) = (&pushes.registry.network, digest("blob"));
    let aud = format!("did%3Aweb%3Alocalhost%253A{}", network.port);
    let at_hold = format!("/xrpc/com.atproto.sync.getBlob?did={aud}&cid=sha256%3A{}&method=HEAD", digest.hex());
    pushes.fails(&at_hold, "403 No", r#"{"error":"AuthorizationRequired","message":"for crew"}"#);
    let target = format!("{BLOBS}{digest}");
    // It does not take her in, and is not asked again with each blob.
    pushes.fails(REQUEST_CREW, "403 No", r#"{"error":"RegistrationDisabled","message":"no"}"#);
    for _ in 0..3 {
        assert_eq!(pushes.call("HEAD", &target, "").await.status, 403);
    }
    assert_eq!((network.requests_of(REQUEST_CREW), network.requests_of(&at_hold)), (1, 3));
    // Another one does.
    let other = Pushes::start().await;
    let aud = format!("did%3Aweb%3Alocalhost%253A{}", other.registry.network.port);
    let at_hold = format!("/xrpc/com.atproto.sync.getBlob?did={aud}&cid=sha256%3A{}&method=HEAD", digest.hex());
    other.fails(&at_hold, "403 No", r#"{"error":"AuthorizationRequired","message":"for crew"}"#);
    other.says(REQUEST_CREW, &json!({ "status": "created", "message": "welcome", "uri": URI, "cid": "c" }));
    assert_eq!(other.call("HEAD", &target, "").await.status, 403);
    let network = &other.registry.network;
    assert_eq!((network.requests_of(REQUEST_CREW), network.requests_of(&at_hold)), (1, 2), "it looks once more");
}

#[tokio::test]
async fn who_is_refused_by_the_hold_is_told_so_also_when_the_push_cannot_be_undone() {
    let pushes = Pushes::start().await;
    let (manifest, _) = pushes.new_index();
    pushes.fails(NOTIFY, "403 No", r#"{"error":"QuotaExceeded","message":"no more than 5 GB"}"#);
    let push = || pushes.call("PUT", "/v2/alice.test/app/manifests/v1", &manifest);
    let deleted = || {
        let deleted: Value = serde_json::from_slice(&pushes.registry.network.last_body(DELETE_RECORD)).unwrap();
        (pushes.registry.network.requests_of(DELETE_RECORD), deleted["collection"].clone())
    };
    pushes.fails(DELETE_RECORD, "500 Oh", "{}");
    let message = refused(&push().await, 403, "DENIED");
    assert!(message.contains("no more than 5 GB"), "{message}");
    assert_eq!(deleted(), (3, json!("io.atcr.tag")), "it is tried again, and no tag is left alone");
    pushes.says(DELETE_RECORD, &json!({}));
    refused(&push().await, 403, "DENIED");
    assert_eq!(deleted(), (5, json!("io.atcr.manifest")));
}

#[tokio::test]
async fn what_was_deleted_and_nobody_said_so_is_forgotten_by_the_next_attempt() {
    let pushes = Pushes::start().await;
    let (manifest, digest) = pushes.new_index();
    let key = manifest_key(&digest);
    let target = format!("/v2/alice.test/app/manifests/{digest}");
    assert_eq!(pushes.call("PUT", &target, &manifest).await.status, 201);
    let indexed = || pushes.count("SELECT count(*) FROM index_manifest");
    assert_eq!((pushes.untold(), indexed()), (1, 1), "the hold does not answer");
    let record = json!({ "repository": "app", "digest": digest, "mediaType": INDEX, "schemaVersion": 2 });
    pushes.has_record("io.atcr.manifest", key.as_str(), Some(&record));
    pushes.fails(DELETE_RECORD, "500 Oh", "{}");
    refused(&pushes.call("DELETE", &target, "").await, 503, "UNAVAILABLE");
    assert_eq!((pushes.untold(), indexed()), (1, 1));
    pushes.has_record("io.atcr.manifest", key.as_str(), None);
    refused(&pushes.call("DELETE", &target, "").await, 404, "MANIFEST_UNKNOWN");
    assert_eq!((pushes.untold(), indexed()), (0, 0));
}

#[tokio::test]
async fn a_manifest_without_tags_is_forgotten_also_when_its_deletion_takes_long() {
    let pushes = Pushes::start().await;
    let (before, old) = pushes.new_index();
    let target = "/v2/alice.test/app/manifests/v1";
    assert_eq!(pushes.call("PUT", target, &before).await.status, 201);
    let (after, _) = pushes.new_index_named("second");
    let record = json!({ "repository": "app", "digest": old, "mediaType": INDEX, "schemaVersion": 2 });
    pushes.has_record("io.atcr.manifest", manifest_key(&old).as_str(), Some(&record));
    pushes.has_record("io.atcr.tag", "app_v1", Some(&pushes.tag(&old)));
    let hold = format!("did:web:localhost%3A{}", pushes.registry.network.port);
    let profile = json!({ "defaultHold": hold, "autoRemoveUntagged": true });
    pushes.has_record("io.atcr.sailor.profile", "self", Some(&profile));
    let network = &pushes.registry.network;
    network.set(DELETE_RECORD, Reply::Held("{}".into()));
    let slowly = async {
        while network.requests_of(DELETE_RECORD) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // More than the look at her records may take.
        pass(Duration::from_secs(15)).await;
        network.release();
    };
    let (pushed, ()) = tokio::join!(pushes.call("PUT", target, &after), slowly);
    assert_eq!(pushed.status, 201);
    let indexed = pushes.count("SELECT count(*) FROM index_manifest");
    assert_eq!((pushes.untold(), indexed), (1, 1), "of the new one alone");
}

#[tokio::test]
async fn what_a_hold_says_of_itself_is_passed_on() {
    let pushes = Pushes::start().await;
    let begin = async || pushes.call("POST", &format!("{BLOBS}uploads/"), "").await;
    // What stands before a hold that is down.
    for status in ["404 Not Found", "405 Method Not Allowed", "408 Request Timeout"] {
        pushes.fails(INITIATE, status, "<html>");
        refused(&begin().await, 503, "UNAVAILABLE");
    }
    pushes.fails(INITIATE, "507 Insufficient Storage", r#"{"error":"InsufficientStorage","message":"full"}"#);
    let message = refused(&begin().await, 507, "UNAVAILABLE");
    assert!(message.ends_with("has no space left") && message.contains("did:web:localhost"), "{message}");
    for (body, words) in [("", "refuses it: 403 Forbidden"), (r#"{"error":"Full"}"#, "refuses it: Full")] {
        pushes.fails(INITIATE, "403 Forbidden", body);
        let message = refused(&begin().await, 403, "DENIED");
        assert!(message.ends_with(words), "{message}");
    }
}

#[tokio::test]
async fn whose_hold_is_never_told_fills_no_disk() {
    let pushes = Pushes::start().await;
    let alice = pushes.registry.alice.as_str();
    let fill = |count: u32, bytes: u32| {
        let database = Connection::open(pushes.registry.database()).unwrap();
        let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2)
                   INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
                   SELECT ?1, 1, 'http://localhost:1', '\"' || hex(zeroblob(?3 / 2)) || '\"', 0, 4000000000000000, 1 FROM n";
        assert_eq!(database.execute(sql, (alice, count, bytes)).unwrap(), count as usize);
    };
    let (manifest, _) = pushes.new_index();
    let push = || pushes.call("PUT", "/v2/alice.test/app/manifests/v1", &manifest);
    pushes.fails("/xrpc/com.atproto.repo.uploadBlob", "400 No", r#"{"error":"InvalidRequest","message":"no"}"#);
    fill(999, 2);
    refused(&push().await, 403, "DENIED");
    fill(1, 2);
    let full = push().await;
    let message = refused(&full, 503, "UNAVAILABLE");
    assert!(message.contains("of 1000 images") && full.header("retry-after").is_some(), "{message}");
    Connection::open(pushes.registry.database()).unwrap().execute("DELETE FROM notice", []).unwrap();
    fill(8, 4 << 20);
    refused(&push().await, 503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_pds_that_does_not_take_a_manifest_is_waited_for_less_long_than_a_proxy_waits() {
    const UPLOAD: &str = "/xrpc/com.atproto.repo.uploadBlob";
    let pushes = Pushes::start().await;
    let (manifest, _) = pushes.new_index();
    pushes.registry.network.set(UPLOAD, Reply::Stall(String::new()));
    let late = async {
        while pushes.registry.network.requests_of(UPLOAD) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pass(Duration::from_secs(50)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    let pushed = tokio::select! {
        pushed = pushes.call("PUT", "/v2/alice.test/app/manifests/v1", &manifest) => pushed,
        () = late => panic!("there is no answer after 55 s"),
    };
    let message = refused(&pushed, 503, "UNAVAILABLE");
    assert!(message.contains("PDS does not answer"), "{message}");
}
