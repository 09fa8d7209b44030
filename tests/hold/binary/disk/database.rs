//! The database's own disk, where the blobs are on another one: what members make grow ends before administration does.

use serde_json::{Value, json};

use super::mount::Mount;
use crate::binary::process::Daemon;
use crate::binary::site::Site;
use crate::binary::skip;
use crate::support::blob_hold::digest;
use crate::support::hold::Account;
use crate::support::http::blocking::Client;

const MIB: u64 = 1 << 20;
const NOTIFY: &str = "io.atcr.hold.notifyManifest";
const LAYERS: usize = 100;

/// A site whose database has a file system of its own, of `size_mib`, and whose members may join by themselves.
fn site_with_database_on(test: &str, size_mib: u64) -> Option<(Site, Mount)> {
    let mut site = Site::new();
    std::fs::create_dir(site.path("database")).unwrap();
    match Mount::new(site.path("database"), &format!("size={size_mib}m")) {
        Ok(mount) => {
            site.set("HOLD_DATABASE_PATH", mount.path.join("hold.db"));
            site.set("HOLD_ALLOW_ALL_CREW", "true");
            Some((site, mount))
        }
        Err(why) => {
            skip(test, &why);
            None
        }
    }
}

fn free_bytes(mount: &Mount) -> u64 {
    server::storage::DiskSpace::of(&mount.path).unwrap().free_bytes
}

fn refused() -> (u16, String) {
    (507, "InsufficientStorage".into())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

/// The `number`th manifest of an account's `app`: none has a blob of another one.
fn push(owner: &Account, number: u64) -> Value {
    let blob =
        |text: String| json!({ "digest": digest(text.as_bytes()), "size": text.len(), "mediaType": "text/plain" });
    let layers: Vec<_> = (0..LAYERS).map(|layer| blob(format!("layer {layer}"))).collect();
    json!({
        "repository": "app", "userDid": owner.did, "operation": "push",
        "manifestDigest": digest(format!("manifest {number}").as_bytes()),
        "manifest": { "config": blob("config".into()), "layers": layers },
    })
}

/// What the captain does when the disk is full: lets somebody in, and removes somebody.
fn crew_changes(daemon: &Daemon, captain: &Account, carol: &Account, bob: &Account) {
    let client = daemon.client(captain);
    let named = |member: &Account| {
        let rkey = atcr_hold::crew::member_key(&member.did);
        json!({ "repo": "did:web:localhost%3A8080", "collection": "io.atcr.hold.crew", "rkey": rkey })
    };
    let mut added = named(carol);
    added["record"] = json!({
        "$type": "io.atcr.hold.crew", "member": carol.did, "role": "mate", "permissions": ["blob:write"],
        "addedAt": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(client.call("com.atproto.repo.putRecord", &added).outcome(), ok());
    assert_eq!(client.call("com.atproto.repo.deleteRecord", &named(bob)).outcome(), ok());
}

/// Pushes until one is refused; returns how many were taken.
fn push_until_refused(client: &Client, owner: &Account) -> u64 {
    for number in 0..2000 {
        let answer = client.call(NOTIFY, &push(owner, number));
        if answer.status != 200 {
            assert_eq!(answer.outcome(), refused(), "{}", answer.field("message"));
            return number;
        }
    }
    panic!("the disk is never full");
}

#[test]
fn members_fill_the_databases_disk_to_half_of_the_reserve_and_the_captain_goes_on() {
    let Some((site, mount)) = site_with_database_on("the database's disk", 46) else { return };
    let daemon = site.start();
    let (captain, bob) = (daemon.client(&site.alice), daemon.client(&site.bob));
    assert_eq!(bob.call("io.atcr.hold.requestCrew", &json!({})).status, 201);
    bob.push(b"config");
    (0..LAYERS).for_each(|layer| bob.push(format!("layer {layer}").as_bytes()));

    let pushed = push_until_refused(&bob, &site.bob);
    assert!(pushed > 3, "{pushed} pushes fit");
    let left = free_bytes(&mount);
    assert!(left >= 32 * MIB, "{} KiB are left", left / 1024);
    assert_eq!(bob.try_initiate().unwrap().outcome(), refused());
    let stranger = site.account(7);
    assert_eq!(daemon.client(&stranger).call("io.atcr.hold.requestCrew", &json!({})).outcome(), refused());
    assert!(bob.pull(b"config").is_some(), "pulls go on");

    captain.push(b"of the captain");
    crew_changes(&daemon, &site.alice, &site.account(8), &site.bob);
    assert_eq!(bob.call("io.atcr.hold.deleteUserData", &json!({})).status, 200);
    let collected = site.run(&["gc", "--run"]);
    assert_eq!(collected.code, Some(0), "{}", collected.stderr);

    mount.remount("size=80m");
    assert_eq!(daemon.client(&stranger).call("io.atcr.hold.requestCrew", &json!({})).status, 201);
    daemon.wait_for_line("only the captain's requests and deletions are taken");
    daemon.wait_for_line("the file system of the database has room again");
}

#[test]
fn a_start_on_a_full_disk_calls_no_database_damaged_and_heals_with_room() {
    let Some((site, mount)) = site_with_database_on("a start on a full disk", 4) else { return };
    assert_eq!(site.start().stop(), Some(0));
    let filler = mount.fill();
    for arguments in [&["serve"][..], &["crew", "list"]] {
        let ended = site.run(arguments);
        // Not 78, after which systemd would not try again.
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains("its file system is full; make room"), "{}", ended.stderr);
    }
    std::fs::remove_file(filler).unwrap();
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn an_import_is_refused_that_would_not_fit_and_leaves_nothing() {
    let Some((site, mount)) = site_with_database_on("an import that does not fit", 46) else { return };
    drop(site.start());
    let before = free_bytes(&mount);
    let import = |size_mib: u64| {
        std::fs::write(site.path("file.car"), vec![0; usize::try_from(size_mib * MIB).unwrap()]).unwrap();
        site.run(&["repo", "import", site.path("file.car").to_str().unwrap()])
    };
    // The first does not fit itself, the second does not fit three times, and the last is no repository.
    for (size_mib, reason) in [(20, "kept free"), (8, "kept free"), (2, "cannot be imported")] {
        let refused = import(size_mib);
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(reason), "{size_mib} MiB: {}", refused.stderr);
        assert!(free_bytes(&mount) >= before - MIB, "something is left of it");
    }
}

#[test]
fn a_disk_without_room_at_all_is_told_to_members_before_they_begin() {
    let Some((mut site, mount)) = site_with_database_on("a full disk of the database", 40) else { return };
    site.configure("limits.reserve_bytes = 16777216");
    let daemon = site.start();
    let bob = daemon.client(&site.bob);
    assert_eq!(bob.call("io.atcr.hold.requestCrew", &json!({})).status, 201);
    bob.push(b"config");
    let filler = mount.fill();
    assert_eq!(bob.try_initiate().unwrap().outcome(), refused());
    std::fs::remove_file(filler).unwrap();
    bob.push(b"after");
}
