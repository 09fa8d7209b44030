//! The root certificates of the system's store, loaded once.

use std::io;
use std::sync::OnceLock;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::ClientConfig;

static ROOTS: OnceLock<ClientConfig> = OnceLock::new();

/// Returns a TLS configuration with the system's roots, which all configurations share. A failed load is retried at the
/// next call.
pub(super) fn tls_config() -> io::Result<ClientConfig> {
    if let Some(config) = ROOTS.get() {
        return Ok(config.clone());
    }
    let config = ClientConfig::builder().with_native_roots()?.with_no_client_auth();
    Ok(ROOTS.get_or_init(|| config).clone())
}
