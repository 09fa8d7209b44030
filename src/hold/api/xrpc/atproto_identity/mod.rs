//! `com.atproto.identity.*`

pub(in crate::api) mod resolve_handle;
