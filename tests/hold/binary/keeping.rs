//! What an operator does to keep a hold: a backup of its database, another signing key, handing over to a successor.
//! `tests/drills.sh` does the same at length, with the reference libraries.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::dice::Dice;
use super::repository::verified;
use super::site::Site;
use super::writer::Writer;
use crate::support::program::Ended;

#[track_caller]
fn refused(ended: &Ended, code: i32, words: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[track_caller]
fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn head(site: &Site) -> Value {
    json(&site.run(&["identity", "show", "--json"]))["head"].clone()
}

#[test]
fn a_backup_is_private_and_whole_and_replaces_nothing() {
    let site = Site::new();
    refused(&site.run(&["backup", "early.db"]), 78, "start the hold once");
    let daemon = site.start();
    let told = json(&site.run(&["backup", "backup.db", "--json"]));
    assert_eq!(told["rev"], head(&site)["rev"]);
    let copy = std::fs::metadata(site.path("backup.db")).unwrap();
    assert_eq!((copy.permissions().mode() & 0o777, told["sizeBytes"].as_u64()), (0o600, Some(copy.len())));
    refused(&site.run(&["backup", "backup.db"]), 1, "backup.db exists: name a new file");
    refused(&site.run(&["backup", "nowhere/backup.db"]), 1, "cannot be written");
    assert_eq!(daemon.stop(), Some(0));
    std::fs::write(site.path("again.db.part"), "of one that was cut off").unwrap();
    let text = site.run(&["backup", "again.db"]).stdout;
    assert!(text.contains("signing.key") && text.contains("blobs"), "{text}");
    let left: Vec<_> = std::fs::read_dir(site.directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().ends_with(".part")), "{left:?}");
    std::fs::write(site.path("hold.db"), "no database").unwrap();
    refused(&site.run(&["backup", "damaged.db"]), 78, "damaged or not a database of atcr-hold");
}

#[test]
fn another_key_takes_over_where_the_old_one_is_not() {
    let site = Site::new();
    let key = site.path("keys/signing.key");
    let daemon = site.start();
    let mut writer = Writer::new(0, Dice::of_this_run());
    (0..20).for_each(|_| writer.write(&daemon.client(&site.alice)).unwrap());
    let (before, records) = verified(&daemon.anonymous());
    refused(&site.run(&["identity", "new-key"]), 1, "in use by another atcr-hold");
    assert_eq!(daemon.stop(), Some(0));
    refused(&site.run(&["identity", "new-key"]), 78, "move it aside");

    std::fs::rename(&key, site.path("old.key")).unwrap();
    refused(&site.run(&["repo", "verify"]), 78, "identity new-key");
    let unseen = site.run(&["identity", "new-key"]);
    refused(&unseen, 78, "--yes-the-old-key-is-lost");
    refused(&unseen, 78, "the credential HOLD_SIGNING_KEY");
    assert!(!key.exists() && unseen.stderr.contains(key.to_str().unwrap()), "{}", unseen.stderr);
    let renewed = json(&site.run(&["identity", "new-key", "--json", "--yes-the-old-key-is-lost"]));
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(std::fs::read(&key).unwrap(), std::fs::read(site.path("old.key")).unwrap());
    refused(&site.run(&["identity", "new-key"]), 78, "move it aside");

    let daemon = site.start();
    let (after, same_records) = verified(&daemon.anonymous());
    assert_eq!((after.data, same_records), (before.data, records));
    assert!(after.rev > before.rev && renewed["rev"] == after.rev.as_str());
    assert_eq!(daemon.stop(), Some(0));

    // As it is when it was cut off between the key and the commit: it goes on with the key that is there.
    std::fs::rename(site.path("old.key"), &key).unwrap();
    refused(&site.run(&["repo", "verify"]), 78, "not the one that signed");
    // The service may have another key, which is not seen here.
    let unseen = site.run(&["identity", "new-key"]);
    refused(&unseen, 78, "--yes-the-old-key-is-lost");
    refused(&unseen, 78, "the credential HOLD_SIGNING_KEY");
    let renewed = json(&site.run(&["identity", "new-key", "--json", "--yes-the-old-key-is-lost"]));
    assert!(renewed["rev"].as_str().unwrap() > after.rev.as_str());
    assert_eq!(site.run(&["repo", "verify"]).code, Some(0));

    std::fs::remove_file(&key).unwrap();
    let mut moved = site;
    moved.set("HOLD_PUBLIC_URL", "http://localhost:8081");
    refused(
        &moved.run(&["identity", "new-key", "--yes-the-old-key-is-lost"]),
        78,
        "repository of did:web:localhost%3A8080",
    );
    assert!(!key.exists(), "a refusal makes no key");
}

#[test]
fn what_is_handed_over_is_taken_over_once() {
    let (old, mut next) = (Site::new(), Site::new());
    next.set("HOLD_PUBLIC_URL", "http://localhost:8081");
    next.set("HOLD_OWNER", next.bob.did.as_str().to_owned());
    let daemon = old.start();
    assert_eq!(next.start().stop(), Some(0));
    let file = old.path("old.jsonl");
    let file = file.to_str().unwrap();
    let carol = "did:plc:yk4dd2qkboz2yv6tpubpc6co";
    assert_eq!(old.run(&["crew", "add", carol, "--tier", "bosun"]).code, Some(0));
    assert_eq!(old.run(&["successor", "export", file]).code, Some(0));
    refused(&old.run(&["successor", "import", file]), 1, "this hold's own");
    assert_eq!(daemon.stop(), Some(0));

    // The new hold is Bob's, so the old captain is a member like others.
    let taken = json(&next.run(&["successor", "import", file, "--json"]));
    assert_eq!((&taken["from"], &taken["members"]), (&"did:web:localhost%3A8080".into(), &2.into()));
    let crew = json(&next.run(&["crew", "list", "--json"]));
    let roles: Vec<_> = crew.as_array().unwrap().iter().map(|m| (m["role"].clone(), m["tier"].clone())).collect();
    assert!(roles.contains(&("member".into(), "bosun".into())), "{crew}");
    assert_eq!(roles.iter().filter(|(role, _)| role == "owner").count(), 1, "{crew}");
    let rev = head(&next)["rev"].clone();
    let again = json(&next.run(&["successor", "import", file, "--json"]));
    assert_eq!((&again["members"], &again["kept"]), (&0.into(), &2.into()));
    assert_eq!(head(&next)["rev"], rev);

    let text = std::fs::read_to_string(file).unwrap();
    for (content, words) in [
        (text.trim_end(), "ends within a line"),
        ("", "not one of successor export"),
        (text.split_once('\n').unwrap().1, "not one of successor export"),
        (&text.replace("\"member\"", "\"nobody\""), "line 2 of the file is wrong"),
    ] {
        std::fs::write(file, content).unwrap();
        refused(&next.run(&["successor", "import", file]), 1, words);
    }
}
