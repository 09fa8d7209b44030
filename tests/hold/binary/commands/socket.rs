//! The admin socket: who may open it, where it is, and what is left of it.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::{Site, started_once};
use crate::binary::site::BINARY;
use crate::binary::{process::PATIENCE, skip};
use crate::support::other_user::{AS_NOBODY, can_be_nobody};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn only_its_owner_may_open_it_whatever_the_umask() {
    let mut site = Site::new();
    site.wrap(&["sh", "-c", "umask 000; exec \"$@\"", "sh"]);
    let daemon = site.start();
    let path = site.path("admin.sock");
    assert!(std::fs::metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(mode(&path), 0o600);
    assert!(!site.path("admin.sock.new").exists());
    assert_eq!(daemon.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn another_user_is_refused() {
    let mut site = Site::new();
    let _daemon = site.start();
    std::fs::set_permissions(site.directory.path(), PermissionsExt::from_mode(0o711)).unwrap();
    if !can_be_nobody(BINARY) {
        return skip(
            "another_user_is_refused",
            "this user cannot become another one, or that one cannot run the binary",
        );
    }
    site.wrap(&AS_NOBODY);
    let path = site.path("admin.sock");
    site.refuses(1, &["crew", "list"], &[path.to_str().unwrap(), "belongs to another user"]);
}

#[test]
fn what_a_killed_hold_leaves_behind_is_in_nobodys_way() {
    let site = Site::new();
    let mut daemon = site.start();
    daemon.kill();
    assert!(site.path("admin.sock").exists());
    let bob = site.bob.did.as_str();
    site.done(&["crew", "add", bob]);
    // One that was killed while it made its socket.
    std::fs::create_dir(site.path("admin.sock.new")).unwrap();
    drop(UnixListener::bind(site.path("admin.sock.new/s")).unwrap());
    let daemon = site.start();
    assert!(site.done(&["crew", "list"]).contains(bob));
    daemon.wait_for_line("operation=\"crew.list\"");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_socket_in_a_runtime_directory_is_found_without_knowing_it() {
    let mut site = Site::new();
    std::fs::create_dir(site.path("run")).unwrap();
    // What a crash of a version without a runtime directory left.
    drop(UnixListener::bind(site.path("admin.sock")).unwrap());
    site.set("RUNTIME_DIRECTORY", format!("{}:/elsewhere", site.path("run").display()));
    let mut daemon = site.start();
    site.unset("RUNTIME_DIRECTORY");
    assert_eq!(mode(&site.path("run/admin.sock")), 0o600);
    assert!(site.done(&["crew", "list"]).contains(site.alice.did.as_str()));
    daemon.wait_for_line("operation=\"crew.list\"");
    daemon.kill();
    // The way leads to nobody now.
    assert!(site.done(&["crew", "list"]).contains(site.alice.did.as_str()));
    let daemon = site.start();
    site.done(&["crew", "list"]);
    daemon.wait_for_line("operation=\"crew.list\"");
    assert_eq!(daemon.stop(), Some(0));
    assert!(!site.path("admin.sock").exists());
}

#[test]
fn a_hold_in_use_that_nobody_answers_for_is_named() {
    let mut site = Site::new();
    let daemon = site.start();
    let elsewhere = site.path("elsewhere.sock");
    site.set("HOLD_ADMIN_SOCKET", &elsewhere);
    site.refuses(1, &["crew", "list"], &["in use", "nobody answers", elsewhere.to_str().unwrap(), "HOLD_ADMIN_SOCKET"]);
    site.unset("HOLD_ADMIN_SOCKET");
    assert!(site.done(&["crew", "list"]).contains(site.alice.did.as_str()));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    let mut site = started_once();
    let path = site.path("taken.sock");
    site.set("HOLD_ADMIN_SOCKET", &path);
    std::fs::write(&path, "a file").unwrap();
    site.refuses(78, &[], &["admin socket", path.to_str().unwrap(), "not a socket", "HOLD_ADMIN_SOCKET"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    std::fs::remove_file(&path).unwrap();
    let living = UnixListener::bind(&path).unwrap();
    site.refuses(78, &[], &["admin socket", "in use"]);
    assert!(UnixStream::connect(&path).is_ok());
    drop(living);
    site.set("HOLD_ADMIN_SOCKET", site.path("missing/admin.sock"));
    site.refuses(78, &[], &["admin socket", "missing", "HOLD_ADMIN_SOCKET"]);
}

/// Sends a request, and answers everything that comes back until the hold closes.
fn ask(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_that_is_none_gets_an_error_line() {
    let site = Site::new();
    let daemon = site.start();
    let path = site.path("admin.sock");
    let post = |name: &str, body: &str| {
        let head =
            format!("POST /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        ask(&path, &(head + body))
    };
    let done = post("crew.list", "{}");
    assert!(done.starts_with("HTTP/1.1 200 ") && done.contains("content-type: application/x-ndjson"), "{done}");
    assert!(done.contains("{\"result\":[{\"did\":"), "{done}");
    let huge = format!("{{\"did\":\"{}\"}}", "x".repeat(70_000));
    for (name, body, status, word) in [
        ("crew.promote", "{}", 404, "does not know the operation"),
        ("crew.remove", "{}", 400, "missing field `did`"),
        ("crew.remove", "{\"did\":\"nobody\"}", 400, "DID"),
        ("crew.list", "", 400, "EOF"),
        ("crew.remove", &huge, 400, "too large"),
    ] {
        let answer = post(name, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("{\"error\":{\"message\":\"") && answer.contains(word), "no {word:?} in {answer}");
    }
    let got = ask(&path, "GET /crew.list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 405 "), "{got}");
    assert!(ask(&path, "POST /crew.list HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let mut site = started_once();
    let path = site.path("false.sock");
    site.set("HOLD_ADMIN_SOCKET", &path);
    let listener = UnixListener::bind(&path).unwrap();
    // As the daemon of this database has it.
    let lock = std::fs::File::open(site.path("hold.db.lock")).unwrap();
    lock.try_lock().unwrap();
    let result = "{\"result\":[]}";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let progress = "{\"progress\":null}\n";
    let cut = format!("{chunked}{:x}\r\n{progress}\r\n{:x}\r\n{result}\r\n", progress.len(), result.len());
    for (answer, words) in [
        (cut.clone(), "went away before this was done"),
        (cut + "0\r\n\r\n", "went away before this was done"),
        (format!("{chunked}3\r\nhm\n\r\n0\r\n\r\n"), "another version"),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "does not answer"),
        (String::new(), "does not answer"),
    ] {
        let other_end = listener.try_clone().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = other_end.accept().unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        site.refuses(1, &["uploads", "list"], &[words]);
        answering.join().unwrap();
    }
}

#[test]
fn the_log_says_of_a_command_that_went_away_that_it_was_cut_off() {
    let site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(&[7; 3_000_000]);
    // It takes three seconds, and says how far it is.
    let body = r#"{"repair":false,"bytesPerS":1000000}"#;
    let head = format!("POST /storage.verify HTTP/1.1\r\nhost: hold\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = UnixStream::connect(site.path("admin.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut seen = String::new();
    while !seen.contains("\"progress\"") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    drop(stream);
    daemon.wait_for_line("admin operation cut off: storage.verify");
    assert_eq!(daemon.stop(), Some(0));
}
