//! Tests of the credential helper as the program that docker and people start: one file a room of `src/credential/lib.rs`.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "credential/desk.rs"]
mod desk;
#[path = "credential/docker_config.rs"]
mod docker_config;
#[path = "credential/files.rs"]
mod files;
#[path = "credential/keyring.rs"]
mod keyring;
#[path = "credential/protocol.rs"]
mod protocol;
#[path = "credential/registry.rs"]
mod registry;
#[path = "credential/sign_in.rs"]
mod sign_in;
