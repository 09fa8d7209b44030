//! Pages about accounts whose PDS the test plays: what is proven and what is not, what is too large or too slow, and how often
//! a PDS is asked.

use std::collections::HashMap;
use std::time::Duration;

use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Change};
use atproto::repo::{car, cbor, cid};
use atproto::syntax::{Digest, Tid};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::person::{HOST, Person};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::{Reply, key};
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const PROOF: &str = "/xrpc/com.atproto.sync.getRecord?";
const LIST: &str = "/xrpc/com.atproto.repo.listRecords?";

fn digest() -> Digest {
    digest_of(MANIFEST)
}

fn digest_of(text: &str) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(text).into())
}

impl Registry {
    fn did(&self) -> String {
        self.alice.as_str().replace(':', "%3A")
    }

    async fn page(&self, path: &str) -> Answer {
        self.call("GET", path).header("host", HOST).header("accept", "text/html").send().await
    }

    fn record(&self) -> Value {
        json!({ "$type": "io.atcr.manifest", "repository": "app", "digest": digest(), "createdAt": "2026-01-01T00:00:00Z" })
    }

    /// Alice has an image `app:v1`, and her PDS answers `proof` for its record.
    fn has_image(&self, proof: Vec<u8>) {
        self.has_manifest(MANIFEST, &self.record());
        let path = format!("{PROOF}did={}&collection=io.atcr.manifest&rkey={}", self.did(), digest().hex());
        self.network.set(&path, Reply::Bytes(proof));
    }

    /// The tag `app:v1` leads to this manifest, and this is its record.
    fn has_manifest(&self, manifest: &str, record: &Value) {
        let (did, digest) = (self.did(), digest_of(manifest));
        let list = |collection: &str, rkey: &str, value: &Value| {
            let uri = format!("at://{}/{collection}/{rkey}", self.alice);
            let page = json!({ "records": [{ "uri": uri, "cid": "b", "value": value }] });
            let path = format!("{LIST}repo={did}&collection={collection}&limit=100");
            self.network.set(&path, Reply::Body(page.to_string()));
        };
        list("io.atcr.manifest", &digest.hex(), record);
        let uri = format!("at://{}/io.atcr.manifest/{}", self.alice, digest.hex());
        list("io.atcr.tag", "app_v1", &json!({ "repository": "app", "tag": "v1", "manifest": uri }));
        let blob = format!("/xrpc/com.atproto.sync.getBlob?did={did}&cid={}", cid::raw(&digest));
        self.network.set(&blob, Reply::Body(manifest.into()));
    }

    /// The record of the tag of that image, which leads to this manifest.
    fn tag_record(&self, tag: &str, hex: &str) -> Value {
        let uri = format!("at://{}/io.atcr.manifest/{hex}", self.alice);
        json!({ "$type": "io.atcr.tag", "repository": "app", "tag": tag, "manifest": uri })
    }

    /// Her PDS answers this proof for the record of the tag.
    fn proves_tag(&self, proof: Vec<u8>) {
        let path = format!("{PROOF}did={}&collection=io.atcr.tag&rkey=app_v1", self.did());
        self.network.set(&path, Reply::Bytes(proof));
    }

    /// The proof of the record of the manifest, signed with the key of this number.
    fn proof(&self, number: u8, record: &Value) -> Vec<u8> {
        self.proof_at(number, format!("io.atcr.manifest/{}", digest().hex()), record)
    }

    /// The proof of the record of a path.
    fn proof_at(&self, number: u8, path: String, record: &Value) -> Vec<u8> {
        let record = cbor::encode(&cbor::from_json(record).unwrap()).unwrap();
        let change = Change { key: path, value: Some(cid::dag_cbor(&record)) };
        let applied = mst::apply(&HashMap::new(), None, &[change]).unwrap();
        let commit = Commit::sign(&self.alice, applied.root, &Tid::from_micros(1, 2), &key(number)).unwrap();
        let mut file = car::header(&commit.cid).unwrap();
        let record = (cid::dag_cbor(&record), record);
        for (cid, bytes) in [(commit.cid, commit.bytes), record].iter().chain(&applied.new) {
            car::push_block(&mut file, cid, bytes);
        }
        file
    }
}

#[tokio::test]
async fn a_page_says_whether_the_record_is_its_owners() {
    for (case, said) in
        [("good", "<b>Proven.</b>"), ("key", "signature"), ("other", "another manifest"), ("none", "CAR")]
    {
        let registry = Registry::start(NONE).await;
        let mut other = registry.record();
        other["digest"] = format!("sha256:{}", "7".repeat(64)).into();
        registry.has_image(match case {
            "good" => registry.proof(1, &registry.record()),
            "key" => registry.proof(2, &registry.record()),
            "other" => registry.proof(1, &other),
            _ => b"no proof".to_vec(),
        });
        let page = registry.page("/alice.test/app:v1").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains(said), "{case}: {}", page.text());
        assert_eq!(page.text().contains("<b>Not proven.</b>"), case != "good", "{case}");
        assert!(registry.page("/alice.test/app:v1").await.status == 200);
        let proof = format!("{PROOF}did={}&collection=io.atcr.manifest&rkey={}", registry.did(), digest().hex());
        assert_eq!(registry.network.requests_of(&proof), 1, "{case}: it is asked for once for all");
    }
}

/// The repositories of the front page, as pushes left them.
fn pushed(database: &Connection) -> Vec<String> {
    let mut rows = database.prepare("SELECT name FROM pushed_repository ORDER BY name").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_repository_that_is_pushed_while_its_page_is_made_stays_on_the_front_page() {
    let registry = Registry::start(NONE).await;
    let list = |collection| format!("{LIST}repo={}&collection={collection}&limit=100", registry.did());
    let nothing = json!({ "records": [] }).to_string();
    registry.network.set(&list("io.atcr.tag"), Reply::Held(nothing.clone()));
    registry.network.set(&list("io.atcr.manifest"), Reply::Body(nothing));
    assert_eq!(registry.page("/").await.status, 200, "it has begun");
    let database = Connection::open(registry.database()).unwrap();
    let push = |name: &str, at: &str| {
        let sql = format!("INSERT INTO pushed_repository VALUES (?1, ?2, 'https://hold.example', {at})");
        database.execute(&sql, (registry.alice.as_str(), name)).unwrap();
    };
    push("gone", "1");
    let pushes = async {
        while registry.network.requests_of(&list("io.atcr.tag")) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        push("app", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)");
        registry.network.release();
    };
    let (page, ()) = tokio::join!(registry.page("/alice.test/app"), pushes);
    assert_eq!((page.status, pushed(&database)), (404, vec!["app".to_owned(), "gone".to_owned()]));
    assert_eq!(registry.page("/alice.test/gone").await.status, 404);
    assert_eq!(pushed(&database), ["app"], "what was deleted is forgotten");
}

#[tokio::test]
async fn what_a_hold_refused_later_is_shown_to_the_owner_alone() {
    let registry = Registry::start(NONE).await;
    registry.has_image(Vec::new());
    registry.has_oauth();
    let mut alice = Person::of(&registry);
    alice.sign_in().await;
    let database = Connection::open(registry.database()).unwrap();
    let sql = "INSERT INTO refused_notice (account, manifest, hold, repository, problem, refused_us)
               VALUES (?1, ?2, 'https://hold.example', 'app', 'the hold refuses it: <b>quota</b>.', 1)";
    database.execute(sql, (registry.alice.as_str(), digest().to_string())).unwrap();
    let path = format!("/alice.test/app@{}", digest());
    let words = "the hold refuses it: &#60;b&#62;quota&#60;/b&#62;";
    for path in [path.as_str(), "/alice.test/app:v1", "/settings"] {
        let page = alice.open(path).await;
        assert!(page.status == 200 && page.text().contains(words), "{path}: {}", page.text());
    }
    let link = format!("href=\"/{}/app@{}\"", registry.alice.as_str().replace(':', "-"), digest());
    assert!(alice.open("/settings").await.text().contains(&link));
    let others = registry.page(&path).await;
    assert!(others.status == 200 && !others.text().contains("quota"), "{}", others.text());
    database.execute("DELETE FROM refused_notice", ()).unwrap();
    assert!(!alice.open(&path).await.text().contains("did not take"));
    assert!(!alice.open("/settings").await.text().contains("did not take"));
}

#[tokio::test]
async fn an_image_whose_manifest_does_not_say_what_it_is_has_a_page() {
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    let blob = json!({ "mediaType": "application/x", "digest": digest(), "size": 5 });
    for (manifest, kind) in [
        (json!({ "schemaVersion": 2, "config": blob, "layers": [blob] }), IMAGE),
        (json!({ "schemaVersion": 2, "manifests": [] }), "application/vnd.oci.image.index.v1+json"),
    ] {
        let (registry, manifest) = (Registry::start(NONE).await, manifest.to_string());
        let record =
            json!({ "repository": "app", "digest": digest_of(&manifest), "createdAt": "2026-01-01T00:00:00Z" });
        registry.has_manifest(&manifest, &record);
        let page = registry.page("/alice.test/app:v1").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains(kind), "{}", page.text());
    }
}

impl Registry {
    /// Alice has an image `app:v1` whose hold, the network, has its config at `/blob`.
    fn has_config(&self) {
        let (config, port) = (digest_of("a config"), self.network.port);
        let config_media_type = "application/vnd.oci.image.config.v1+json";
        let blob = json!({ "mediaType": config_media_type, "digest": config, "size": 8 });
        let image = "application/vnd.oci.image.manifest.v1+json";
        let mut record = json!({ "schemaVersion": 2, "mediaType": image, "config": blob, "layers": [blob] });
        let manifest = record.to_string();
        for (name, value) in self.record().as_object().unwrap() {
            record[name] = value.clone();
        }
        record["digest"] = json!(digest_of(&manifest));
        record["holdDid"] = json!(format!("did:web:localhost%3A{port}"));
        self.has_manifest(&manifest, &record);
        let cid = config.to_string().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.sync.getBlob?did=did%3Aweb%3Alocalhost%253A{port}&cid={cid}&method=GET");
        let url = json!({ "url": format!("http://localhost:{port}/blob"), "method": "GET" });
        self.network.set(&path, Reply::Body(url.to_string()));
    }
}

#[tokio::test]
async fn a_hold_that_is_slow_with_a_config_is_called_so() {
    let registry = Registry::start(NONE).await;
    registry.has_config();
    registry.network.set("/blob", Reply::Held(String::new()));
    let page = registry.page("/alice.test/app:v1").await;
    registry.network.release();
    assert_eq!(registry.network.requests_of("/blob"), 1, "{}", page.text());
    assert!(page.text().contains("The hold of this image is too slow at present"), "{}", page.text());
}

#[tokio::test]
async fn who_is_signed_in_at_a_server_that_is_silent_sees_images_all_the_same() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    registry.has_config();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    // The session was proven long ago.
    Connection::open(registry.database()).unwrap().execute("UPDATE pds_session SET proven_us = 0", ()).unwrap();
    registry.network.set("/xrpc/com.atproto.server.getSession?", Reply::Stall(String::new()));
    let page = person.open("/alice.test/app:v1").await;
    assert_eq!(page.status, 200, "{}", page.text());
}

#[tokio::test]
async fn a_page_says_whether_its_tag_is_what_the_owner_signed() {
    let hex = digest().hex();
    let other = "7".repeat(64);
    for (case, number, tag, hex, said) in [
        ("good", 1, "v1", &hex, "<b>The tag is proven.</b>"),
        ("key", 2, "v1", &hex, "signature"),
        ("moved", 1, "v1", &other, "the signed record leads the tag to another manifest"),
        ("other", 1, "v2", &hex, "the signed record is of another tag"),
        ("none", 1, "", &hex, "the signed repository has no record of this tag"),
        ("no proof", 0, "", &hex, "CAR"),
    ] {
        let registry = Registry::start(NONE).await;
        registry.has_image(registry.proof(1, &registry.record()));
        let record = if tag.is_empty() { json!({ "$type": "io.atcr.tag" }) } else { registry.tag_record(tag, hex) };
        registry.proves_tag(match number {
            0 => b"no proof".to_vec(),
            number => registry.proof_at(number, "io.atcr.tag/app_v1".into(), &record),
        });
        let page = registry.page("/alice.test/app:v1").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains("<b>Proven.</b>"), "{case}: the manifest's own record is: {}", page.text());
        assert!(page.text().contains(said), "{case}: {}", page.text());
        assert_eq!(page.text().contains("<b>The tag is not proven.</b>"), case != "good", "{case}");
        let by_digest = registry.page(&format!("/alice.test/app@{}", digest())).await;
        assert!(!by_digest.text().contains("The tag is"), "{case}: who asks by digest needs no tag");
        for _ in 0..3 {
            registry.page("/alice.test/app:v1").await;
        }
        let proof = format!("{PROOF}did={}&collection=io.atcr.tag&rkey=app_v1", registry.did());
        assert_eq!(registry.network.requests_of(&proof), 1, "{case}: it is asked for once for all");
    }
}

#[tokio::test]
async fn other_bytes_under_a_digest_are_not_shown() {
    let registry = Registry::start(NONE).await;
    registry.has_image(registry.proof(1, &registry.record()));
    let blob = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={}", registry.did(), cid::raw(&digest()));
    registry.network.set(&blob, Reply::Body(MANIFEST.replace("[]", "[ ]")));
    let page = registry.page("/alice.test/app:v1").await;
    assert_eq!(page.status, 502);
    assert!(page.text().contains("other bytes under this digest"), "{}", page.text());
}

#[tokio::test]
async fn a_profile_of_ten_megabytes_is_left_out() {
    let registry = Registry::start(NONE).await;
    registry.has_image(Vec::new());
    let profile =
        format!("/xrpc/com.atproto.repo.getRecord?repo={}&collection=app.bsky.actor.profile&rkey=self", registry.did());
    let uri = format!("at://{}/app.bsky.actor.profile/self", registry.alice);
    let value = json!({ "uri": uri, "value": { "displayName": "x".repeat(10_000_000) } });
    registry.network.set(&profile, Reply::Body(value.to_string()));
    for _ in 0..3 {
        let page = registry.page("/alice.test").await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("href=\"/alice.test/app\"") && page.text().len() < 30_000);
    }
    assert_eq!(registry.network.requests_of(&profile), 1, "and is not read again at once");
}

#[tokio::test]
async fn a_slow_pds_is_said_and_asked_once_for_all_who_look() {
    let registry = Registry::start(NONE).await;
    let list = format!("{LIST}repo={}&collection=io.atcr.tag&limit=100", registry.did());
    registry.network.set(&list, Reply::Stall("HTTP/1.1 200 OK\r\n".into()));
    let pages = futures_util::future::join_all((0..8).map(|_| registry.page("/alice.test/app"))).await;
    // A page that is late as a whole says nothing of tags.
    for page in pages {
        assert_eq!((page.status, page.header("retry-after")), (503, Some("5")));
        assert!(page.text().contains("The tags cannot be shown now"), "{}", page.text());
        for said in ["0 tags", "no tags", "docker pull"] {
            assert!(!page.text().contains(said), "nobody knows: {}", page.text());
        }
    }
    assert_eq!(registry.network.requests_of(&list), 1);
    assert_eq!(registry.page("/alice.test").await.status, 503);
    assert_eq!(registry.page("/alice.test/app:v1").await.status, 503);
    assert_eq!(registry.network.requests_of(&list), 1, "what failed is remembered");
}

#[tokio::test]
async fn who_asks_for_thousands_of_images_that_are_not_there_asks_no_pds() {
    let registry = Registry::start(NONE).await;
    registry.has_image(Vec::new());
    assert_eq!(registry.page("/alice.test/app").await.status, 200);
    let before = registry.network.requests();
    for number in 0..200 {
        let hex = format!("{number:064x}");
        assert_eq!(registry.page(&format!("/alice.test/app@sha256:{hex}")).await.status, 404);
        assert_eq!(registry.page(&format!("/alice.test/app:{number}")).await.status, 404);
    }
    assert!(registry.network.requests() - before < 10, "{}", registry.network.requests() - before);
}

#[tokio::test]
async fn public_pages_are_framed_by_nobody_and_set_no_cookie() {
    let registry = Registry::start(NONE).await;
    registry.has_image(Vec::new());
    for path in ["/", "/alice.test", "/alice.test/app", "/alice.test/app:v1", "/nothing"] {
        let page = registry.page(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{path}: {policy}");
        assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!((page.header("x-frame-options"), page.header("set-cookie")), (Some("DENY"), None), "{path}");
    }
    for (method, path) in [("POST", "/"), ("PUT", "/alice.test/app"), ("DELETE", "/alice.test/app:v1")] {
        assert_eq!(registry.call(method, path).header("host", HOST).send().await.status, 405, "{path}");
    }
    assert_eq!(registry.call("GET", "/v2/").send().await.status, 401);
    assert_eq!(registry.call("GET", "/xrpc/a.b.c").header("accept", "text/html").send().await.text()[..1], *"{");
}

#[tokio::test]
async fn behind_the_last_page_of_tags_is_the_last_page() {
    let registry = Registry::start(NONE).await;
    registry.has_image(Vec::new());
    for page in ["0", "1", "2", "7", "99999999999999999999", "x", "-1"] {
        let text = registry.page(&format!("/alice.test/app?page={page}")).await.text().to_owned();
        assert!(text.contains("href=\"/alice.test/app:v1\"") && !text.contains("no tags here"), "{page}: {text}");
    }
}

#[tokio::test]
async fn without_pages_there_are_none() {
    let registry = Registry::start([("ATCR_UI_ENABLED", "false")]).await;
    for path in ["/", "/alice.test", "/alice.test/app"] {
        assert_eq!(registry.page(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_picture_is_not_said_to_be_missing_while_its_server_is_away() {
    let registry = Registry::start(NONE).await;
    let link = cid::raw_of(b"a").to_string();
    let avatar = json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": "image/png", "size": 1 });
    let uri = format!("at://{}/app.bsky.actor.profile/self", registry.alice);
    let profile =
        format!("/xrpc/com.atproto.repo.getRecord?repo={}&collection=app.bsky.actor.profile&rkey=self", registry.did());
    registry.says(&profile, &json!({ "uri": uri, "cid": "b", "value": { "avatar": avatar } }));
    let blob = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={link}", registry.did());
    registry.network.set(&blob, Reply::Raw("HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()));
    let answer = registry.page("/picture/alice.test").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(!answer.header("cache-control").is_some_and(|value| value.contains("max-age")), "nobody may keep it");
}
