//! Each command prints the same whether the hold runs or not.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Site, started_once};
use crate::binary::process::Daemon;
use crate::support::http::blocking::Client;

/// What `script` prints with a daemon, and without one.
#[track_caller]
fn same_both_ways(prepare: impl Fn(&Site), script: impl Fn(&Site) -> String) -> String {
    let idle = started_once();
    prepare(&idle);
    let printed = script(&idle);
    let served = started_once();
    prepare(&served);
    let daemon = served.start();
    let here = |text: String, site: &Site| text.replace(site.directory.path().to_str().unwrap(), "HERE");
    assert_eq!(here(script(&served), &served), here(printed.clone(), &idle));
    daemon.wait_for_line("admin operation finished: ");
    assert_eq!(daemon.stop(), Some(0));
    printed
}

/// The text with each time replaced by a word.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.len() == 24 && word.ends_with('Z') && word.contains('T');
    let words = text.split_inclusive([' ', '\n', '"', ',']).map(|word| {
        let (time, end) = word.split_at(word.len().saturating_sub(1));
        if is_time(time) { format!("TIME{end}") } else { word.to_owned() }
    });
    words.collect()
}

#[test]
fn crew() {
    let printed = same_both_ways(
        |_| {},
        |site| {
            let bob = site.bob.did.as_str();
            let mut printed = site.done(&["crew", "list"]);
            printed += &site.done(&["crew", "add", bob]);
            printed += &site.done(&["crew", "list"]);
            let set = ["crew", "set", bob, "--role", "purser", "--permission", "crew:admin", "--tier", "bosun"];
            printed += &site.done(&set);
            printed += &site.json_of(&["crew", "list"]).to_string();
            printed += &site.json_of(&["crew", "set", bob, "--tier", ""]).to_string();
            printed += &site.done(&["crew", "remove", bob]);
            timeless(&(printed + &site.done(&["crew", "list"])))
        },
    );
    let site = Site::new();
    let (alice, bob) = (site.alice.did.as_str(), site.bob.did.as_str());
    let row = |member: &str, role: &str, permissions: &str, rest: &str| {
        format!("{member}  {role:5}  {permissions:31}  {rest}\n")
    };
    let header = row(&format!("{:1$}", "MEMBER", alice.len()), "ROLE", "PERMISSIONS", "TIER  ADDED");
    assert!(printed.starts_with(header.trim_end()), "{printed}");
    for line in [
        row(alice, "owner", "blob:read,blob:write,crew:admin", "-     TIME  declared"),
        format!("{bob} is a member now: member, blob:read,blob:write\n"),
        row(bob, "member", "blob:read,blob:write", "-     TIME  joined"),
        format!("{bob} is set: purser, crew:admin, tier bosun\n"),
        format!("{bob} is no longer a member: purser, crew:admin\n"),
    ] {
        assert!(printed.contains(&line), "no {line:?} in {printed}");
    }
    let member = json!({
        "did": bob, "role": "purser", "permissions": ["crew:admin"], "tier": "bosun", "addedAt": "TIME", "source": "joined",
    });
    assert!(printed.contains(&member.to_string()), "no {member} in {printed}");
}

#[test]
fn identity() {
    let site = started_once();
    let alone = site.done(&["identity", "show"]);
    let daemon = site.start();
    assert_eq!(site.done(&["identity", "show"]), alone);
    let shown = site.json_of(&["identity", "show"]);
    let anonymous = daemon.anonymous();
    assert_eq!(shown["document"], anonymous.get("/.well-known/did.json").json());
    let head = anonymous.get("/xrpc/com.atproto.sync.getLatestCommit?did=did:web:localhost%253A8080").json();
    assert_eq!((&shown["head"]["rev"], &shown["head"]["commit"]), (&head["rev"], &head["cid"]));
    let key = shown["document"]["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
    assert_eq!(shown["signingKey"], format!("did:key:{key}"));
    let values = ["did", "publicUrl", "signingKey", "keyFile"].map(|name| shown[name].as_str().unwrap());
    for value in values.into_iter().chain([head["rev"].as_str().unwrap(), head["cid"].as_str().unwrap()]) {
        assert!(alone.contains(value), "no {value} in {alone}");
    }
    assert_eq!(shown["handle"], json!(null));
    assert_eq!(shown["services"][1]["serviceEndpoint"], "http://localhost:8080");
    let names = shown.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>();
    let known = ["did", "document", "handle", "head", "keyFile", "publicUrl", "services", "signingKey"];
    assert_eq!(names, known.into());
}

/// Opens an upload of the captain with two parts.
fn half_an_upload(daemon: &Daemon, site: &Site) -> (Client, String) {
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    for (number, size) in [(1, 3000), (2, 100)] {
        assert_eq!(client.put_part(&upload, number, &vec![7; size]).status, 200);
    }
    (client, upload)
}

#[test]
fn uploads() {
    let site = Site::new();
    let daemon = site.start();
    assert_eq!(site.done(&["uploads", "list"]), "ID  ACCOUNT  IDLE  PARTS  SIZE\n");
    let (client, first) = half_an_upload(&daemon, &site);
    let second = half_an_upload(&daemon, &site).1;
    let shape = |site: &Site| {
        let mut uploads = site.json_of(&["uploads", "list"]);
        for upload in uploads.as_array_mut().unwrap() {
            assert!(upload["idleS"].take().as_u64().unwrap() < 3600);
        }
        uploads
    };
    let running = shape(&site);
    assert_eq!((&running[0]["id"], &running[1]["id"]), (&json!(first), &json!(second)));
    assert_eq!((&running[0]["account"], &running[0]["parts"]), (&json!(site.alice.did), &json!(2)));
    assert_eq!(running[0]["sizeBytes"], 3100);
    let table = site.done(&["uploads", "list"]);
    assert!(table.lines().nth(1).unwrap().ends_with("s    2      3.1 KB"), "{table}");

    let given_up = format!("upload {first} of {} is given up\n", site.alice.did);
    assert_eq!(site.done(&["uploads", "abort", &first]), given_up);
    assert_eq!(client.try_part_target(&first, 3).unwrap().outcome(), (404, "InvalidUploadId".into()));
    assert!(!site.path(&format!("blobs/uploads/{first}")).exists());
    assert_eq!(daemon.stop(), Some(0));

    let alone = shape(&site);
    assert_eq!((alone.as_array().unwrap().len(), &alone[0]), (1, &running[1]));
    assert_eq!(site.json_of(&["uploads", "abort", &second]), json!({ "id": second, "account": site.alice.did }));
    assert!(!site.path(&format!("blobs/uploads/{second}")).exists());
    assert_eq!(site.json_of(&["uploads", "list"]), json!([]));
}

#[test]
fn a_change_holds_from_the_next_request() {
    let site = Site::new();
    let daemon = site.start();
    let client = daemon.client(&site.bob);
    assert_eq!(client.try_initiate().unwrap().status, 403);
    site.done(&["crew", "add", site.bob.did.as_str()]);
    assert_eq!(client.try_initiate().unwrap().status, 200);
    site.done(&["crew", "remove", site.bob.did.as_str()]);
    assert_eq!(client.try_initiate().unwrap().status, 403);
    assert_eq!(daemon.stop(), Some(0));

    site.done(&["crew", "add", site.bob.did.as_str(), "--permission", "blob:write"]);
    let daemon = site.start();
    assert_eq!(daemon.client(&site.bob).try_initiate().unwrap().status, 200);
}

#[test]
fn two_commands_at_once_wait_for_each_other() {
    let site = started_once();
    let members: Vec<_> = (0..4).map(|number| format!("did:web:m{number}.example.org")).collect();
    std::thread::scope(|scope| {
        for member in &members {
            scope.spawn(|| site.done(&["crew", "add", member]));
        }
    });
    let daemon = site.start();
    std::thread::scope(|scope| {
        for member in &members {
            scope.spawn(|| site.done(&["crew", "set", member, "--role", "mate"]));
        }
    });
    let crew = site.json_of(&["crew", "list"]);
    let mates = crew.as_array().unwrap().iter().filter(|member| member["role"] == "mate");
    assert_eq!(mates.count(), members.len());
    assert_eq!(daemon.stop(), Some(0));
}
