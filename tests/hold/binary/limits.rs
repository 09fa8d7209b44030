//! Descriptors, secrets and memory of a whole process.

use std::io::Write as _;
use std::net::TcpStream;

use super::process::{Daemon, eventually};
use super::site::{Site, token};
use crate::support::blob_hold::{content, digest};
use crate::support::http::blocking::{Client, Place, path_of, receive};

#[test]
fn it_outlives_a_want_of_descriptors() {
    let mut site = Site::new();
    site.wrap(&["prlimit", "--nofile=40:40"]);
    let daemon = site.start();
    daemon.client(&site.alice).push(b"before");
    let Place::Tcp(address) = daemon.place else { panic!("not TCP") };
    let connections: Vec<_> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
    daemon.wait_for_line("cannot accept connections; trying again");
    // As long as it takes to try again a few times.
    std::thread::sleep(std::time::Duration::from_millis(350));
    // One line for each time it begins: what was served before may still be ending.
    assert!(daemon.log().matches("cannot accept").count() < 5, "the log fills up");
    drop(connections);
    let client = daemon.client(&site.alice);
    eventually("it serves again", || client.try_initiate().is_ok_and(|answer| answer.status == 200));
    client.push(b"after");
    assert_eq!(client.pull(b"before").unwrap(), b"before");
}

/// The value of a name in a query.
fn value_of<'t>(target: &'t str, name: &str) -> &'t str {
    target.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap()
}

/// Everything that handles a secret, and what the secrets were.
fn handle_secrets(site: &Site, daemon: &Daemon) -> Vec<String> {
    let client = daemon.client(&site.alice);
    let good = client.token.clone().unwrap();
    let upload = client.initiate();
    let target = client.part_target(&upload, 1);
    let first = client.try_put(&target, b"first ").unwrap().field("etag");
    let headers = format!("X-Upload-Id: {upload}\r\nX-Part-Number: 2\r\n");
    let second = client.try_send("PUT", "/xrpc/io.atcr.hold.uploadPart", &headers, b"second").unwrap().field("etag");
    assert_eq!(client.complete(&upload, b"first second", &[first, second]).status, 200);
    let cid = digest(b"first second");
    let read = path_of(&client.get(&format!("/xrpc/com.atproto.sync.getBlob?did=did:web:x&cid={cid}")));
    assert_eq!(client.get(&read).status, 200);

    // Refusals of every kind: a wrong signature, a token for nobody, broken requests, a part of a finished upload.
    let tampered = format!("{}AAAA{}", &good[..good.len() - 40], &good[good.len() - 36..]);
    let stranger = token(&crate::support::hold::Account::unpublished(77));
    for bad in [&tampered, &stranger] {
        let refused = Client { token: Some(bad.clone()), ..client.clone() }.try_initiate().unwrap();
        assert!(matches!(refused.status, 401 | 503), "{}", refused.status);
    }
    assert_eq!(client.try_put(&target, b"again").unwrap().status, 404);
    assert_eq!(client.try_put(&target.replace("signature=", "signature=0"), b"x").unwrap().status, 403);
    assert_eq!(client.get(&read.replace("signature=", "signature=0")).status, 403);
    assert_eq!(client.try_send("POST", "/xrpc/io.atcr.hold.initiateUpload", "", b"{").unwrap().status / 100, 4);
    let mut broken = client.connect().unwrap();
    // At once: what comes after a refusal is lost.
    broken.write_all(format!("GET {read} HTTP/1.1\nAuthorization: Bearer {good}\n\n").as_bytes()).unwrap();
    assert_eq!(receive(&mut broken).unwrap().status, 400);

    let signatures = [value_of(&target, "signature").to_owned(), value_of(&read, "signature").to_owned()];
    let parts = |token: &str| token.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>();
    [parts(&good), parts(&tampered), parts(&stranger), signatures.to_vec()].concat()
}

#[test]
fn no_secret_is_ever_logged() {
    let mut site = Site::new();
    site.configure("log_level = \"trace\"\n");
    site.set("AWS_SECRET_ACCESS_KEY", "a-planted-secret-key");
    site.set("AWS_ACCESS_KEY_ID", "a-planted-key-id");
    let daemon = site.start();
    let mut secrets = handle_secrets(&site, &daemon);
    secrets.extend(["a-planted-secret-key", "a-planted-key-id"].map(str::to_owned));
    secrets.push(std::fs::read_to_string(site.path("keys/signing.key")).unwrap().trim_end().to_owned());
    daemon.signal("TERM");
    daemon.wait_for_line("stopped cut_off=0");
    let log = daemon.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "nothing is traced:\n{log}");
    let requests = log.lines().filter(|line| line.contains("/xrpc/") && line.contains(" ms")).count();
    assert!(requests > 10, "{log}");
    for secret in secrets {
        assert!(secret.len() >= 16, "{secret} may be found by chance");
        assert!(!log.contains(&secret), "{secret} in the log:\n{log}");
    }
}

/// The peak of a daemon's memory in KiB while so many parts are under way, each half sent.
fn peak_kib(parts: u32) -> u64 {
    const SENT: usize = 512 * 1024;
    let site = Site::new();
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let begin = |number| client.begin_part(&client.part_target(&upload, number), 2 * SENT);
    let mut streams: Vec<_> = (1..=parts).map(begin).collect();
    let bytes = content(1, 32 * 1024);
    for _ in 0..SENT / bytes.len() {
        for stream in &mut streams {
            stream.write_all(&bytes).unwrap();
        }
    }
    let staged = site.path(&format!("blobs/uploads/{upload}"));
    let all = || std::fs::read_dir(&staged).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>();
    eventually("everything is on disk", || all() == u64::from(parts) * SENT as u64);
    daemon.memory_kib("VmHWM")
}

#[test]
fn memory_does_not_grow_with_what_is_uploaded() {
    // 32 MiB and 128 MiB are sent. A release build needs less; what matters is that there is a bound.
    for (parts, bound_kib) in [(64, 50 * 1024), (256, 80 * 1024)] {
        let peak_kib = peak_kib(parts);
        assert!(peak_kib < bound_kib, "{peak_kib} KiB with {parts} parts in flight");
    }
}
