//! A storage that is not the one the hold used: a disk that is not mounted, another hold's, a folder elsewhere.

use std::path::Path;

use super::site::Site;
use crate::support::manager::Manager;
use crate::support::program::Ended;

/// A stopped hold with a blob, and its storage moved away: what a disk that is not mounted leaves.
fn unmounted() -> Site {
    let site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(b"layer");
    assert_eq!(daemon.stop(), Some(0));
    move_away(&site);
    site
}

fn move_away(site: &Site) {
    std::fs::rename(site.path("blobs"), site.path("disk")).unwrap();
    std::fs::create_dir(site.path("blobs")).unwrap();
}

fn move_back(site: &Site) {
    std::fs::remove_dir_all(site.path("blobs")).unwrap();
    std::fs::rename(site.path("disk"), site.path("blobs")).unwrap();
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).unwrap().next().is_none()
}

#[track_caller]
fn assert_refused(site: &Site, arguments: &[&str], words: &[&str]) {
    let Ended { code, stderr, .. } = site.run(arguments);
    assert_eq!((code, stderr.lines().count()), (Some(78), 1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
}

#[test]
fn a_storage_without_its_disk_is_neither_served_nor_mended() {
    let site = unmounted();
    for arguments in [&[][..], &["storage", "verify", "--repair"], &["gc", "--run"]] {
        assert_refused(&site, arguments, &["atcr-hold.json is missing", "mounted", "storage adopt"]);
        assert!(is_empty(&site.path("blobs")), "something was made on the wrong disk");
    }
    move_back(&site);
    let daemon = site.start();
    assert_eq!(daemon.client(&site.alice).pull(b"layer").as_deref(), Some(&b"layer"[..]));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn another_storage_is_taken_on_purpose_only() {
    let site = unmounted();
    let adopted = site.run(&["storage", "adopt"]);
    assert_eq!((adopted.code, adopted.stderr.as_str()), (Some(0), ""), "{}", adopted.stdout);
    let daemon = site.start();
    assert!(daemon.client(&site.alice).pull(b"layer").is_none());
    assert_eq!(daemon.stop(), Some(0));
    // The disk of before is another one now.
    std::fs::remove_dir_all(site.path("blobs")).unwrap();
    std::fs::rename(site.path("disk"), site.path("blobs")).unwrap();
    assert_refused(&site, &[], &["did:web:localhost%3A8080", "another id", "storage adopt"]);
    let marker = site.path("blobs/docker/atcr-hold.json");
    std::fs::write(&marker, r#"{"hold":"did:web:other.example","id":"1"}"#).unwrap();
    assert_refused(&site, &["storage", "verify"], &["did:web:other.example"]);
}

#[test]
fn a_database_that_is_not_mounted_costs_no_key_and_no_repository() {
    let site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(b"layer");
    let identity = daemon.anonymous().get("/.well-known/did.json").json();
    assert_eq!(daemon.stop(), Some(0));
    for name in ["hold.db", "keys"] {
        std::fs::rename(site.path(name), site.path(&format!("{name}.there"))).unwrap();
    }
    for _ in 0..2 {
        assert_refused(&site, &[], &["has blobs of this hold, but the database is new", "mount it", "storage adopt"]);
        assert!(!site.path("keys").exists(), "a key was made");
    }
    for name in ["hold.db", "keys"] {
        std::fs::rename(site.path(&format!("{name}.there")), site.path(name)).unwrap();
    }
    let daemon = site.start();
    assert_eq!(daemon.anonymous().get("/.well-known/did.json").json(), identity);
    assert_eq!(daemon.client(&site.alice).pull(b"layer").as_deref(), Some(&b"layer"[..]));
    assert_eq!(daemon.stop(), Some(0));

    // Lost for good.
    std::fs::remove_file(site.path("hold.db")).unwrap();
    assert_refused(&site, &[], &["the database is new"]);
    let adopted = site.run(&["storage", "adopt"]);
    assert_eq!((adopted.code, adopted.stderr.as_str()), (Some(0), ""), "{}", adopted.stdout);
    let daemon = site.start();
    assert_eq!(site.run(&["storage", "verify", "--repair"]).code, Some(0));
    assert_eq!(daemon.client(&site.alice).pull(b"layer").as_deref(), Some(&b"layer"[..]));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn blobs_are_copied_into_the_storage_of_another_hold_on_purpose_only() {
    let site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(b"layer");
    assert_eq!(daemon.stop(), Some(0));
    let (marked, empty) = (site.path("marked"), site.path("empty"));
    std::fs::create_dir_all(marked.join("docker")).unwrap();
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(marked.join("docker/atcr-hold.json"), r#"{"hold":"did:web:other.example","id":"1"}"#).unwrap();
    let migrate = |to: &Path, more: &[&str]| {
        let file = site.path("new.toml");
        std::fs::write(&file, format!("[storage]\nroot_dir = {to:?}\n")).unwrap();
        site.run(&[&["storage", "migrate", "--to", file.to_str().unwrap()], more].concat())
    };
    let refused = |ended: Ended, word: &str| {
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
        assert!(!marked.join("docker/registry").exists() && !empty.join("docker").exists());
    };
    refused(migrate(&marked, &[]), "did:web:other.example");
    refused(migrate(&marked, &["--for", "did:web:third.example"]), "did:web:other.example");
    refused(migrate(&empty, &["--for", "did:web:other.example"]), "not that of did:web:other.example");
    let done = migrate(&marked, &["--for", "did:web:other.example"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("did:web:other.example records them with storage verify --repair"), "{}", done.stdout);
    assert!(!done.stdout.contains("give the hold the new [storage] table"), "{}", done.stdout);
    // What this hold copied for itself is its own.
    assert_eq!(migrate(&empty, &[]).code, Some(0));
    std::fs::create_dir_all(empty.join("docker")).unwrap();
    std::fs::copy(site.path("blobs/docker/atcr-hold.json"), empty.join("docker/atcr-hold.json")).unwrap();
    assert_eq!(migrate(&empty, &[]).code, Some(0));
}

/// A start by mistake would miss the blobs that were pushed since.
#[test]
fn a_storage_that_was_left_is_not_used_until_everything_was_migrated_back() {
    let mut site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(b"first");
    assert_eq!(daemon.stop(), Some(0));
    let places = ["blobs", "elsewhere"].map(|name| site.path(name));
    std::fs::create_dir(&places[1]).unwrap();
    let migrate = |site: &Site, to: &Path| {
        let file = site.path("new.toml");
        std::fs::write(&file, format!("[storage]\nroot_dir = {to:?}\n")).unwrap();
        let done = site.run(&["storage", "migrate", "--to", file.to_str().unwrap()]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    };
    migrate(&site, &places[1]);
    // It goes on with its own storage until it is switched.
    assert_eq!(site.start().stop(), Some(0));
    for (place, left, layer) in [(&places[1], &places[0], &b"second"[..]), (&places[0], &places[1], b"third")] {
        if layer == b"third" {
            migrate(&site, place);
        }
        site.set("STORAGE_ROOT_DIR", place);
        let daemon = site.start();
        daemon.client(&site.alice).push(layer);
        assert_eq!(daemon.stop(), Some(0));
        site.set("STORAGE_ROOT_DIR", left);
        let before = site.snapshot();
        assert_refused(&site, &[], &["used last", "storage migrate", "storage adopt"]);
        assert_refused(&site, &["storage", "verify", "--repair"], &["used last"]);
        assert_eq!(site.snapshot(), before);
        site.set("STORAGE_ROOT_DIR", place);
    }
    let daemon = site.start();
    for layer in [&b"first"[..], b"second", b"third"] {
        assert_eq!(daemon.client(&site.alice).pull(layer).as_deref(), Some(layer));
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_disk_that_goes_while_the_hold_runs_is_waited_for() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    let daemon = site.start();
    assert!(manager.told().starts_with("READY=1\n"));
    let alice = daemon.client(&site.alice);
    alice.push(b"layer");
    move_away(&site);
    daemon.wait_for_line("blobs are refused with 503");
    let status = manager.told();
    assert!(status.contains("; blobs are refused with 503: the storage ") && status.contains("is missing"), "{status}");
    assert_eq!(alice.try_initiate().unwrap().status, 503);
    let refused = site.run(&["storage", "verify", "--repair"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("storage adopt"), "{}", refused.stderr);
    assert!(!site.path("blobs/docker").exists(), "a blob was put onto the wrong disk");
    move_back(&site);
    daemon.wait_for_line("blobs are served again");
    let status = manager.told();
    assert!(status.starts_with("STATUS=serving ") && !status.contains("refused"), "{status}");
    assert_eq!(alice.try_initiate().unwrap().status, 200);
    assert_eq!(alice.pull(b"layer").as_deref(), Some(&b"layer"[..]));
    // Adopted while it runs.
    std::fs::remove_file(site.path("blobs/docker/atcr-hold.json")).unwrap();
    assert_eq!(site.run(&["storage", "verify"]).code, Some(1));
    let adopted = site.run(&["storage", "adopt", "--json"]);
    assert_eq!((adopted.code, adopted.stderr.as_str()), (Some(0), ""));
    assert_eq!(alice.pull(b"layer").as_deref(), Some(&b"layer"[..]));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_marker_that_cannot_be_read_or_written_is_named_with_its_storage() {
    let site = Site::new();
    let marker = site.path("blobs/docker/atcr-hold.json");
    let refused = |tried: &str| {
        let Ended { code, stderr, .. } = site.run(&[]);
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
        let root = site.path("blobs").to_str().unwrap().to_owned();
        for word in ["docker/atcr-hold.json", tried, &root, "let the hold read and write it there", "[storage]"] {
            assert!(stderr.contains(word), "no {word:?} in {stderr}");
        }
    };
    std::fs::create_dir_all(&marker).unwrap();
    refused("cannot be written");
    std::fs::remove_dir(&marker).unwrap();
    // A link to itself, which no user can read.
    std::os::unix::fs::symlink(&marker, &marker).unwrap();
    refused("cannot be read");
    std::fs::remove_file(&marker).unwrap();
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn a_folder_of_blobs_on_another_file_system_is_named() {
    use std::os::unix::fs::MetadataExt as _;
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return super::skip("a_folder_of_blobs_on_another_file_system_is_named", "there is no /dev/shm");
    };
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    if device(elsewhere.path()) == device(&site.path("blobs")) {
        return super::skip("a_folder_of_blobs_on_another_file_system_is_named", "/dev/shm is no other file system");
    }
    std::fs::copy(site.path("blobs/docker/atcr-hold.json"), elsewhere.path().join("atcr-hold.json")).unwrap();
    std::fs::remove_dir_all(site.path("blobs/docker")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), site.path("blobs/docker")).unwrap();
    assert_refused(&site, &[], &["its folder docker is on another file system", "link or mount the storage directory"]);
    assert!(!site.path("blobs/uploads/atcr-hold-probe").exists());
}
