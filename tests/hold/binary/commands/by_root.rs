//! Commands that root runs for a stopped hold of another user: it can use all that they leave behind.

use std::os::unix::fs::MetadataExt as _;

use super::Site;
use crate::binary::site::BINARY;
use crate::binary::skip;
use crate::support::other_user::{AS_NOBODY, NOBODY, all, can_be_nobody, give_to_nobody, of_root};

/// A stopped hold of `nobody`, with a blob; `None` where this user cannot become another one.
fn site_of_nobody() -> Option<Site> {
    if !can_be_nobody(BINARY) {
        skip("commands by root", "this user cannot become another one, or that one cannot run the binary");
        return None;
    }
    let mut site = Site::new();
    give_to_nobody(site.directory.path());
    site.wrap(&AS_NOBODY);
    let daemon = site.start();
    daemon.client(&site.alice).push(b"layer");
    assert_eq!(daemon.stop(), Some(0));
    Some(site)
}

/// Runs commands as root, then starts the hold as nobody; answers whether it has the blob. It takes another one.
#[track_caller]
fn starts_after(site: &mut Site, commands: &[&[&str]]) -> bool {
    site.wrap(&[]);
    for command in commands {
        site.done(command);
    }
    let left = of_root(site.directory.path());
    assert!(left.is_empty(), "{commands:?}: {left:?}");
    site.wrap(&AS_NOBODY);
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"another");
    let found = client.pull(b"layer").is_some();
    assert_eq!(daemon.stop(), Some(0));
    found
}

#[test]
fn a_look_before_the_start_of_a_restored_database() {
    let Some(mut site) = site_of_nobody() else { return };
    // A restore has put the database alone into its place.
    std::fs::remove_file(site.path("hold.db.lock")).unwrap();
    let copy = site.directory.path().join("copy.db");
    assert!(starts_after(&mut site, &[&["repo", "verify"], &["storage", "verify"]]));
    site.wrap(&[]);
    site.done(&["backup", copy.to_str().unwrap()]);
    assert_eq!(site.path("hold.db.backed-up").metadata().unwrap().uid(), NOBODY);
}

#[test]
fn a_storage_that_is_adopted() {
    let Some(mut site) = site_of_nobody() else { return };
    std::fs::remove_dir_all(site.path("blobs")).unwrap();
    std::fs::create_dir(site.path("blobs")).unwrap();
    give_to_nobody(site.directory.path());
    assert!(!starts_after(&mut site, &[&["storage", "adopt"]]));
}

#[test]
fn a_storage_that_blobs_were_migrated_to() {
    let Some(mut site) = site_of_nobody() else { return };
    std::fs::create_dir(site.path("elsewhere")).unwrap();
    std::fs::write(site.path("new.toml"), format!("[storage]\nroot_dir = {:?}\n", site.path("elsewhere"))).unwrap();
    give_to_nobody(site.directory.path());
    let file = site.path("new.toml");
    assert!(starts_after(&mut site, &[&["storage", "migrate", "--to", file.to_str().unwrap()]]));
    site.set("STORAGE_ROOT_DIR", site.path("elsewhere"));
    assert!(starts_after(&mut site, &[]));
}

#[test]
fn a_blob_that_is_in_quarantine() {
    let Some(mut site) = site_of_nobody() else { return };
    let blob = all(&site.path("blobs")).into_iter().find(|path| path.ends_with("data")).unwrap();
    std::fs::write(blob, b"rotten").unwrap();
    site.wrap(&[]);
    assert_eq!(site.run(&["storage", "verify", "--repair"]).code, Some(1));
    assert!(!starts_after(&mut site, &[]));
}
