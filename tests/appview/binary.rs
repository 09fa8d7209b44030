//! The real program as a process: exit codes, an inherited socket, SIGTERM.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::http::raw;

/// The command with nothing of this process's environment but the search path, and a moved descriptor: a shell puts
/// standard input to descriptor 3 and names itself, which the program becomes.
fn command(place: &TempDir, variables: &[(&str, &str)]) -> Command {
    let moves = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", moves, "sh", env!("CARGO_BIN_EXE_atcr-appview")]);
    let search_path = std::env::vars_os().filter(|(name, _)| name == "PATH");
    command.env_clear().envs(search_path).envs(variables.iter().copied()).current_dir(place.path());
    command.stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn a_socket_passed_on_as_descriptor_3_is_served_until_sigterm() {
    let place = TempDir::new().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let database = place.path().join("appview.db");
    // Nobody could listen there: what is served came through the descriptor.
    let mut command = command(
        &place,
        &[
            ("ATCR_BASE_URL", "http://localhost:5000"),
            ("ATCR_HTTP_ADDR", &address.to_string()),
            ("ATCR_DATABASE_PATH", database.to_str().unwrap()),
        ],
    );
    let mut child = command.stdin(Stdio::from(OwnedFd::from(socket))).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(": ready url=http://localhost:5000")));
    let answer = raw(address.port(), "GET /_health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"version\""), "{answer}");
    assert!(place.path().join("keys/auth.key").is_file());
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(lines.any(|line| line.contains("stopped")));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_one_line() {
    let place = TempDir::new().unwrap();
    for variables in [&[][..], &[("ATCR_BASE_URL", "http://a.example")]] {
        let output = command(&place, variables).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(78), 1), "{stderr}");
        assert!(stderr.starts_with("atcr-appview: base_url (ATCR_BASE_URL)"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn without_the_socket_that_it_is_to_be_given_it_ends_with_78_and_binds_no_other() {
    let place = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_atcr-appview"));
    command.args(["serve", "--socket-activated"]).env_clear().env("ATCR_BASE_URL", "http://localhost:5000");
    let output = command.current_dir(place.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(78), 1), "{stderr}");
    assert!(stderr.contains("no socket was passed on") && stderr.contains("atcr-appview.socket"), "{stderr}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");
}
