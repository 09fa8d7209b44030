//! Tests of the hold that need more than one unit: one folder a room of `src/hold/lib.rs`, and `binary` for the program.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "hold/api/mod.rs"]
mod api;
#[path = "hold/app.rs"]
mod app;
#[path = "hold/binary/mod.rs"]
mod binary;
#[path = "hold/blobs/mod.rs"]
mod blobs;
#[path = "hold/config/mod.rs"]
mod config;
#[path = "hold/crew/mod.rs"]
mod crew;
#[path = "hold/did_document.rs"]
mod did_document;
#[path = "hold/gate/mod.rs"]
mod gate;
#[path = "hold/images/mod.rs"]
mod images;
#[path = "hold/objects/mod.rs"]
mod objects;
#[path = "hold/pds/mod.rs"]
mod pds;
#[path = "hold/relays/mod.rs"]
mod relays;
#[path = "hold/upkeep/mod.rs"]
mod upkeep;

#[path = "support/mod.rs"]
mod support;
