//! A disk that loses what was written, and one on which the quota is used up: every fsync, or write, of one file fails, as
//! strace makes it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::binary::metrics;
use crate::binary::process::Daemon;
use crate::binary::site::Site;
use crate::binary::skip;
use crate::support::blob_hold::{content, digest};

/// A tracer of a daemon that lets every fsync of one file or directory fail, until it goes.
struct BrokenSync(Child);

impl BrokenSync {
    /// An error says why there is none.
    fn of(daemon: &Daemon, file: &Path) -> Result<Self, String> {
        Self::with(daemon, "fsync,fdatasync", "EIO", &[file])
    }

    /// Lets these system calls fail with this error on any of the files, which need not be there yet.
    fn with(daemon: &Daemon, calls: &str, error: &str, files: &[&Path]) -> Result<Self, String> {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &daemon.id().to_string(), "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:error={error}")]);
        for file in files {
            command.arg("-P").arg(file);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        // It says that it is attached to all threads, or why not.
        let first = lines.find(|line| !line.contains("Requested path")).unwrap_or_default();
        // It must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let tracer = Self(child);
        if first.contains("attached") { Ok(tracer) } else { Err(first) }
    }

    /// The same for a test, which says so when there is none.
    fn or_skip(test: &str, daemon: &Daemon, file: &Path) -> Option<Self> {
        Self::of(daemon, file).map_err(|why| skip(test, &why)).ok()
    }
}

impl Drop for BrokenSync {
    fn drop(&mut self) {
        // The kernel detaches a tracer that ends.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_part_that_cannot_be_synced_is_never_acknowledged() {
    let site = Site::new();
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    let whole = content(1, 200_000);
    let upload = client.initiate();
    let target = client.part_target(&upload, 2);
    let first = client.put_part(&upload, 1, &whole[..100_000]).field("etag");
    let main = site.path(&format!("blobs/uploads/{upload}/main"));
    let Some(broken) = BrokenSync::or_skip("a part that cannot be synced", &daemon, &main) else { return };
    let answer = client.try_put(&target, &whole[100_000..]).unwrap();
    assert_eq!(answer.outcome(), (500, "UploadFailed".into()));
    assert_eq!(answer.field("message"), "the hold failed; its log says why");
    drop(broken);

    // What of the upload is on disk is unknown: it is gone, and nothing was promised.
    assert_eq!(client.complete(&upload, &whole, &[first]).outcome(), (404, "InvalidUploadId".into()));
    assert!(!main.exists());
    assert!(client.pull(&whole).is_none());
    assert!(daemon.is_alive());
    client.push(&whole);
    assert!(client.pull(&whole).unwrap() == whole);
}

#[test]
fn a_blob_that_cannot_be_synced_is_never_acknowledged() {
    let site = Site::new();
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let whole = content(1, 100_000);
    // Made beforehand, so that the tracer can watch the directory that gets the blob.
    let hex = digest(&whole).hex();
    let directory = site.path(&format!("blobs/docker/registry/v2/blobs/sha256/{}/{hex}", &hex[..2]));
    std::fs::create_dir_all(&directory).unwrap();
    let upload = client.initiate();
    let first = client.put_part(&upload, 1, &whole).field("etag");
    let Some(broken) = BrokenSync::or_skip("a blob that cannot be synced", &daemon, &directory) else { return };
    assert_eq!(client.complete(&upload, &whole, &[first]).outcome(), (500, "CompletionFailed".into()));
    assert!(client.pull(&whole).is_none(), "a blob that may not last is visible");
    drop(broken);
    client.push(&whole);
    assert!(client.pull(&whole).unwrap() == whole);
}

#[test]
fn a_database_that_cannot_be_synced_ends_the_process() {
    let site = Site::new();
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"acknowledged");
    let log = site.path("hold.db-wal");
    let Some(broken) = BrokenSync::or_skip("a database that cannot be synced", &daemon, &log) else { return };
    // The answer may go down with the process, but it is never a success.
    let answer = client.try_initiate();
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 500), "{answer:?}");
    assert_eq!(daemon.ended().code(), Some(1));
    daemon.wait_for_line("stopping, so that the next start recovers");
    drop(broken);

    let daemon = site.start();
    let client = daemon.client(&site.alice);
    assert_eq!(client.pull(b"acknowledged").unwrap(), b"acknowledged");
    client.push(b"and on");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_blob_that_cannot_be_read_while_it_is_sent_is_named_in_the_log_and_counted() {
    let mut site = Site::new();
    site.set("HOLD_METRICS_ADDR", "127.0.0.1:0");
    let daemon = site.start();
    let (client, scraper) = (daemon.client(&site.alice), metrics::scraper(&daemon));
    // One that the kernel sends, and one that is read.
    let (sent, read) = (content(1, 3_000_000), content(2, 100_000));
    for (count, whole) in [(1.0, sent), (2.0, read)] {
        client.push(&whole);
        let url = client.blob_url(&whole).unwrap();
        let hex = digest(&whole).hex();
        let file = site.path(&format!("blobs/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
        assert!(file.exists());
        let broken = match BrokenSync::with(&daemon, "sendfile,pread64,preadv2", "EIO", &[&file]) {
            Ok(broken) => broken,
            Err(why) => return skip("a blob that cannot be read", &why),
        };
        assert!(client.try_by_url("GET", &url, b"").is_err(), "nobody takes a part for the whole");
        daemon.wait_for_line(&format!("a blob cannot be read; the pull was cut off digest={}", digest(&whole)));
        drop(broken);
        let page = metrics::scrape(&scraper);
        assert_eq!(page.get(r#"atcr_hold_storage_errors_total{backend="filesystem",kind="failed"}"#), count);
        assert!(client.pull(&whole).unwrap() == whole);
    }
}

#[test]
fn a_quota_that_is_used_up_is_a_full_disk() {
    let site = Site::new();
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"there before");
    let (log, tried) = (site.path("hold.db-wal"), site.path("hold.db-room"));
    let full = match BrokenSync::with(&daemon, "write,pwrite64", "EDQUOT", &[&log, &tried]) {
        Ok(full) => full,
        Err(why) => return skip("a quota that is used up", &why),
    };
    let refused = client.try_initiate().unwrap();
    assert_eq!(refused.outcome(), (507, "InsufficientStorage".into()));
    assert_eq!(client.pull(b"there before").unwrap(), b"there before");
    assert!(daemon.is_alive());
    drop(full);
    client.push(b"and on");
    assert_eq!(client.pull(b"and on").unwrap(), b"and on");
    assert!(!tried.exists());
    assert_eq!(daemon.stop(), Some(0));
}
