//! `com.atproto.server.*`

pub(in crate::api) mod describe_server;
