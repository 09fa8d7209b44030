//! Tests of the registry front end that need more than one unit: one folder or file a room of `src/appview/lib.rs`, and
//! `binary` for the program.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "appview/app.rs"]
mod app;
#[path = "appview/asked.rs"]
mod asked;
#[path = "appview/binary/mod.rs"]
mod binary;
#[path = "appview/config.rs"]
mod config;
#[path = "appview/devices.rs"]
mod devices;
#[path = "appview/follow.rs"]
mod follow;
#[path = "appview/hostile_index.rs"]
mod hostile_index;
#[path = "appview/index.rs"]
mod index;
#[path = "appview/index_order.rs"]
mod index_order;
#[path = "appview/listed.rs"]
mod listed;
#[path = "appview/oci/mod.rs"]
mod oci;
#[path = "appview/schema.rs"]
mod schema;
#[path = "appview/unanswered.rs"]
mod unanswered;
#[path = "appview/web/mod.rs"]
mod web;
#[path = "appview/webhooks.rs"]
mod webhooks;

/// What the tests of the hold use, too.
#[path = "support"]
#[expect(dead_code, reason = "the hold's tests use the rest")]
mod support {
    pub(crate) mod did_server;
    pub(crate) mod http;
    pub(crate) mod manager;
    pub(crate) mod manual;
    pub(crate) mod other_user;
    pub(crate) mod process;
    pub(crate) mod program;
    pub(crate) mod reloads;
    pub(crate) mod small;
    pub(crate) mod still_clock;
}
