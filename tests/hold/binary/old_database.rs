//! A state that an older program left behind: this one opens it, keeps what is in it, and goes on with what was begun.
//!
//! `tests/hold/fixtures/9ac8281.tar.gz` was written by a build of that commit, which was then killed: database with its
//! log, keys, blobs, configuration, and in `facts.json` what it said of itself. To do the same with any other program, set
//! `ATCR_HOLD_OLD_BINARY` to it: then it also has to take the state back, or say what to do. `ATCR_HOLD_KEEP_STATE` names a
//! file that then becomes such a fixture.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Daemon, eventually};
use super::repository::{listed, verified};
use super::site::{BINARY, Site};
use crate::support::blob_hold::digest;
use crate::support::http::blocking::Client;

const OLD_BINARY: &str = "ATCR_HOLD_OLD_BINARY";
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hold/fixtures/9ac8281.tar.gz");
const NOTIFY: &str = "io.atcr.hold.notifyManifest";
const STATS: &str = "io.atcr.hold.stats/";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";
/// The blobs of the image that was pushed; the first is its config.
const IMAGE: [&str; 3] = ["{\"config\":1}", "layer one", "layer two"];
/// A member whom the captain added by a record.
const MEMBER: &str = "did:web:member.example.org";
/// Two parts that the older program took, and one that it did not live to see.
const PARTS: [&[u8]; 3] = [&[1; 300_000], &[2; 70_000], b"the last part"];

/// What the older program said of itself, and of the uploads that it left open.
struct Facts(Value);

impl Facts {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn etags(&self, name: &str) -> Vec<String> {
        self.0[name].as_array().unwrap().iter().map(|etag| etag.as_str().unwrap().to_owned()).collect()
    }
}

/// All options have the names that the older program printed; the site's variables are those of old, too.
fn configure(site: &mut Site) {
    std::fs::write(site.path("avatar.png"), PNG).unwrap();
    let avatar = site.path("avatar.png");
    let bob = &site.bob.did;
    let toml = format!(
        "mutable_crew = true\nallow_all_crew = false\nrelays = []\nlog_level = \"info\"\nbluesky_posts = false\nappviews = []\n\
         [server]\ntrusted_proxies = []\n[profile]\ndisplay_name = \"An old hold\"\navatar = \"{}\"\n\
         [storage.s3]\nregion = \"us-east-1\"\nprefix = \"\"\ndisable_presigned_urls = true\n\
         [gc]\nenabled = false\nschedule = \"03:30\"\ngrace_s = 86400\n\
         [limits]\nmax_part_bytes = 5368709120\nmax_blob_bytes = 107374182400\nuploads_per_account = 64\nuploads_total = 1024\n\
         stale_upload_s = 3000000000\nconnections = 1024\nrequests_per_address = 2000\nrequests_per_account = 500\n\
         drain_s = 30\n[tiers]\nsmall.quota = \"5GB\"\n\
         [crew.\"{bob}\"]\nrole = \"member\"\npermissions = [\"blob:read\", \"blob:write\"]\n",
        avatar.display(),
    );
    site.configure(&toml);
}

fn quota(client: &Client, account: &str) -> Value {
    client.get(&format!("/xrpc/io.atcr.hold.getQuota?userDid={account}")).json()
}

fn newest(client: &Client) -> Value {
    client.get("/xrpc/com.atproto.sync.getLatestCommit?did=did:web:localhost%253A8080").json()
}

fn notify(client: &Client, owner: &str, operation: &str) -> Value {
    let blob =
        |text: &&str| json!({ "digest": digest(text.as_bytes()), "size": text.len(), "mediaType": "text/plain" });
    let input = json!({
        "repository": "app", "userDid": owner, "operation": operation, "tag": "1.0",
        "manifestDigest": digest(b"the manifest"),
        "manifest": { "config": blob(&IMAGE[0]), "layers": IMAGE[1..].iter().map(blob).collect::<Vec<_>>() },
    });
    let answer = client.call(NOTIFY, &input);
    assert_eq!(answer.status, 200, "{}", answer.field("message"));
    answer.json()
}

/// Begins an upload and sends these parts.
fn begin(client: &Client, parts: &[&[u8]]) -> (String, Vec<String>) {
    let upload = client.initiate();
    let etags = parts.iter().zip(1..).map(|(part, number)| client.put_part(&upload, number, part).field("etag"));
    let etags = etags.collect();
    (upload, etags)
}

/// Lets a program do all that leaves something behind, end once in order, and be killed.
fn lived_in(site: &Site) -> Facts {
    let daemon = site.start();
    let alice = daemon.client(&site.alice);
    let record = json!({
        "$type": "io.atcr.hold.crew", "member": MEMBER, "role": "member", "permissions": ["blob:read"], "tier": "small",
        "addedAt": "2026-01-01T00:00:00.000Z",
    });
    let write = json!({ "repo": "did:web:localhost%3A8080", "collection": "io.atcr.hold.crew", "record": record });
    assert_eq!(alice.call("com.atproto.repo.createRecord", &write).status, 200);
    let added = site.run(&["crew", "add", "did:web:added.example.org", "--permission", "blob:read"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    IMAGE.iter().for_each(|text| alice.push(text.as_bytes()));
    assert_eq!(notify(&alice, site.alice.did.as_str(), "push")["layersCreated"], 2);
    assert_eq!(daemon.stop(), Some(0));

    let mut daemon = site.start();
    let (alice, bob) = (daemon.client(&site.alice), daemon.client(&site.bob));
    assert_eq!(notify(&bob, site.alice.did.as_str(), "pull")["statsUpdated"], true);
    assert_eq!(bob.pull(IMAGE[1].as_bytes()).as_deref(), Some(IMAGE[1].as_bytes()));
    let (all_sent, all_etags) = begin(&bob, &PARTS[..2]);
    let (half_sent, half_etags) = begin(&alice, &PARTS[..2]);
    verified(&alice);
    let facts = json!({
        "document": alice.get("/.well-known/did.json").json(), "newest": newest(&alice), "records": listed(&alice),
        "quota": quota(&alice, site.alice.did.as_str()),
        "all_sent": all_sent, "all_etags": all_etags, "half_sent": half_sent, "half_etags": half_etags,
    });
    daemon.kill();
    Facts(facts)
}

fn tar(directory: &Path, arguments: &[&str]) {
    let done = Command::new("tar").arg("-C").arg(directory).args(arguments).status().unwrap();
    assert!(done.success());
}

/// The variable of this test, where it is set.
#[expect(clippy::disallowed_methods, reason = "what the test is told")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// A site as the older program left it.
fn left_behind() -> (Site, Facts) {
    let mut site = Site::new();
    configure(&mut site);
    let Some(program) = variable(OLD_BINARY) else {
        tar(site.directory.path(), &["-xzf", FIXTURE]);
        let facts = std::fs::read(site.path("facts.json")).unwrap();
        return (site, Facts(serde_json::from_slice(&facts).unwrap()));
    };
    site.run_binary(program);
    let facts = lived_in(&site);
    if let Some(file) = variable("ATCR_HOLD_KEEP_STATE") {
        std::fs::write(site.path("facts.json"), facts.0.to_string()).unwrap();
        let names = ["hold.db", "hold.db-wal", "keys", "blobs", "facts.json"];
        tar(site.directory.path(), &[&["-czf", file.to_str().unwrap()], &names[..]].concat());
    }
    site.run_binary(BINARY);
    (site, facts)
}

/// Blobs and uploads: what is there is served, what was begun is finished.
fn uploads_go_on(daemon: &Daemon, site: &Site, facts: &Facts) {
    let (alice, bob) = (daemon.client(&site.alice), daemon.client(&site.bob));
    for text in IMAGE {
        assert_eq!(bob.pull(text.as_bytes()).as_deref(), Some(text.as_bytes()));
    }
    let two = PARTS[..2].concat();
    assert_eq!(bob.complete(facts.text("all_sent"), &two, &facts.etags("all_etags")).outcome(), (200, String::new()));
    assert_eq!(bob.pull(&two), Some(two));

    let mut etags = facts.etags("half_etags");
    let upload = facts.text("half_sent");
    etags.push(alice.put_part(upload, 3, PARTS[2]).field("etag"));
    let three = PARTS.concat();
    assert_eq!(alice.complete(upload, &three, &etags).outcome(), (200, String::new()));
    assert_eq!(alice.pull(&three), Some(three));
}

/// All that [`uploads_go_on`] has completed is served, beside the image.
fn uploads_are_there(daemon: &Daemon, site: &Site) {
    let alice = daemon.client(&site.alice);
    for content in IMAGE.map(|text| text.as_bytes().to_vec()).into_iter().chain([PARTS[..2].concat(), PARTS.concat()]) {
        assert_eq!(alice.pull(&content), Some(content));
    }
}

/// The version of the schema in the database of a hold that is stopped. Its log stays as it is.
fn schema(site: &Site) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(site.path("hold.db"), flags).unwrap();
    database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// The older program with what this one leaves: it serves that, unless the schema is another one.
fn goes_back(site: &mut Site, program: PathBuf, its_schema: i64) {
    site.run_binary(program);
    if schema(site) != its_schema {
        return site.refuses(78, &[], &["has schema", "start the newer atcr-hold again"]);
    }
    let daemon = site.start();
    uploads_are_there(&daemon, site);
    let alice = daemon.client(&site.alice);
    verified(&alice);
    assert_eq!(notify(&alice, site.alice.did.as_str(), "push")["success"], true);
    alice.push(b"a blob of the older program");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_an_older_program_left_behind_goes_on() {
    let (mut site, facts) = left_behind();
    let its_schema = schema(&site);
    let daemon = site.start();
    let alice = daemon.client(&site.alice);
    assert_eq!(alice.get("/.well-known/did.json").json(), facts.0["document"]);
    verified(&alice);
    let records = listed(&alice);
    for (path, record) in facts.0["records"].as_object().unwrap() {
        // The pull that waited to be counted may be in already.
        if !path.starts_with(STATS) {
            assert_eq!(json!(records.get(path)), *record, "{path} is there as it was");
        }
    }
    let pulls =
        || listed(&alice).into_iter().find(|(path, _)| path.starts_with(STATS)).unwrap().1.1["pullCount"].clone();
    eventually("the pull is counted", || pulls() == 1);
    assert!(records.iter().any(|(_, (_, value))| value["member"] == MEMBER), "the member is among them");
    assert!(newest(&alice)["rev"].as_str() >= facts.0["newest"]["rev"].as_str(), "no revision goes back");
    // The program of the fixture counted layers alone.
    let (used, mut expected) = (quota(&alice, site.alice.did.as_str()), facts.0["quota"].clone());
    expected["totalSize"] = (IMAGE.concat().len() + PARTS[..2].concat().len()).into();
    assert_eq!(used, expected);
    let avatar = records["app.bsky.actor.profile/self"].1["avatar"]["ref"]["$link"].as_str().unwrap_or_default();
    assert_eq!(
        alice.get(&format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost%253A8080&cid={avatar}")).body,
        PNG
    );
    uploads_go_on(&daemon, &site, &facts);
    assert_eq!(notify(&alice, site.alice.did.as_str(), "push")["success"], true);
    assert_eq!(daemon.stop(), Some(0));
    let is_whole = |site: &Site| {
        for command in [&["repo", "verify"][..], &["storage", "verify"], &["gc", "--dry-run"], &["check-config"]] {
            let ended = site.run(command);
            assert_eq!(ended.code, Some(0), "{command:?}: {}{}", ended.stdout, ended.stderr);
        }
    };
    is_whole(&site);
    let copy = site.path("copy.db");
    assert_eq!(site.run(&["backup", copy.to_str().unwrap()]).code, Some(0));
    std::fs::rename(copy, site.path("hold.db")).unwrap();
    uploads_are_there(&site.start(), &site);
    is_whole(&site);
    if let Some(program) = variable(OLD_BINARY) {
        goes_back(&mut site, program, its_schema);
        is_whole(&site);
    }
}
