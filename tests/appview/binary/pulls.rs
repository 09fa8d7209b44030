//! What a hold is told of pulls, by the real program: once for what a person calls a pull, and whatever the hold does, who
//! pulls notices nothing.

use std::io::{Read as _, Write as _};

use atcr_appview::repos::manifest_key;
use atproto::lexicon::TagRecord;
use atproto::repo::cid;
use atproto::syntax::{Digest, ImageName, Tag};
use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::metrics::scrape;
use super::site::Site;
use crate::support::did_server::Reply;
use crate::support::http::blocking::{Client, Place};
use crate::support::process::{Daemon, eventually};

const NOTICES: &str = "/xrpc/io.atcr.hold.notifyManifest";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that runs, and images of alice in repositories of any name.
struct Harbour {
    daemon: Daemon,
    scraper: Client,
    site: Site,
}

impl Harbour {
    fn start() -> Self {
        let mut site = Site::new();
        site.set("ATCR_METRICS_ADDR", "127.0.0.1:0");
        site.hold_takes_uploads();
        let daemon = site.start();
        let line = daemon.wait_for_line(": ready url=");
        let address = line.split("metrics=\"").nth(1).unwrap().split('"').next().unwrap();
        let scraper = Client { place: Place::Tcp(address.parse().unwrap()), token: None };
        Self { daemon, scraper, site }
    }

    /// The hold takes what it is told.
    fn hold_counts(&self) {
        let taken = json!({ "success": true, "operation": "pull", "statsUpdated": true });
        self.site.network.set(NOTICES, Reply::Body(taken.to_string()));
    }

    fn record(&self, collection: &str, key: &str, value: &Value) {
        let alice = self.site.alice.as_str().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.repo.getRecord?repo={alice}&collection={collection}&rkey={key}");
        let uri = format!("at://{}/{collection}/{key}", self.site.alice);
        self.site.network.set(&path, Reply::Body(json!({ "uri": uri, "value": value }).to_string()));
    }

    /// Alice has this manifest, and its blobs are at the hold.
    fn has(&self, manifest: &Value) -> Digest {
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::from_bytes(sha2::Sha256::digest(&bytes).into());
        let hold = format!("did:web:localhost%3A{}", self.site.network.port);
        // A record says what its manifest does, and where that is.
        let mut record = manifest.clone();
        record["repository"] = json!("app");
        record["digest"] = json!(digest);
        record["holdDid"] = json!(hold);
        record["createdAt"] = json!("2026-01-01T00:00:00Z");
        self.record("io.atcr.manifest", manifest_key(&digest).as_str(), &record);
        let alice = self.site.alice.as_str().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.sync.getBlob?did={alice}&cid={}", cid::raw(&digest));
        self.site.network.set(&path, Reply::Bytes(bytes));
        digest
    }

    /// An image, and an index that names it.
    fn has_index(&self) -> (Digest, Digest) {
        let blob = json!({ "mediaType": "m", "digest": format!("sha256:{}", "7".repeat(64)), "size": 1 });
        let image = self.has(&json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": blob, "layers": [] }));
        let child = json!({ "mediaType": IMAGE, "digest": image, "size": 1 });
        let index = self.has(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [child] }));
        (image, index)
    }

    fn tags(&self, repository: &str, tag: &str, digest: &Digest) {
        let key = TagRecord::key_of(&ImageName::parse(repository).unwrap(), &Tag::parse(tag).unwrap());
        let manifest = format!("at://{}/io.atcr.manifest/{}", self.site.alice, manifest_key(digest));
        let record = json!({ "repository": repository, "tag": tag, "manifest": manifest, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z" });
        self.record("io.atcr.tag", key.as_str(), &record);
    }

    /// Whoever has a token for these actions: alice, or nobody.
    fn client(&self, is_alice: bool, repository: &str, actions: &str) -> Client {
        let owner = self.site.alice.as_str().replace(':', "-");
        let credentials = BASE64.encode(format!("{owner}:app-password").as_bytes());
        let header = format!("Authorization: Basic {credentials}\r\n");
        let target = format!("/auth/token?service=localhost:5000&scope=repository:{owner}/{repository}:{actions}");
        let header = if is_alice { header.as_str() } else { "" };
        let answer = self.daemon.anonymous().try_send("GET", &target, header, &[]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Client { token: Some(answer.field("token")), ..self.daemon.anonymous() }
    }

    fn target(&self, repository: &str, reference: &str) -> String {
        format!("/v2/{}/{repository}/manifests/{reference}", self.site.alice.as_str().replace(':', "-"))
    }

    /// Reads a manifest.
    #[track_caller]
    fn reads(&self, client: &Client, repository: &str, reference: &str) {
        let answer = client.get(&self.target(repository, reference));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Asks whether there is a manifest; there is.
    #[track_caller]
    fn looks(&self, client: &Client, repository: &str, reference: &str) {
        let (target, token) = (self.target(repository, reference), client.token.as_ref().unwrap());
        let head =
            format!("HEAD {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        let (mut stream, mut answer) = (client.connect().unwrap(), String::new());
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// Alice pulls by a tag.
    #[track_caller]
    fn pulls(&self, repository: &str, tag: &str) {
        self.reads(&self.client(true, repository, "pull"), repository, tag);
    }

    fn asked(&self, path: &str) -> (usize, Vec<u8>) {
        self.site.network.shared.asked.lock().unwrap().get(path).cloned().unwrap_or_default()
    }

    /// What the hold was told last.
    fn told(&self) -> Value {
        serde_json::from_slice(&self.asked(NOTICES).1).unwrap()
    }

    /// How many pulls ended so until now.
    fn count(&self, result: &str) -> u64 {
        let name = format!("atcr_appview_pull_notices_total{{result=\"{result}\"}} ");
        let page = scrape(&self.scraper);
        page.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until so many pulls ended so.
    fn wait_for(&self, result: &str, count: u64) {
        eventually(&format!("{count} pulls are {result}"), || self.count(result) >= count);
        assert_eq!(self.count(result), count, "{result}");
    }
}

#[test]
fn a_pull_of_any_client_is_told_once_and_nothing_else_is() {
    let harbour = Harbour::start();
    harbour.hold_counts();
    let (image, index) = harbour.has_index();
    for repository in ["app", "other", "third", "last"] {
        harbour.tags(repository, "v1", &index);
    }

    // By tag, and the machine's own image of it by digest; and again, and again.
    let client = harbour.client(true, "app", "pull");
    for _ in 0..3 {
        harbour.looks(&client, "app", "v1");
        harbour.reads(&client, "app", "v1");
        harbour.reads(&client, "app", &image.to_string());
    }
    harbour.wait_for("delivered", 1);
    let told = harbour.told();
    assert_eq!(
        (&told["operation"], &told["repository"], &told["userDid"], &told["tag"], &told["manifestDigest"]),
        (&json!("pull"), &json!("app"), &json!(harbour.site.alice), &json!("v1"), &json!(index))
    );

    // As docker and containerd do: what the tag leads to, then all by digest.
    let client = harbour.client(true, "other", "pull");
    harbour.looks(&client, "other", "v1");
    harbour.reads(&client, "other", &index.to_string());
    harbour.reads(&client, "other", &image.to_string());
    harbour.wait_for("delivered", 2);
    assert_eq!(harbour.told()["repository"], "other");

    // Who asks without pulling, who pushes, who is nobody, and who has only what an index of theirs named.
    harbour.looks(&harbour.client(true, "third", "pull"), "third", "v1");
    harbour.reads(&harbour.client(true, "third", "pull,push"), "third", "v1");
    harbour.reads(&harbour.client(false, "third", "pull"), "third", "v1");
    harbour.reads(&harbour.client(true, "third", "pull"), "third", &image.to_string());
    harbour.pulls("last", "v1");
    harbour.wait_for("delivered", 3);
    assert_eq!((harbour.asked(NOTICES).0, &harbour.told()["repository"]), (3, &json!("last")));
    let asked = harbour.site.network.shared.asked.lock().unwrap();
    let tokens: usize =
        asked.iter().filter(|(path, _)| path.contains("getServiceAuth")).map(|(_, (count, _))| count).sum();
    assert_eq!(tokens, 1);
}

#[test]
fn signatures_and_other_attachments_are_no_pulls() {
    let harbour = Harbour::start();
    harbour.hold_counts();
    let (_, index) = harbour.has_index();
    let blob = json!({ "mediaType": "m", "digest": format!("sha256:{}", "7".repeat(64)), "size": 1 });
    let subject = json!({ "mediaType": INDEX, "digest": index, "size": 1 });
    let attached = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": blob, "layers": [], "subject": subject });
    let attached = harbour.has(&attached);
    let signature = format!("{}.sig", index.to_string().replace(':', "-"));
    harbour.tags("app", &signature, &index);
    harbour.tags("last", "v1", &index);
    harbour.pulls("app", &signature);
    harbour.reads(&harbour.client(true, "app", "pull"), "app", &attached.to_string());
    harbour.pulls("last", "v1");
    harbour.wait_for("delivered", 1);
    assert_eq!((harbour.asked(NOTICES).0, &harbour.told()["repository"]), (1, &json!("last")));
}

#[test]
fn a_hold_that_hangs_or_refuses_delays_no_pull_and_what_finds_no_room_is_dropped() {
    let harbour = Harbour::start();
    let (_, index) = harbour.has_index();
    let refusal = "HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    harbour.site.network.set(NOTICES, Reply::Raw(refusal.into()));
    harbour.tags("refused", "v1", &index);
    harbour.pulls("refused", "v1");
    harbour.wait_for("refused", 1);

    harbour.site.network.set(NOTICES, Reply::Stall(String::new()));
    // One is told, 32 wait.
    let pulls: Vec<_> = (0..40).map(|number| format!("app{number}")).collect();
    for repository in &pulls {
        harbour.tags(repository, "v1", &index);
        harbour.pulls(repository, "v1");
    }
    // One that ends on a slow machine before all were made gives its place to another one. If pulls waited for the hold,
    // none would be dropped.
    eventually("what finds no room is dropped", || harbour.count("failed") + harbour.count("dropped") >= 7);
    let dropped = harbour.count("dropped");
    assert!((1..=7).contains(&dropped), "{dropped} are dropped");
    harbour.daemon.wait_for_line("pulls are not counted");
    let log = harbour.daemon.log();
    assert_eq!(log.matches("pulls are not counted").count(), 1, "once a minute at most: {log}");
    eventually("the hold does not answer", || harbour.count("failed") > 0);
    let told = harbour.asked(NOTICES).0 as u64;
    // The one that was refused, those that failed, and one that is under way.
    assert!(told <= 2 + harbour.count("failed"), "nothing is tried again, and one is told at a time: {told}");
    assert_eq!(harbour.daemon.stop(), Some(0), "what waits keeps no process");
}
