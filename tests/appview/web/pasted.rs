//! Commands of pages do what they say when they are pasted.

use atproto::repo::cid;
use atproto::syntax::Digest;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::person::{HOST, Person, TOKEN};
use crate::oci::registry::Registry;
use crate::support::did_server::{Reply, plc};

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];

impl Registry {
    /// Alice has one repository `app`, whose one manifest is this, with these tags.
    pub(super) fn has_artifact(&self, manifest: &Value, tags: &[&str]) {
        let (manifest, did) = (manifest.to_string(), self.alice.as_str().replace(':', "%3A"));
        let digest = Digest::from_bytes(sha2::Sha256::digest(&manifest).into());
        let mut record: Value = serde_json::from_str(&manifest).unwrap();
        (record["repository"], record["digest"]) = ("app".into(), json!(digest));
        let list = |collection: &str, records: Vec<(String, Value)>| {
            let path = format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection={collection}&limit=100");
            let of = |(key, value)| json!({ "uri": format!("at://{}/{collection}/{key}", self.alice), "cid": "b", "value": value });
            self.says(&path, &json!({ "records": records.into_iter().map(of).collect::<Vec<_>>() }));
        };
        list("io.atcr.manifest", vec![(digest.hex(), record)]);
        let to = format!("at://{}/io.atcr.manifest/{}", self.alice, digest.hex());
        let tags = tags.iter();
        let tags = tags.map(|tag| (format!("app_{tag}"), json!({ "repository": "app", "tag": tag, "manifest": to })));
        list("io.atcr.tag", tags.collect());
        let blob = format!("/xrpc/com.atproto.sync.getBlob?did={did}&cid={}", cid::raw(&digest));
        self.network.set(&blob, Reply::Body(manifest));
    }
}

fn manifest(config: &str, layer: &str) -> Value {
    let blob = |kind: &str| json!({ "mediaType": kind, "digest": format!("sha256:{}", "7".repeat(64)), "size": 2 });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    json!({ "schemaVersion": 2, "mediaType": kind, "config": blob(config), "layers": [blob(layer)] })
}

#[tokio::test]
async fn what_is_no_image_is_pulled_by_what_pulls_it() {
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    let cases = [
        (
            manifest("application/vnd.oci.image.config.v1+json", LAYER),
            "v1",
            "docker pull localhost:5000/alice.test/app:v1",
        ),
        (
            manifest("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
            "1.2.3",
            "helm pull oci://localhost:5000/alice.test/app --version 1.2.3",
        ),
        (manifest("application/vnd.oci.empty.v1+json", LAYER), "v1", "oras pull localhost:5000/alice.test/app:v1"),
    ];
    for (manifest, tag, command) in cases {
        let registry = Registry::start(NONE).await;
        registry.has_artifact(&manifest, &[tag]);
        for path in ["/alice.test/app".to_owned(), format!("/alice.test/app:{tag}")] {
            let page = registry.call("GET", &path).header("host", HOST).send().await;
            assert!(page.text().contains(&format!("<code id=\"pull\">{command}</code>")), "{path}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn a_repository_without_a_tag_has_no_command_that_pulls_one() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    registry.has_artifact(&manifest("application/vnd.oci.image.config.v1+json", "x"), &[]);
    let page = registry.call("GET", "/alice.test/app").header("host", HOST).send().await;
    assert!(page.text().contains("There are no tags here") && !page.text().contains("docker p"), "{}", page.text());
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let page = person.open("/alice.test/app").await;
    assert!(page.text().contains("docker push localhost:5000/alice.test/app:latest"), "its owner can push one");
}

#[tokio::test]
async fn who_has_no_handle_pushes_by_a_name_that_clients_take() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    registry.says("/xrpc/com.atproto.identity.resolveHandle?handle=alice.test", &json!({ "did": plc(2) }));
    let mut person = Person::of(&registry);
    assert_eq!(person.begin_as(registry.alice.as_str()).await.status, 303);
    registry.says(TOKEN, &registry.tokens());
    assert_eq!(person.come_back(&[]).await.status, 303);
    let page = person.open("/").await;
    let hyphens = registry.alice.as_str().replace(':', "-");
    assert!(page.text().contains(&format!("docker push localhost:5000/<var>{hyphens}</var>/app")), "{}", page.text());
}

#[tokio::test]
async fn who_has_no_images_yet_is_told_how_to_push_one() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    for collection in ["io.atcr.manifest", "io.atcr.tag"] {
        let did = registry.alice.as_str().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection={collection}&limit=100");
        registry.says(&path, &json!({ "records": [] }));
    }
    let mut person = Person::of(&registry);
    let command = "docker push localhost:5000/alice.test/app";
    assert!(!person.open("/alice.test").await.text().contains(command), "others cannot");
    person.sign_in().await;
    assert!(person.open("/alice.test").await.text().contains(command));
    let devices = person.open("/auth/device").await;
    assert!(devices.text().contains("docker-credential-atcr login localhost:5000"), "{}", devices.text());
}

#[tokio::test]
async fn an_image_with_hundreds_of_tags_shows_some_and_where_the_others_are() {
    let registry = Registry::start(NONE).await;
    let image = manifest("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar");
    let all: Vec<_> = (0..321).map(|number| format!("v{number}")).collect();
    registry.has_artifact(&image, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let page = registry.call("GET", "/alice.test/app:v7").header("host", HOST).send().await;
    assert_eq!(page.text().matches("href=\"/alice.test/app:v").count(), 20, "{}", page.text());
    assert!(page.text().contains(", and <a href=\"/alice.test/app\">301 others</a>"), "{}", page.text());
}
