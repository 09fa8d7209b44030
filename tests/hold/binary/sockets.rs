//! Sockets that are passed on or made, what the service manager is told, and ending in order.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;

use super::process::{Daemon, eventually};
use super::site::Site;
use crate::support::blob_hold::content;
use crate::support::http::blocking::{Place, receive};
use crate::support::manager::Manager;
use crate::support::program::Ended;

/// A hold that gets `socket` as descriptor 3, as from a service manager: a shell moves it there and names itself,
/// which the binary becomes.
fn start_with(site: &mut Site, socket: impl Into<OwnedFd>) -> Daemon {
    let moves = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\"";
    site.wrap(&["sh", "-c", moves, "sh"]);
    let mut command = site.command(&["serve", "--socket-activated"]);
    command.stdin(Stdio::from(socket.into()));
    Daemon::start(command)
}

/// An upload with its first part sent, the target of the second, and the first ETag.
fn half_an_upload(daemon: &Daemon, site: &Site, whole: &[u8]) -> (String, String, String) {
    let client = daemon.client(&site.alice);
    let upload = client.initiate();
    let first = client.put_part(&upload, 1, &whole[..whole.len() / 2]).field("etag");
    let target = client.part_target(&upload, 2);
    (upload, target, first)
}

#[test]
fn a_socket_passed_on_as_descriptor_3_is_served() {
    let mut site = Site::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Nobody could listen there: what is served came through the descriptor.
    site.set("HOLD_SERVER_ADDR", address.to_string());
    let daemon = start_with(&mut site, socket.try_clone().unwrap());
    let client = daemon.client(&site.alice);
    client.push(b"by descriptor");
    assert_eq!(daemon.stop(), Some(0));

    // Between two processes connections wait.
    let waiting = std::thread::spawn(move || client.pull(b"by descriptor"));
    let daemon = start_with(&mut site, socket);
    assert_eq!(waiting.join().unwrap().unwrap(), b"by descriptor");
    assert_eq!(daemon.stop(), Some(0));

    let path = site.path("passed.sock");
    let daemon = start_with(&mut site, UnixListener::bind(&path).unwrap());
    let mut client = daemon.client(&site.alice);
    client.place = Place::Unix(path);
    assert_eq!(client.pull(b"by descriptor").unwrap(), b"by descriptor");
}

#[test]
fn several_sockets_that_are_passed_on_are_all_served() {
    let mut site = Site::new();
    let (tcp, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), site.path("passed.sock"));
    let moves = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_FDNAMES=tcp:unix LISTEN_PID=$$; \
                 export LISTEN_FDS LISTEN_FDNAMES LISTEN_PID; exec \"$@\"";
    site.wrap(&["sh", "-c", moves, "sh"]);
    let places = [Place::Tcp(tcp.local_addr().unwrap()), Place::Unix(path.clone())];
    let mut command = site.command(&[]);
    let unix = OwnedFd::from(UnixListener::bind(path).unwrap());
    command.stdin(Stdio::from(OwnedFd::from(tcp))).stdout(Stdio::from(unix));
    let daemon = Daemon::start(command);
    let mut client = daemon.client(&site.alice);
    for (place, content) in places.into_iter().zip([b"by the first", b"by the other"]) {
        client.place = place;
        client.push(content);
        assert_eq!(client.pull(content).unwrap(), content);
    }
}

#[test]
fn a_hold_that_is_to_be_given_a_socket_binds_no_other() {
    let site = Site::new();
    let ended = site.run(&["serve", "--socket-activated"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("no socket was passed on") && ended.stderr.contains("atcr-hold.socket"));
    assert!(!site.path("hold.db").exists(), "nothing was made");
}

#[test]
fn a_descriptor_that_is_no_socket_is_refused() {
    let mut site = Site::new();
    let moves = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\"";
    site.wrap(&["sh", "-c", moves, "sh"]);
    let ended = site.run(&[]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the sockets that were passed on cannot be used: fd 3"), "{}", ended.stderr);
}

#[test]
fn a_connection_instead_of_a_listening_socket_is_refused() {
    let mut site = Site::new();
    let moves = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\"";
    site.wrap(&["sh", "-c", moves, "sh"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (unix, _other_end) = UnixStream::pair().unwrap();
    // As a unit with Accept=yes passes it on.
    for connection in [OwnedFd::from(tcp), OwnedFd::from(unix)] {
        let mut command = site.command(&[]);
        command.stdin(Stdio::from(connection));
        let ended = Ended::of(command);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains("one is a connection"), "{}", ended.stderr);
    }
}

#[test]
fn a_socket_file_is_served() {
    let mut site = Site::new();
    let path = site.path("hold.sock");
    site.set("HOLD_SERVER_ADDR", format!("unix:{}", path.display()));
    let mut daemon = site.start();
    daemon.client(&site.alice).push(b"by socket file");
    daemon.kill();
    // The file that a killed one leaves behind is in nobody's way.
    assert!(path.exists());
    let daemon = site.start();
    assert_eq!(daemon.client(&site.alice).pull(b"by socket file").unwrap(), b"by socket file");
}

#[test]
fn a_part_in_flight_is_finished_before_the_end() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    let mut daemon = site.start();
    let ready = manager.told();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    assert!(ready.contains("STATUS=serving http://localhost:8080"), "{ready}");

    let whole = content(1, 300_000);
    let (upload, target, first) = half_an_upload(&daemon, &site, &whole);
    let rest = &whole[150_000..];
    let mut part = daemon.client(&site.alice).begin_part(&target, rest.len());
    part.write_all(&rest[..100_000]).unwrap();
    arrived(&site, &upload, 200_000);
    daemon.signal("TERM");
    assert_eq!(manager.told(), "STOPPING=1\n");
    eventually("it listens no more", || daemon.client(&site.alice).connect().is_err());
    part.write_all(&rest[100_000..]).unwrap();
    let answer = receive(&mut part).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(daemon.ended().code(), Some(0));

    let daemon = site.start();
    let client = daemon.client(&site.alice);
    assert_eq!(client.complete(&upload, &whole, &[first, answer.field("etag")]).status, 200);
    assert!(client.pull(&whole).unwrap() == whole);
}

/// Waits until so many bytes of an upload's parts in order are in its file.
fn arrived(site: &Site, upload: &str, bytes: u64) {
    let file = site.path(&format!("blobs/uploads/{upload}/main"));
    eventually("the bytes arrive", || length(&file) >= bytes);
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}

#[test]
fn what_does_not_finish_is_cut_off_and_can_be_repeated() {
    let mut site = Site::new();
    site.configure("[limits]\ndrain_s = 1\n");
    let mut daemon = site.start();
    let whole = content(2, 300_000);
    let (upload, target, first) = half_an_upload(&daemon, &site, &whole);
    let mut part = daemon.client(&site.alice).begin_part(&target, 150_000);
    part.write_all(&[7; 100_000]).unwrap();
    arrived(&site, &upload, 200_000);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    daemon.wait_for_line("stopped cut_off=1");
    assert!(receive(&mut part).is_err(), "an answer to a part that was cut off");

    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let second = client.put_part(&upload, 2, &whole[150_000..]).field("etag");
    assert_eq!(client.complete(&upload, &whole, &[first, second]).status, 200);
    assert!(client.pull(&whole).unwrap() == whole);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::new();
    let mut daemon = site.start();
    let (upload, target, _) = half_an_upload(&daemon, &site, &[7; 20_000]);
    let mut part = daemon.client(&site.alice).begin_part(&target, 150_000);
    part.write_all(&[7; 10_000]).unwrap();
    arrived(&site, &upload, 20_000);
    daemon.signal("INT");
    daemon.wait_for_line("shutting down");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(128 + 15));
}

#[test]
fn urls_and_uploads_of_before_go_on_after_a_restart() {
    let site = Site::new();
    let daemon = site.start();
    let whole = content(3, 100_000);
    daemon.client(&site.alice).push(b"read me later");
    let (upload, target, first) = half_an_upload(&daemon, &site, &whole);
    let unused = daemon.client(&site.alice).initiate();
    assert_eq!(daemon.stop(), Some(0));

    let daemon = site.start();
    let client = daemon.client(&site.alice);
    let second = client.try_put(&target, &whole[50_000..]).unwrap();
    assert_eq!(second.outcome(), (200, String::new()));
    assert_eq!(client.complete(&upload, &whole, &[first, second.field("etag")]).status, 200);
    assert!(client.pull(&whole).unwrap() == whole);
    assert_eq!(client.pull(b"read me later").unwrap(), b"read me later");
    assert_eq!(client.complete(&unused, b"", &[]).status, 200);
}
