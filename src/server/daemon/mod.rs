//! The process as the machine sees it: sockets, signals, the service manager, the log.
//!
//! It accepts connections and hands them to whoever it is given; it names no other room but the counters', and knows no HTTP.
//! Socket activation: <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>,
//! notification: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

mod accept;
mod connections;
pub mod listeners;
pub mod logging;
pub mod notify;
pub mod signals;
mod socket_metrics;
pub mod usage;

pub use accept::{Accepted, Served, serve};
pub use connections::{Activity, Busy, ConnectionLimits, network_of};
pub use listeners::{Address, Inherited, Listener, Stream};
pub use socket_metrics::{Metered, SocketMetrics};
