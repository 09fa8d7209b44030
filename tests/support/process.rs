//! One process of a program, from its first log line to its end.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::http::blocking::{Client, Place};

/// Far more than anything here takes: reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon that said it was ready. It is killed when this goes.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) place: Place,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Daemon {
    /// Starts `command` and waits until it serves.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Log>::default();
        follow(child.stderr.take().unwrap(), Arc::clone(&log));
        let mut daemon = Self { child, place: Place::Tcp(SocketAddr::from(([0; 4], 0))), log };
        let ready = daemon.wait_for_line(": ready url=");
        let listening = ready.split("listening=\"").nth(1).unwrap().split('"').next().unwrap();
        daemon.place = match listening.parse() {
            Ok(address) => Place::Tcp(address),
            Err(_) => Place::Unix(listening.into()),
        };
        daemon
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn anonymous(&self) -> Client {
        Client { place: self.place.clone(), token: None }
    }

    /// All that was read of its log: what it has logged a moment ago may be on its way, which [`Self::wait_for_line`] waits for.
    pub(crate) fn log(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    /// The first line with `text` in it, once there is one.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let lines = self.log.lines.lock().unwrap();
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let (lines, waited) = self.log.grown.wait_timeout_while(lines, PATIENCE, missing).unwrap();
        assert!(!waited.timed_out(), "no line with {text:?} in\n{}", lines.join("\n"));
        lines.iter().find(|line| line.contains(text)).unwrap().clone()
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended().code()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A line of `/proc/<id>/status` in KiB, such as `VmRSS`.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the log until the process ends, so that it never waits for its reader. An end wakes who waits in vain.
fn follow(stderr: ChildStderr, log: Arc<Log>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stderr);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
            log.lines.lock().unwrap().push(line.trim_end().to_owned());
            log.grown.notify_all();
            line.clear();
        }
        let _ = reader.read_to_end(&mut vec![]);
    });
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
