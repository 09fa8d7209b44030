//! Tests of the crate `atproto` that need more than one unit: one folder a room, and the protocol's own vectors.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "atproto/repo/mod.rs"]
mod repo;
#[path = "atproto/vectors/mod.rs"]
mod vectors;
