//! `gc` by the real binary, by itself too, and with an end between a blob's row and its object.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use super::Site;
use crate::binary::process::{PATIENCE, eventually};
use crate::binary::skip;
use crate::support::blob_hold::{blob_key, digest};
use crate::support::hold::now_s;
use crate::support::http::blocking::Client;

/// A hold that keeps nothing that no manifest names.
fn without_grace(more: &str) -> Site {
    let mut site = Site::new();
    site.configure(&format!("[gc]\ngrace_s = 0\n{more}"));
    site
}

fn push(site: &Site, contents: &[&[u8]]) {
    let daemon = site.start();
    contents.iter().for_each(|content| daemon.client(&site.alice).push(content));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_preview_and_then_the_deed_both_ways() {
    for is_running in [false, true] {
        let site = without_grace("");
        push(&site, &[b"one", b"three"]);
        let daemon = is_running.then(|| site.start());
        let preview = site.done(&["gc", "--dry-run", "--verbose"]);
        let lines: Vec<_> = preview.lines().collect();
        assert_eq!(lines.len(), 2 + 1 + 1 + 3 + 1, "{preview}");
        for content in [&b"one"[..], b"three"] {
            let line = format!("{}  {}  20", digest(content), content.len());
            assert_eq!(lines.iter().filter(|found| found.starts_with(&line)).count(), 1, "{preview}");
        }
        assert_eq!(lines[2], site.path("blobs").display().to_string());
        assert!(
            lines[4].starts_with("would go  2      8 B   nothing names them; the first was last used 20"),
            "{preview}"
        );
        assert_eq!(lines[5], "kept      0      0 B   a layer record or a manifest names them");
        assert_eq!(lines[7], "Nothing was removed. It is more than half of everything: use --run --force for that.");

        let found = site.json_of(&["gc", "--dry-run"]);
        assert_eq!((&found["dryRun"], &found["graceS"]), (&json!(true), &json!(0)));
        assert_eq!(found["garbage"], json!({ "count": 2, "sizeBytes": 8 }));
        assert_eq!(found["listed"].as_array().unwrap().len(), 2);
        let braked = site.run(&["gc", "--run"]);
        assert_eq!((braked.code, braked.stdout.as_str()), (Some(1), ""));
        assert!(braked.stderr.contains("2 of 2 blobs would be removed") && braked.stderr.contains("--force"));
        let found = site.json_of(&["gc", "--run", "--force"]);
        assert_eq!((&found["dryRun"], &found["garbage"]), (&json!(false), &json!({ "count": 2, "sizeBytes": 8 })));
        assert_eq!(found["unfinished"], json!({ "count": 0, "sizeBytes": 0 }));
        let again = site.done(&["gc", "--run"]);
        assert!(again.lines().nth(2).unwrap().starts_with("removed  0      0 B   -"), "{again}");
        let usage = site.json_of(&["storage", "usage"]);
        assert_eq!((&usage["recorded"]["count"], &usage["stored"]["count"]), (&json!(0), &json!(0)));
        let daemon = daemon.unwrap_or_else(|| site.start());
        assert_eq!(daemon.client(&site.alice).pull(b"one"), None);
        daemon.client(&site.alice).push(b"one");
        assert_eq!(daemon.client(&site.alice).pull(b"one").as_deref(), Some(&b"one"[..]));
    }
}

#[test]
fn which_of_the_two_has_to_be_said() {
    let site = without_grace("");
    for arguments in [&["gc"][..], &["gc", "--json"], &["gc", "--dry-run", "--run"]] {
        let ended = site.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(ended.stderr.contains("--dry-run") && ended.stderr.contains("--run"), "{}", ended.stderr);
    }
}

#[test]
fn a_hold_does_it_by_itself_only_when_it_is_told_to() {
    let site = without_grace("enabled = true\nschedule = \"1s\"\n");
    let daemon = site.start();
    let garbage = push_with_garbage(&site, &daemon.client(&site.alice));
    let line = daemon.wait_for_line("garbage collected blobs=1 bytes=7");
    assert!(line.contains("kept=2") && line.contains("unfinished=0") && line.contains("duration_ms="), "{line}");
    assert!(!garbage.exists());
    assert_eq!(daemon.client(&site.alice).pull(b"garbage"), None);
}

/// Pushes what a manifest names, more of it than of the garbage beside it. Returns the file of the garbage.
fn push_with_garbage(site: &Site, alice: &Client) -> PathBuf {
    let named = [&b"a layer that is long"[..], b"another one"];
    named.iter().for_each(|content| alice.push(content));
    let layers = named.map(|content| json!({ "digest": digest(content), "size": content.len(), "mediaType": "a/b" }));
    let push = json!({
        "repository": "app", "userDid": site.alice.did, "manifestDigest": digest(b"any"),
        "manifest": { "layers": layers },
    });
    assert_eq!(alice.call("io.atcr.hold.notifyManifest", &push).status, 200);
    alice.push(b"garbage");
    site.path("blobs").join(blob_key(&digest(b"garbage")))
}

#[test]
fn a_hold_that_restarts_more_often_than_its_interval_collects_too() {
    for is_ahead in [false, true] {
        let site = without_grace("enabled = true\nschedule = \"8s\"\n");
        let daemon = site.start();
        let garbage = push_with_garbage(&site, &daemon.client(&site.alice));
        assert_eq!(daemon.stop(), Some(0));
        if is_ahead {
            // The last collection was made while the clock was ahead.
            let next_century = (now_s() + 100 * 365 * 86_400) * 1_000_000;
            let stored = "UPDATE meta SET value = ?1 WHERE name = 'garbage_collected_us'";
            let database = Connection::open(site.path("hold.db")).unwrap();
            assert_eq!(database.execute(stored, [next_century.to_string()]).unwrap(), 1);
        }
        let began = Instant::now();
        while garbage.exists() {
            assert!(began.elapsed() < PATIENCE, "nothing was collected");
            let daemon = site.start();
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(daemon.stop(), Some(0));
        }
    }
}

#[test]
fn what_was_cut_off_between_row_and_object_is_finished_by_the_next_start() {
    let mut site = without_grace("");
    push(&site, &[b"garbage"]);
    let file = site.path("blobs").join(blob_key(&digest(b"garbage")));
    let uploaded = std::fs::metadata(&file).unwrap().modified().unwrap();
    let tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=unlink,unlinkat:signal=KILL", "-P"];
    if !Command::new(tracer[0]).args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("an end between a blob's row and its object", "strace cannot be used");
    }
    site.wrap(&[&tracer[..], &[file.to_str().unwrap()]].concat());
    let killed = site.run(&["gc", "--run", "--force"]);
    assert_eq!((killed.stdout.as_str(), killed.code == Some(0)), ("", false), "{}", killed.stderr);
    site.wrap(&[]);
    assert!(!file.exists() || std::fs::read(&file).unwrap() == b"garbage");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    // The system may have carried out what it was asked for while it ended the process. A file of a later time would be
    // another upload's.
    std::fs::write(&file, b"garbage").unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(uploaded).unwrap();
    let usage = site.json_of(&["storage", "usage"]);
    assert_eq!((&usage["recorded"]["count"], &usage["unrecorded"]["count"]), (&json!(0), &json!(1)));
    assert_eq!(site.json_of(&["gc", "--dry-run"])["unfinished"], json!({ "count": 1, "sizeBytes": 7 }));
    let daemon = site.start();
    eventually("the object goes", || !file.exists());
    daemon.wait_for_line("removals finished blobs=1 bytes=7");
    daemon.client(&site.alice).push(b"garbage");
    assert_eq!(daemon.client(&site.alice).pull(b"garbage").as_deref(), Some(&b"garbage"[..]));
}
