//! `com.atproto.identity.*`

pub(in crate::http) mod resolve_handle;
