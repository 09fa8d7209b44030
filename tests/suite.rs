//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.
// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod suite {
    mod authenticator;
    mod did_server;
    mod key_file;
    mod resolver;
    mod resolver_memory;
    mod service_tokens;
}
