//! A start that takes long: a store that is there and does nothing, a database that is brought to the newest version.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::process::eventually;
use super::site::Site;
use crate::support::manager::{LONGER, Manager};

/// Answers the first request, and takes the next ones in silence. Says when the second one has come.
fn sluggish_store() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, waits) = channel();
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut [0; 4096]);
        first.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut silent = vec![];
        while let Ok((stream, _)) = listener.accept() {
            silent.push(stream);
            let _ = told.send(());
        }
    });
    (format!("http://{address}"), waits)
}

/// A site whose blobs are in that store.
fn site_of(endpoint: String) -> Site {
    let mut site = Site::new();
    site.set("STORAGE_DRIVER", "s3");
    site.set("S3_BUCKET", "bucket");
    site.set("S3_ENDPOINT", endpoint);
    site.set("AWS_ACCESS_KEY_ID", "id");
    site.set("AWS_SECRET_ACCESS_KEY", "secret");
    site
}

/// Ends a hold by SIGTERM; answers its exit code.
fn ended(mut hold: Child) -> Option<i32> {
    assert!(Command::new("kill").arg(hold.id().to_string()).status().unwrap().success());
    hold.wait().unwrap().code()
}

#[test]
fn a_start_that_waits_for_the_store_can_be_ended() {
    let (endpoint, waits) = sluggish_store();
    let site = site_of(endpoint);
    let hold = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    waits.recv_timeout(Duration::from_secs(60)).unwrap();
    let asked = Instant::now();
    assert_eq!(ended(hold), Some(0));
    // Without the signal it gives the store 25 seconds.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert!(!site.path("hold.db").exists());
}

#[test]
fn a_start_that_takes_long_asks_the_manager_for_time() {
    let (endpoint, _waits) = sluggish_store();
    let mut site = site_of(endpoint);
    let manager = Manager::of(&mut site);
    let hold = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    eventually("it asks for time", || manager.heard().as_deref() == Some(LONGER));
    assert_eq!(ended(hold), Some(0));
}

#[test]
fn a_start_that_migrates_the_database_can_be_ended() {
    let site = Site::new();
    let database = Connection::open(site.path("hold.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    // The migration waits for this as long as it may: five seconds.
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let hold = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    let files = format!("/proc/{}/fd", hold.id());
    eventually("the hold opens its database", || {
        let mut open = std::fs::read_dir(&files).unwrap().filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        open.any(|file| file == site.path("hold.db-wal"))
    });
    assert_eq!(ended(hold), Some(0));
}

#[test]
fn a_start_that_waits_for_the_disk_can_be_ended() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let marker = site.path("blobs/docker/atcr-hold.json");
    std::fs::remove_file(&marker).unwrap();
    // Nobody ever writes into it.
    assert!(Command::new("mkfifo").arg(&marker).status().unwrap().success());
    let hold = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    eventually("the hold has its database", || site.path("admin.sock").exists());
    assert_eq!(ended(hold), Some(0));
}
