//! Exit codes, and what a start leaves alone.

use std::io::Write as _;

use rusqlite::Connection;

use super::site::Site;
use crate::support::other_user::{AS_NOBODY, can_be_nobody, give_to_nobody};

/// A start that is refused: its code, and its last line.
#[track_caller]
fn refused(site: &Site, code: i32, words: &[&str]) {
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let line = ended.stderr.lines().last().unwrap();
    words.iter().for_each(|word| assert!(line.contains(word), "no {word:?} in {line}"));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_one_line() {
    let mut site = Site::new();
    for url in [None, Some("http://a.example")] {
        site.unset("ATCR_BASE_URL");
        url.into_iter().for_each(|url| site.set("ATCR_BASE_URL", url));
        let ended = site.run(&[]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
        assert!(ended.stderr.starts_with("atcr-appview: base_url (ATCR_BASE_URL)"), "{}", ended.stderr);
    }
    assert!(!site.path("appview.db").exists() && !site.path("keys").exists(), "nothing was made");
}

#[test]
fn a_database_of_a_newer_version_or_another_program_is_left_alone() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let change = |sql: &str| Connection::open(site.path("appview.db")).unwrap().execute_batch(sql).unwrap();
    let version: i64 = Connection::open(site.path("appview.db"))
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    change(&format!("PRAGMA user_version = {}", version + 1));
    refused(
        &site,
        78,
        &[&format!("has schema {}", version + 1), "start the newer atcr-appview again, or restore a backup"],
    );
    change(&format!("PRAGMA user_version = {version}; PRAGMA application_id = 7"));
    refused(&site, 78, &["is damaged or not a database of atcr-appview (it was made by another program)"]);
    change("PRAGMA application_id = 1635017078");
    assert_eq!(site.start().stop(), Some(0), "nothing was changed");
}

#[test]
fn what_is_taken_or_cannot_be_made_is_named() {
    let mut site = Site::new();
    let daemon = site.start();
    refused(&site, 1, &["is in use by another atcr-appview: stop that one first"]);
    assert_eq!(daemon.anonymous().get("/_health").status, 200);
    assert_eq!(daemon.stop(), Some(0));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    site.set("ATCR_METRICS_ADDR", &address);
    refused(&site, 1, &["metrics cannot be given at", "set ATCR_METRICS_ADDR to a free address"]);
    site.unset("ATCR_METRICS_ADDR");
    site.set("ATCR_HTTP_ADDR", &address);
    refused(&site, 1, &["cannot listen on", "set ATCR_HTTP_ADDR to a free address"]);
    for (address, remedy) in [
        ("192.0.2.1:5000", "an address of this machine"),
        ("/missing/registry.sock", "a path in a directory that exists"),
        (site.path("appview.db").to_str().unwrap(), "another path"),
    ] {
        site.set("ATCR_HTTP_ADDR", address);
        refused(&site, 1, &["cannot listen on", address, &format!("set ATCR_HTTP_ADDR to {remedy}")]);
    }
    site.set("ATCR_HTTP_ADDR", "127.0.0.1:0");
    site.set("ATCR_ADMIN_SOCKET", site.path("missing/admin.sock"));
    refused(&site, 78, &["the admin socket", "set ATCR_ADMIN_SOCKET to a path this user can write"]);
}

#[test]
fn root_certificates_that_a_variable_names_and_that_are_none_are_told() {
    let mut site = Site::new();
    site.set("SSL_CERT_FILE", "/dev/null");
    refused(&site, 78, &["no root certificates were found", "correct SSL_CERT_FILE and SSL_CERT_DIR"]);
}

#[test]
fn a_damaged_key_can_be_moved_aside() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let key = site.path("keys/auth.key");
    std::fs::write(&key, "cut off").unwrap();
    refused(&site, 78, &["is damaged", "or move it aside, and the next start makes another", "signs in again"]);
    std::fs::rename(&key, site.path("keys/aside")).unwrap();
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn a_directory_of_uploads_that_cannot_be_used_is_told_before_a_push() {
    let mut site = Site::new();
    let uploads = site.path("uploads");
    let words = ["the directory of uploads", uploads.to_str().unwrap(), "a directory in which this user can write"];
    std::fs::write(&uploads, "").unwrap();
    refused(&site, 78, &words);
    std::fs::remove_file(&uploads).unwrap();
    assert_eq!(site.start().stop(), Some(0));
    if !can_be_nobody(env!("CARGO_BIN_EXE_atcr-appview")) {
        let _ = std::io::stderr().write_all(b"skipped: a directory of root's: this user cannot become another one\n");
        return;
    }
    give_to_nobody(&site.path(""));
    std::os::unix::fs::chown(&uploads, Some(0), Some(0)).unwrap();
    site.wrap(&AS_NOBODY);
    refused(&site, 78, &words);
    give_to_nobody(&uploads);
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn a_disk_with_too_little_room_for_uploads_is_named_at_the_start() {
    let mut site = Site::new();
    let roomy = site.start();
    assert_eq!(roomy.anonymous().get("/_health").status, 200);
    assert!(!roomy.log().contains("is full"), "{}", roomy.log());
    assert_eq!(roomy.stop(), Some(0));
    site.configure("[limits]\nreserve_bytes = 1152921504606846976\n");
    let daemon = site.start();
    let line = daemon.wait_for_line("the file system of the uploads is full: uploads are refused");
    assert!(line.contains("free_bytes=") && line.contains("WARN"), "{line}");
    assert_eq!(daemon.anonymous().get("/_health").status, 200, "pulls go on");
    assert_eq!(daemon.stop(), Some(0));
}
