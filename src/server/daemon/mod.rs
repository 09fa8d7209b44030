//! The process of a daemon: sockets, signals, the clock, the service manager, the log.
//!
//! It accepts connections and hands them to a handler; it names no other room but metrics, and knows no HTTP.
//! Socket activation: <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>,
//! notification: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

mod accept;
mod background;
mod clock;
mod clock_steps;
mod connections;
pub mod listeners;
pub mod logging;
mod long_start;
pub mod notify;
mod process;
mod retry;
pub mod signals;
mod socket_metrics;
mod status_line;
pub mod usage;

pub use accept::{Accepted, Served, serve};
pub use background::{Background, EndedTask, catch_panic};
pub use clock::now_us;
pub use clock_steps::ClockSteps;
pub use connections::{Activity, Busy, ConnectionLimits, network_of};
pub use listeners::{Address, Inherited, Listener, Stream};
pub use long_start::LongStart;
pub use process::{BLOCKING_THREADS, ProcessParts, ProcessSettings, run_daemon};
pub use retry::{retry_blocking, retry_start};
pub use socket_metrics::{Metered, SocketMetrics};
pub use status_line::StatusLine;

/// The exit code of wrong usage, as in sysexits.h.
pub const EX_USAGE: u8 = 64;
/// The exit code of a configuration error, as in sysexits.h: a restart does not help, so the service manager does not
/// restart the daemon after it.
pub const EX_CONFIG: u8 = 78;
