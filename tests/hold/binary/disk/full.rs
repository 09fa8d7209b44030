//! No space, no inodes, no permission to grow, no permission to write.

use std::io::Write as _;

use super::mount::{Mount, names};
use crate::binary::process::{Daemon, eventually};
use crate::binary::site::Site;
use crate::binary::skip;
use crate::support::blob_hold::content;
use crate::support::http::Answer;
use crate::support::http::blocking::{Client, receive};

const MIB: usize = 1 << 20;
/// What uploads leave free for the database.
const RESERVE_MIB: usize = 64;

/// A site with its blobs on a file system of its own; `None` when it cannot be mounted.
fn site_on(test: &str, options: &str) -> Option<(Site, Mount)> {
    let site = Site::new();
    match Mount::new(site.path("blobs"), options) {
        Ok(mount) => Some((site, mount)),
        Err(why) => {
            skip(test, &why);
            None
        }
    }
}

fn insufficient() -> (u16, String) {
    (507, "InsufficientStorage".into())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

/// Adds a member and removes it again.
fn crew_changes(daemon: &Daemon, site: &Site) {
    let alice = daemon.client(&site.alice);
    let rkey = atcr_hold::crew::member_key(&site.bob.did);
    let record = serde_json::json!({
        "$type": "io.atcr.hold.crew", "member": site.bob.did, "role": "mate", "permissions": ["blob:write"],
        "addedAt": "2026-01-01T00:00:00.000Z",
    });
    let repo = "did:web:localhost%3A8080";
    let named = serde_json::json!({ "repo": repo, "collection": "io.atcr.hold.crew", "rkey": rkey });
    let mut added = named.clone();
    added["record"] = record;
    assert_eq!(alice.call("com.atproto.repo.putRecord", &added).outcome(), ok());
    assert_eq!(alice.call("com.atproto.repo.deleteRecord", &named).outcome(), ok());
    let refused = daemon.client(&site.bob).try_initiate().unwrap();
    assert_eq!(refused.status, 403, "a removed member may still write");
}

/// Uploads parts of 4 MiB until one is refused: their contents and ETags, and the refusal.
fn until_refused(client: &Client, upload: &str) -> (Vec<u8>, Vec<String>, Answer) {
    let (mut whole, mut etags) = (vec![], vec![]);
    loop {
        let number = u32::try_from(etags.len() + 1).unwrap();
        let bytes = content(u8::try_from(number).unwrap(), 4 * MIB);
        let answer = client.put_part(upload, number, &bytes);
        if answer.status != 200 {
            return (whole, etags, answer);
        }
        whole.extend(bytes);
        etags.push(answer.field("etag"));
        assert!(etags.len() < 20, "the disk is never full");
    }
}

#[test]
fn uploads_stop_at_the_reserve_and_go_on_when_there_is_room() {
    let Some((mut site, mount)) = site_on("a full disk", &format!("size={}m", RESERVE_MIB + 20)) else { return };
    // On the very disk that fills up.
    site.set("HOLD_DATABASE_PATH", mount.path.join("hold.db"));
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"there before");
    let upload = client.initiate();
    let (mut whole, mut etags, refusal) = until_refused(&client, &upload);
    assert_eq!(refusal.outcome(), insufficient());
    assert!((2..=4).contains(&etags.len()), "{} parts of 4 MiB in 20 MiB", etags.len());
    assert_eq!(names(&mount.path.join("uploads").join(&upload)), ["main"]);

    assert_eq!(client.pull(b"there before").unwrap(), b"there before");
    crew_changes(&daemon, &site);
    // What needs no room still completes.
    assert_eq!(client.complete(&client.initiate(), b"", &[]).outcome(), ok());

    mount.remount(&format!("size={}m", RESERVE_MIB + 40));
    let number = u32::try_from(etags.len() + 1).unwrap();
    let last = content(99, 4 * MIB);
    etags.push(client.put_part(&upload, number, &last).field("etag"));
    whole.extend(last);
    assert_eq!(client.complete(&upload, &whole, &etags).outcome(), ok());
    assert!(client.pull(&whole).unwrap() == whole);
}

/// Sends a part in one chunk, of a length that is not announced; nothing is said of how it ends.
fn put_chunked(client: &Client, target: &str, bytes: &[u8]) {
    let head = format!("PUT {target} HTTP/1.1\r\nHost: localhost:8080\r\nTransfer-Encoding: chunked\r\n\r\n");
    let Ok(mut stream) = client.connect() else { return };
    let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
    // The hold may answer, and hang up, before it has all.
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_ok() {
        let _ = receive(&mut stream);
    }
}

#[test]
fn many_small_parts_at_once_leave_the_reserve_alone_and_the_captain_may_remove_their_owner() {
    let Some((mut site, mount)) = site_on("small parts at once", &format!("size={}m", RESERVE_MIB + 12)) else {
        return;
    };
    site.set("HOLD_DATABASE_PATH", mount.path.join("hold.db"));
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let targets: Vec<_> = (0..60).map(|_| client.part_target(&client.initiate(), 1)).collect();
    // Below the step after which a part is written back to the disk.
    let part = content(1, 3 * MIB);
    let least = std::thread::scope(|scope| {
        let senders: Vec<_> =
            targets.iter().map(|target| scope.spawn(|| put_chunked(&client, target, &part))).collect();
        let mut least = u64::MAX;
        while !senders.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            least = least.min(server::storage::DiskSpace::of(&mount.path).unwrap().free_bytes);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        least
    });
    // The database's own log is on this disk too.
    let kept = (RESERVE_MIB - 4) * MIB;
    assert!(least >= kept as u64, "{} MiB of the reserve were left", least / MIB as u64);
    crew_changes(&daemon, &site);
}

#[test]
fn a_disk_that_fills_up_within_a_part_costs_only_that_part() {
    let Some((site, mount)) = site_on("a disk that fills up", &format!("size={}m", RESERVE_MIB + 20)) else { return };
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let whole = content(1, 12 * MIB);
    let first = client.put_part(&upload, 1, &whole[..4 * MIB]).field("etag");

    let mut part = client.begin_part(&client.part_target(&upload, 2), 8 * MIB);
    part.write_all(&whole[4 * MIB..5 * MIB]).unwrap();
    let main = mount.path.join("uploads").join(&upload).join("main");
    eventually("the part is being written", || std::fs::metadata(&main).unwrap().len() >= 5 * MIB as u64);
    let filler = mount.fill();
    // All of it goes out: the hold reads on, so that its answer is not lost.
    part.write_all(&whole[5 * MIB..]).unwrap();
    assert_eq!(receive(&mut part).unwrap().outcome(), insufficient());
    assert_eq!(std::fs::metadata(&main).unwrap().len(), 4 * MIB as u64, "bytes of the failed part stay");
    assert_eq!(client.put_part(&upload, 2, &whole[4 * MIB..]).outcome(), insufficient());
    crew_changes(&daemon, &site);

    std::fs::remove_file(filler).unwrap();
    let second = client.put_part(&upload, 2, &whole[4 * MIB..]).field("etag");
    assert_eq!(client.complete(&upload, &whole, &[first, second]).outcome(), ok());
    assert!(client.pull(&whole).unwrap() == whole);
}

#[test]
fn no_room_for_the_database_stops_writes_only() {
    let Some((mut site, mount)) = site_on("no room for the database", "size=70m") else { return };
    site.set("HOLD_DATABASE_PATH", mount.path.join("hold.db"));
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"there before");
    let filler = mount.fill();
    let refusals = (0..200).map(|_| client.try_initiate().unwrap().outcome()).find(|outcome| outcome.0 != 200);
    assert_eq!(refusals, Some(insufficient()));
    assert_eq!(client.pull(b"there before").unwrap(), b"there before");
    assert_eq!(daemon.anonymous().get("/xrpc/com.atproto.sync.getRepo?did=did:web:localhost%253A8080").status, 200);
    assert!(daemon.is_alive());
    std::fs::remove_file(filler).unwrap();
    crew_changes(&daemon, &site);
}

#[test]
fn no_inodes_are_no_space() {
    let Some((site, mount)) = site_on("no inodes", "size=100m,nr_inodes=12") else { return };
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let part = client.put_part(&upload, 1, b"part").field("etag");
    let fillers: Vec<_> = (0..20).map(|n| mount.path.join(format!("filler-{n}"))).collect();
    let made = fillers.iter().filter(|path| std::fs::write(path, "").is_ok()).count();
    assert!((1..20).contains(&made));
    // The upload needs directories for its blob, another one a folder.
    assert_eq!(client.complete(&upload, b"part", std::slice::from_ref(&part)).outcome(), insufficient());
    let other = client.initiate();
    assert_eq!(client.put_part(&other, 1, b"other").outcome(), insufficient());
    crew_changes(&daemon, &site);
    for path in &fillers[..made] {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(client.complete(&upload, b"part", &[part]).outcome(), ok());
    assert_eq!(client.pull(b"part").unwrap(), b"part");
}

#[test]
fn some_inodes_are_kept_free() {
    let Some((site, mount)) = site_on("some inodes", "size=100m,nr_inodes=640") else { return };
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let part = client.put_part(&upload, 1, b"part").field("etag");
    let free = || rustix::fs::statvfs(&mount.path).unwrap().f_favail;
    for number in 0..free() - 8 {
        std::fs::write(mount.path.join(format!("filler-{number}")), "").unwrap();
    }
    // A 64th of 640 is kept.
    let other = client.initiate();
    assert_eq!(client.put_part(&other, 1, b"other").outcome(), insufficient());
    assert_eq!(free(), 8);
    assert_eq!(client.complete(&upload, b"part", &[part]).outcome(), ok());
}

#[test]
fn a_limit_of_file_sizes_is_no_space() {
    let mut site = Site::new();
    site.wrap(&["prlimit", "--fsize=2097152:2097152"]);
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let whole = content(1, 3 * MIB / 2);
    let first = client.put_part(&upload, 1, &whole).field("etag");
    assert_eq!(client.put_part(&upload, 2, &whole).outcome(), insufficient());
    assert!(daemon.is_alive(), "SIGXFSZ ended it");
    assert_eq!(client.complete(&upload, &whole, &[first]).outcome(), ok());
    assert!(client.pull(&whole).unwrap() == whole);
}

#[test]
fn a_read_only_disk_stops_writes_only() {
    let Some((site, mount)) = site_on("a read-only disk", "size=100m") else { return };
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"there before");
    let upload = client.initiate();
    let first = client.put_part(&upload, 1, b"first ").field("etag");
    mount.remount("ro");
    let unavailable = client.put_part(&upload, 2, b"second");
    assert_eq!(unavailable.outcome(), (503, "ServiceUnavailable".into()));
    assert!(unavailable.header("retry-after").is_some(), "{:?}", unavailable.headers);
    let refused = client.complete(&upload, b"first ", std::slice::from_ref(&first));
    assert_eq!(refused.outcome(), (503, "ServiceUnavailable".into()));
    assert_eq!(client.pull(b"there before").unwrap(), b"there before");
    crew_changes(&daemon, &site);
    mount.remount("rw");
    let second = client.put_part(&upload, 2, b"second").field("etag");
    assert_eq!(client.complete(&upload, b"first second", &[first, second]).outcome(), ok());
}
