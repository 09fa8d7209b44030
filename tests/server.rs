//! Tests of the crate `server` that need more than one unit: one folder or file a room.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "server/control.rs"]
mod control;
#[path = "server/daemon.rs"]
mod daemon;
#[path = "server/identity/mod.rs"]
mod identity;
#[path = "server/key_file.rs"]
mod key_file;
#[path = "server/tokens/mod.rs"]
mod tokens;
#[path = "server/wire/mod.rs"]
mod wire;

/// What the tests of the hold use, too.
#[path = "support"]
mod support {
    pub(crate) mod did_server;
    pub(crate) mod log;
    pub(crate) mod small;
}
