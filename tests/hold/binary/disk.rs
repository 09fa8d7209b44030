//! Disks that are full, small, read-only or broken, under the real binary.
//!
//! The file systems are tmpfs, so the tests that mount one need root; those with a broken disk need strace.

mod broken;
mod database;
mod full;
mod mount;
