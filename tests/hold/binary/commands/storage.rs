//! `storage usage` and `verify` by the real binary, and what needs no bucket.

use std::process::Command;

use atproto::syntax::Digest;
use serde_json::{Value, json};

use super::{Site, started_once};
use crate::binary::skip;
use crate::support::blob_hold::digest;
use crate::support::program::Ended;

fn blob_file(site: &Site, digest: &Digest) -> std::path::PathBuf {
    let hex = digest.hex();
    site.path("blobs").join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
}

/// A hold that is not running, with three blobs of which one has a flipped byte, and one has lost its file.
fn damaged() -> (Site, [Digest; 3]) {
    let site = Site::new();
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let contents = [&b"right"[..], b"flipped", b"missing"];
    contents.iter().for_each(|content| client.push(content));
    assert_eq!(daemon.stop(), Some(0));
    let digests = contents.map(digest);
    std::fs::write(blob_file(&site, &digests[1]), b"flipqed").unwrap();
    std::fs::remove_file(blob_file(&site, &digests[2])).unwrap();
    (site, digests)
}

#[test]
fn damage_is_said_one_blob_a_line_and_mended_both_ways() {
    for is_running in [false, true] {
        let (site, [_, flipped, missing]) = damaged();
        let daemon = is_running.then(|| site.start());
        let lines = |of_flipped: &str, of_missing: &str, last: &str| {
            let mut lines = [(flipped, of_flipped), (missing, of_missing)];
            lines.sort_unstable();
            let lines = lines.map(|(digest, what)| format!("{digest}  {what}\n"));
            lines.concat() + last + "\n"
        };
        let verified = site.run(&["storage", "verify"]);
        assert_eq!(verified.code, Some(1));
        assert_eq!(verified.stdout, lines("wrong content", "missing", "1 right (5 B), 2 wrong"));
        assert_eq!(verified.stderr, "atcr-hold: 2 wrong: use --repair to mend\n");

        let Ended { code, stdout, .. } = site.run(&["storage", "verify", "--rate", "1000", "--json"]);
        let summary: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(code, Some(1));
        assert_eq!((&summary["right"], &summary["rightBytes"]), (&json!(1), &json!(5)));
        let findings = &summary["findings"];
        assert_eq!((&findings["wrong"], &findings["noted"], &findings["repaired"]), (&json!(2), &json!(0), &json!(0)));
        let listed = findings["listed"].as_array().unwrap();
        let of = |digest: Digest| listed.iter().find(|found| found["digest"] == json!(digest)).unwrap();
        let found = |digest, problem| json!({ "digest": digest, "key": null, "problem": problem, "repair": null });
        assert_eq!(*of(flipped), found(flipped, "wrongContent"));
        assert_eq!(*of(missing), found(missing, "missing"));

        let repaired = site.run(&["storage", "verify", "--repair"]);
        assert_eq!(repaired.code, Some(1));
        let last = "1 right (5 B), 2 wrong; 2 repaired";
        assert_eq!(repaired.stdout, lines("wrong content; quarantined", "missing; forgotten", last));
        assert_eq!(repaired.stderr, "atcr-hold: 2 wrong: see what was done above\n");
        assert_eq!(std::fs::read(site.path("blobs").join("quarantine").join(flipped.hex())).unwrap(), b"flipqed");
        assert_eq!(site.done(&["storage", "verify"]), "1 right (5 B), 0 wrong\n");

        let daemon = daemon.unwrap_or_else(|| site.start());
        let client = daemon.client(&site.alice);
        for content in [&b"flipped"[..], b"missing"] {
            assert_eq!(client.pull(content), None);
            client.push(content);
            assert_eq!(client.pull(content).as_deref(), Some(content));
        }
        assert_eq!(site.done(&["storage", "verify"]), "3 right (19 B), 0 wrong\n");
    }
}

#[test]
fn a_disk_that_cannot_read_a_blob_is_told_and_the_blob_left() {
    let mut site = Site::new();
    let daemon = site.start();
    [&b"right"[..], b"on a bad sector"].iter().for_each(|content| daemon.client(&site.alice).push(content));
    assert_eq!(daemon.stop(), Some(0));
    let bad = digest(b"on a bad sector");
    let file = blob_file(&site, &bad);
    let tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=pread64,preadv2:error=EIO", "-P"];
    if !Command::new(tracer[0]).args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("a disk that cannot read a blob", "strace cannot be used");
    }
    site.wrap(&[&tracer[..], &[file.to_str().unwrap()]].concat());
    let verified = site.run(&["storage", "verify", "--repair"]);
    assert_eq!(verified.code, Some(1));
    let line = format!("{bad}  unreadable: Input/output error (os error 5)\n");
    assert_eq!(verified.stdout, line + "1 right (5 B), 1 wrong\n");
    site.wrap(&[]);
    assert_eq!(site.done(&["storage", "verify"]), "2 right (20 B), 0 wrong\n");
}

#[test]
fn usage_is_a_table_of_what_there_is_and_of_what_differs() {
    for is_running in [false, true] {
        let (site, _) = damaged();
        let daemon = is_running.then(|| site.start());
        let text = site.done(&["storage", "usage"]);
        let mut lines: Vec<_> = text.lines().collect();
        let free = lines.pop().unwrap();
        assert!(free.starts_with("free                   -      "), "{text}");
        let place = site.path("blobs").canonicalize().unwrap();
        let expected = [
            place.to_str().unwrap(),
            "BLOBS                  COUNT  SIZE",
            "recorded               3      19 B",
            "stored                 2      12 B",
            "recorded, but missing  1      7 B",
            "open uploads           0      0 B",
        ];
        assert_eq!(lines, expected);
        let mut usage = site.json_of(&["storage", "usage"]);
        assert!(usage["freeBytes"].take().as_u64().unwrap() > 0);
        let amount = |count: u64, size_bytes: u64| json!({ "count": count, "sizeBytes": size_bytes });
        let none = amount(0, 0);
        let expected = json!({
            "place": place, "recorded": amount(3, 19), "stored": amount(2, 12), "missing": amount(1, 7),
            "otherSize": none, "unrecorded": none, "foreign": none, "quarantined": none,
            "staged": { "uploads": 0, "objects": none, "multiparts": none }, "freeBytes": null,
        });
        assert_eq!(usage, expected);
        drop(daemon);
    }
}

#[test]
fn commands_that_need_no_bucket_ask_it_nothing() {
    let mut site = started_once();
    for (name, value) in [
        ("STORAGE_DRIVER", "s3"),
        ("S3_BUCKET", "b"),
        ("S3_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ] {
        site.set(name, value);
    }
    site.done(&["crew", "list"]);
    site.done(&["uploads", "list"]);
    site.refuses(1, &["storage", "usage"], &["unavailable"]);
}
