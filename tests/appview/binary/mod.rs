//! The real program as a process: what only a whole process can show. Nothing here looks inside it.
//!
//! [`site::Site`] is a registry's state on disk and its configuration; [`crate::support::process::Daemon`] a process on it.

mod account_data;
mod commands;
mod manager;
mod metrics;
mod notices;
mod pulls;
mod site;
mod sockets;
mod start;
mod uploads;
