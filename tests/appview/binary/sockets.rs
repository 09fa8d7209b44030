//! Sockets that are passed on, and ending in order.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use super::site::Site;
use crate::support::http::blocking::{Client, Place, receive};
use crate::support::manager::Manager;
use crate::support::process::{Daemon, eventually};

/// A registry that gets `socket` as descriptor 3, as from a service manager: a shell moves it there and names itself,
/// which the program becomes.
fn start_with(site: &mut Site, socket: impl Into<OwnedFd>, name: &str) -> Daemon {
    let moves = format!(
        "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_FDNAMES={name} LISTEN_PID=$$; \
         export LISTEN_FDS LISTEN_FDNAMES LISTEN_PID; exec \"$@\""
    );
    site.wrap(&["sh", "-c", &moves, "sh"]);
    let mut command = site.command(&[]);
    command.stdin(Stdio::from(socket.into()));
    Daemon::start(command)
}

#[test]
fn a_socket_passed_on_as_descriptor_3_is_served_until_sigterm() {
    let mut site = Site::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // Nobody could listen there: what is served came through the descriptor.
    site.set("ATCR_HTTP_ADDR", socket.local_addr().unwrap().to_string());
    let daemon = start_with(&mut site, socket.try_clone().unwrap(), "http");
    let client = daemon.anonymous();
    assert_eq!(client.get("/_health").field("version"), env!("CARGO_PKG_VERSION"));
    assert!(site.path("keys/auth.key").is_file());
    assert_eq!(daemon.stop(), Some(0));

    // Between two processes connections wait.
    let waiting = std::thread::spawn(move || client.get("/_health").status);
    let daemon = start_with(&mut site, socket, "http");
    assert_eq!(waiting.join().unwrap(), 200);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_socket_passed_on_by_the_name_of_metrics_is_for_them_alone() {
    let mut site = Site::new();
    let path = site.path("metrics.sock");
    let daemon = start_with(&mut site, UnixListener::bind(&path).unwrap(), "metrics");
    let scraper = Client { place: Place::Unix(path), token: None };
    assert_eq!(scraper.get("/metrics").status, 200);
    assert_eq!(scraper.get("/_health").status, 404);
    assert_eq!(daemon.anonymous().get("/_health").status, 200);
    assert_eq!(daemon.anonymous().get("/metrics").status, 404);
}

#[test]
fn an_upload_in_flight_is_finished_before_the_end() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    let mut daemon = site.start();
    assert!(manager.told().starts_with("READY=1\nSTATUS=serving http://localhost:5000 on "));
    site.hold_takes_uploads();
    let client = site.signed_in(&daemon);
    let begun = client.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap();
    assert_eq!(begun.status, 202, "{}", begun.text());
    let target = begun.header("location").unwrap().to_owned();

    let mut stream = client.connect().unwrap();
    let token = client.token.as_ref().unwrap();
    let head = format!(
        "PATCH {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 200000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[7; 100_000]).unwrap();
    // It is short of a part, so it goes to a file as it comes.
    let tail = site.path("uploads").join(target.rsplit('/').next().unwrap());
    eventually("the bytes arrive", || std::fs::metadata(&tail).is_ok_and(|found| found.len() >= 50_000));
    // They may be of a private image.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&tail), mode(tail.parent().unwrap())), (0o600, 0o700));
    daemon.signal("TERM");
    assert_eq!(manager.told(), "STOPPING=1\n");
    eventually("it listens no more", || daemon.anonymous().connect().is_err());
    stream.write_all(&[7; 100_000]).unwrap();
    let answer = receive(&mut stream).unwrap();
    assert_eq!((answer.status, answer.header("range")), (202, Some("0-199999")));
    assert_eq!(daemon.ended().code(), Some(0));

    // The next process goes on with it.
    let daemon = site.start();
    let client = Client { place: daemon.place.clone(), ..client };
    let there = client.get(&target);
    assert_eq!((there.status, there.header("range")), (204, Some("0-199999")));
}

#[test]
fn an_upload_that_does_not_finish_is_cut_off_and_goes_on() {
    let mut site = Site::new();
    site.configure("[limits]\ndrain_s = 1\n");
    let mut daemon = site.start();
    site.hold_takes_uploads();
    let client = site.signed_in(&daemon);
    let begun = client.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap();
    let target = begun.header("location").unwrap().to_owned();
    let mut stream = client.connect().unwrap();
    let token = client.token.as_ref().unwrap();
    let head = format!(
        "PATCH {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 200000\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), &[7; 100_000]].concat()).unwrap();
    let tail = site.path("uploads").join(target.rsplit('/').next().unwrap());
    eventually("the bytes arrive", || std::fs::metadata(&tail).is_ok_and(|found| found.len() >= 50_000));
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    daemon.wait_for_line("stopped cut_off=1");
    let daemon = site.start();
    let client = Client { place: daemon.place.clone(), ..client };
    assert_eq!(client.get(&target).status, 204);
}

#[test]
fn without_the_socket_that_it_is_to_be_given_it_ends_with_78_and_binds_no_other() {
    let site = Site::new();
    let ended = site.run(&["serve", "--socket-activated"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no socket was passed on") && ended.stderr.contains("atcr-appview.socket"),
        "{}",
        ended.stderr
    );
    assert!(!site.path("appview.db").exists() && !site.path("keys").exists(), "nothing was made");
}
