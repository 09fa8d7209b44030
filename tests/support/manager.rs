//! A service manager, as far as a daemon sees it.

use std::os::unix::net::UnixDatagram;

use super::process::{Daemon, eventually};
use super::program::Program;

/// A sign of life.
pub(crate) const ALIVE: &str = "WATCHDOG=1\n";

/// A request for more time to start.
pub(crate) const LONGER: &str = "EXTEND_TIMEOUT_USEC=90000000\n";

/// The other end of `NOTIFY_SOCKET`.
pub(crate) struct Manager(UnixDatagram);

impl Manager {
    /// The manager of a program's processes from now on.
    pub(crate) fn of(program: &mut Program) -> Self {
        let path = program.path("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        program.set("NOTIFY_SOCKET", path);
        Self(socket)
    }

    /// The next message, if one is there.
    pub(crate) fn heard(&self) -> Option<String> {
        let mut message = [0; 4096];
        let count = self.0.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..count].to_vec()).unwrap())
    }

    /// Waits until signs of life have ended: the daemon has said five times that its database does not answer, and none came
    /// meanwhile. On a busy machine a database that nobody holds up may be late, too.
    pub(crate) fn falls_silent(&self, daemon: &Daemon) {
        let told = || daemon.log().matches("the database does not answer").count();
        eventually("signs of life end", || {
            while self.heard().is_some() {}
            let before = told();
            eventually("the log says why none comes", || told() >= before + 5);
            self.heard().is_none()
        });
    }

    /// The next message but [`LONGER`]: a busy machine makes any start long.
    pub(crate) fn told(&self) -> String {
        let mut message = None;
        eventually("the manager is told", || {
            message = self.heard().filter(|message| message != LONGER);
            message.is_some()
        });
        message.unwrap()
    }
}
