//! `com.atproto.server.*`

pub(in crate::http) mod describe_server;
