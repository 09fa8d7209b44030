//! SIGKILL at any moment: what was acknowledged is there, what was begun goes on, nothing else is left behind.

mod worker;

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::dice::Dice;
use super::process::{Daemon, eventually};
use super::repository::verified;
use super::site::Site;
use crate::objects::buckets_here;
use crate::support::http::blocking::Client;
use worker::{Members, Uploader};

const KILLS: usize = 45;
/// Each takes as long as the store is tried at start.
const BUCKET_KILLS: usize = 25;
/// The most requests that a daemon answers before it is killed.
const LIFE_REQUESTS: u64 = 20;

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let mut site = Site::new();
    // A kill may take the answer to a beginning with it: those uploads stay open.
    site.configure("[limits]\nuploads_per_account = 1000\n");
    let mut dice = Dice(7);
    let mut uploaders = [Uploader::in_order(1), Uploader::backwards(2)];
    let mut members = Members::default();
    for kill in 0..KILLS {
        let mut daemon = site.start();
        check(&site, &daemon, &uploaders, &members);
        let client = daemon.client(&site.alice);
        let answered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for uploader in &mut uploaders {
                scope.spawn(|| uploader.work(&client, &answered));
            }
            scope.spawn(|| members.work(&client, &answered));
            let last = dice.below(LIFE_REQUESTS);
            eventually("requests are answered", || answered.load(Ordering::Relaxed) >= last);
            std::thread::sleep(Duration::from_micros(dice.below(8_000)));
            daemon.kill();
        });
        if kill % 5 == 0 {
            // One more, while it recovers.
            let mut starting = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(30)));
            starting.kill().unwrap();
            starting.wait().unwrap();
        }
    }
    let daemon = site.start();
    check(&site, &daemon, &uploaders, &members);
    let client = daemon.client(&site.alice);
    finish(&client, &mut uploaders);
    assert!(!members.acknowledged.is_empty());
    assert_eq!(daemon.stop(), Some(0));
}

/// The same on a bucket, where a completion has more steps: by URLs of the store, and through the hold.
#[test]
fn nothing_acknowledged_is_lost_to_a_kill_in_a_bucket() {
    // Both ways for parts; downloads come from the hold in one case and from the store in the others.
    for (number, (option, value)) in (11..).zip([
        ("DISABLE_PRESIGNED_URLS", "false"),
        ("DISABLE_PRESIGNED_URLS", "true"),
        ("STORAGE_PRESIGNED", "downloads"),
    ]) {
        // A new one each: a new database is not let at the blobs of its hold.
        for bucket in buckets_here().into_iter().filter(|bucket| bucket.name == "garage") {
            let mut site = Site::new();
            site.configure(&format!("[limits]\nuploads_per_account = 1000\n[storage.s3]\n{}", bucket.options()));
            site.set("STORAGE_DRIVER", "s3");
            site.set(option, value);
            let mut dice = Dice(number);
            let mut uploaders = [Uploader::in_order(1), Uploader::backwards(2)];
            for _ in 0..BUCKET_KILLS {
                let mut daemon = site.start();
                let client = daemon.client(&site.alice);
                check_blobs(&client, &uploaders);
                let answered = AtomicU64::new(0);
                std::thread::scope(|scope| {
                    for uploader in &mut uploaders {
                        scope.spawn(|| uploader.work(&client, &answered));
                    }
                    let last = dice.below(LIFE_REQUESTS);
                    eventually("requests are answered", || answered.load(Ordering::Relaxed) >= last);
                    std::thread::sleep(Duration::from_micros(dice.below(150_000)));
                    daemon.kill();
                });
            }
            let daemon = site.start();
            finish(&daemon.client(&site.alice), &mut uploaders);
            assert_eq!(daemon.stop(), Some(0));
        }
    }
}

/// Finishes what is open; then every acknowledged blob must be there.
fn finish(client: &Client, uploaders: &mut [Uploader]) {
    for uploader in uploaders {
        uploader.finish(client);
        for whole in &uploader.acknowledged {
            assert!(client.pull(whole).as_ref() == Some(whole), "an acknowledged blob is lost or changed");
        }
        assert!(!uploader.acknowledged.is_empty());
    }
}

fn check_blobs(client: &Client, uploaders: &[Uploader]) {
    for whole in uploaders.iter().filter_map(|uploader| uploader.acknowledged.last()) {
        assert!(client.pull(whole).as_ref() == Some(whole), "the newest acknowledged blob is lost or changed");
    }
}

/// What must hold right after a start.
fn check(site: &Site, daemon: &Daemon, uploaders: &[Uploader], members: &Members) {
    let client = daemon.client(&site.alice);
    check_blobs(&client, uploaders);
    assert_no_orphans(site, uploaders);
    let (_, records) = verified(&client);
    for member in &members.acknowledged {
        assert!(records.contains_key(&format!("io.atcr.hold.crew/{member}")), "an acknowledged record is lost");
    }
}

/// Every staged file may belong to an upload that is not finished: one for all parts in order, one for any other.
fn assert_no_orphans(site: &Site, uploaders: &[Uploader]) {
    let open: HashSet<_> = uploaders.iter().filter_map(Uploader::open_id).collect();
    for folder in std::fs::read_dir(site.path("blobs/uploads")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        assert!(open.contains(name.as_str()), "{name} is staged for nobody");
        let mut seen = HashSet::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let part = file.rsplit_once('-').map_or(file.as_str(), |(part, _)| part).to_owned();
            assert!(seen.insert(part), "{file} is there twice");
        }
    }
}
