//! The real binary as a child process: what only a whole process can show. Nothing here looks inside it.
//!
//! [`site::Site`] is a hold's state on disk and its configuration, [`process::Daemon`] a process on it, and
//! [`crate::support::http::blocking::Client`] an account that talks to one.

mod dice;
mod process;
mod repository;
mod site;
mod subscriber;
mod writer;

mod books;
mod clock;
mod collection;
mod commands;
mod consistency;
mod crashes;
mod disk;
mod faults;
mod foreign_storage;
mod given_key;
mod keeping;
mod limits;
mod manager;
mod metrics;
mod old_database;
mod own_cloud;
mod relays;
mod repository_file;
mod restored;
mod slow_start;
mod sockets;
mod start;
mod subscribers;

/// Says that a test could not run, past the capture of the test runner, in the form that `tests/all.sh` counts.
fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}
