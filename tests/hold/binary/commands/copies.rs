//! A copy of the database, such as a backup, that is looked at beside the hold that runs.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::binary::site::Site;
use crate::support::blob_hold::digest;
use crate::support::http::blocking::Place;

/// Makes a copy of the database.
fn copied(site: &Site) -> PathBuf {
    let copy = site.path("copy/hold.db");
    std::fs::create_dir(site.path("copy")).unwrap();
    site.done(&["backup", copy.to_str().unwrap()]);
    copy
}

/// From now on commands work on the copy, and find no daemon.
fn use_copy(site: &mut Site, copy: &Path) {
    site.set("HOLD_DATABASE_PATH", copy);
    site.set("HOLD_DATABASE_KEY_PATH", site.path("keys"));
}

#[test]
fn a_copy_is_looked_at_and_the_hold_that_runs_keeps_its_uploads() {
    let mut site = Site::new();
    let daemon = site.start();
    let copy = copied(&site);
    // The copy does not know it.
    let client = daemon.client(&site.alice);
    let upload = client.try_initiate().unwrap().field("uploadId");
    let part = client.try_put(&client.part_target(&upload, 1), b"layer").unwrap();

    use_copy(&mut site, &copy);
    assert!(site.done(&["repo", "verify"]).ends_with(": 0 wrong\n"));
    site.done(&["storage", "verify"]);
    let completed = client.try_complete(&upload, b"layer", &[part.field("etag")]).unwrap();
    assert_eq!(completed.status, 200, "{}", completed.field("message"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_daemon_does_not_answer_for_a_copy() {
    let mut site = Site::new();
    let daemon = site.start();
    let copy = site.path("copy.db");
    site.done(&["backup", copy.to_str().unwrap()]);
    site.set("HOLD_ADMIN_SOCKET", site.path("admin.sock"));
    site.done(&["repo", "verify"]);
    site.set("HOLD_DATABASE_PATH", &copy);
    for command in [&["repo", "verify"][..], &["storage", "adopt"]] {
        site.refuses(78, command, &["admin.sock", "has another database than", "copy.db", "HOLD_ADMIN_SOCKET"]);
    }
    site.set("HOLD_ADMIN_SOCKET", site.path("none.sock"));
    site.done(&["repo", "verify"]);
    // A database that is not there says nothing of whose socket that is.
    site.set("HOLD_DATABASE_PATH", site.path("nothing.db"));
    site.set("HOLD_ADMIN_SOCKET", site.path("admin.sock"));
    site.done(&["repo", "verify"]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_copy_changes_nothing_in_the_storage_of_a_hold_that_runs() {
    let mut site = Site::new();
    site.configure("[gc]\ngrace_s = 0\n");
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"layer");
    let upload = client.try_initiate().unwrap().field("uploadId");
    let part = client.try_put(&client.part_target(&upload, 1), b"part").unwrap();
    let copy = copied(&site);
    // The copy takes it for garbage.
    let push = json!({
        "repository": "app", "userDid": site.alice.did, "manifestDigest": digest(b"any"),
        "manifest": { "layers": [{ "digest": digest(b"layer"), "size": 5, "mediaType": "a/b" }] },
    });
    assert_eq!(client.call("io.atcr.hold.notifyManifest", &push).status, 200);

    use_copy(&mut site, &copy);
    let other = site.path("other.toml");
    std::fs::create_dir(site.path("other")).unwrap();
    std::fs::write(&other, format!("[storage]\nroot_dir = {:?}\n", site.path("other"))).unwrap();
    let blobs = site.path("blobs");
    let words = [blobs.to_str().unwrap(), "in use by another atcr-hold", "HOLD_ADMIN_SOCKET"];
    for command in [
        &["gc", "--run", "--force"][..],
        &["storage", "verify", "--repair"],
        &["storage", "migrate", "--to", other.to_str().unwrap()],
        &["storage", "adopt"],
        &["uploads", "abort", &upload],
    ] {
        site.refuses(78, command, &words);
    }
    // A daemon waits: the other one may be stopping.
    site.refuses(1, &["serve"], &words);
    assert!(site.done(&["gc", "--dry-run"]).contains("would go  1"));
    assert!(site.done(&["uploads", "list"]).contains(&upload));
    site.done(&["storage", "usage"]);
    site.done(&["storage", "verify"]);

    let completed = client.try_complete(&upload, b"part", &[part.field("etag")]).unwrap();
    assert_eq!(completed.status, 200, "{}", completed.field("message"));
    assert_eq!(client.pull(b"layer").as_deref(), Some(&b"layer"[..]));
    assert_eq!(daemon.stop(), Some(0));
    assert!(site.done(&["gc", "--run", "--force"]).contains("removed  1"), "the lock ends with the daemon");
}

#[test]
fn a_copy_does_not_mark_the_storage_of_a_hold_that_runs() {
    let mut site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let (new, other) = (site.path("new"), site.path("new.toml"));
    std::fs::create_dir(&new).unwrap();
    std::fs::write(&other, format!("[storage]\nroot_dir = {new:?}\n")).unwrap();
    site.done(&["storage", "migrate", "--to", other.to_str().unwrap()]);
    let copy = copied(&site);
    site.set("STORAGE_ROOT_DIR", &new);
    let daemon = site.start();
    let marker = || std::fs::read_to_string(new.join("docker/atcr-hold.json")).unwrap();
    let before = marker();
    use_copy(&mut site, &copy);
    site.done(&["storage", "verify"]);
    assert_eq!(marker(), before, "the daemon would refuse all blobs");
    assert_eq!(daemon.stop(), Some(0));
}

/// Where the hold's public URL leads: a reverse proxy, which answers nothing while there is no daemon behind it. Returns
/// its port.
fn proxy(behind: &Arc<Mutex<Option<Place>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = Arc::clone(behind);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Some(Place::Tcp(address)) = behind.lock().unwrap().clone() else { continue };
            let daemon = TcpStream::connect(address).unwrap();
            for (mut from, mut to) in [(client.try_clone().unwrap(), daemon.try_clone().unwrap()), (daemon, client)] {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    port
}

#[test]
fn a_copy_changes_nothing_in_a_bucket_while_a_hold_answers_at_the_address() {
    // The directory has no document of the did:plc.
    for did in [None, Some("did:plc:z72i7hdynmk6r22z27h6tvur")] {
        let mut site = Site::new();
        let behind = Arc::default();
        let url = format!("http://localhost:{}", proxy(&behind));
        site.set("HOLD_PUBLIC_URL", &url);
        if let Some(did) = did {
            site.set("HOLD_DID", did);
        }
        let daemon = site.start();
        *behind.lock().unwrap() = Some(daemon.place.clone());
        let copy = copied(&site);
        use_copy(&mut site, &copy);
        // No bucket is asked before that.
        site.set("STORAGE_DRIVER", "s3");
        site.set("S3_BUCKET", "blobs");
        site.set("S3_ENDPOINT", "http://127.0.0.1:1");
        site.set("AWS_ACCESS_KEY_ID", "id");
        site.set("AWS_SECRET_ACCESS_KEY", "secret");
        let commands = [&["gc", "--run"][..], &["storage", "adopt"], &["uploads", "abort", "one"]];
        for command in commands {
            site.refuses(78, command, &["a hold answers at", &url, copy.to_str().unwrap(), "s3://blobs"]);
        }
        site.done(&["uploads", "list"]);
        *behind.lock().unwrap() = None;
        site.refuses(1, &["uploads", "abort", "one"], &["no such open upload"]);
        assert_eq!(daemon.stop(), Some(0));
    }
}
