//! Configuration: defaults < TOML file < file of variables < environment, with every mistake explained.
//!
//! [`OPTIONS`] describes each option once. `server::settings` merges the layers into the private `Raw`; `check` turns that
//! into [`Config`], whose types hold only what makes sense together.

mod base_url;
mod check;
mod options;
mod raw;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::names::Owner;
use atproto::syntax::HoldId;
use server::settings::{Secret, Values};

pub use base_url::BaseUrl;
pub use options::OPTIONS;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base URL of the registry.
    pub base_url: BaseUrl,
    /// Address to listen on when no socket was inherited.
    pub http_addr: String,
    /// Reverse proxies whose X-Forwarded-For is trusted.
    pub trusted_proxies: Vec<IpAddr>,
    /// The hold of accounts that have none of their own.
    pub default_hold: Option<HoldId>,
    /// Accounts that may push; empty: all that their hold lets push.
    pub allowed_accounts: Vec<Owner>,
    /// Whether an account's main password is accepted as well.
    pub allow_account_passwords: bool,
    /// Whether pulls pass through this program, instead of a redirect to the hold.
    pub proxy_blobs: bool,
    /// Whether there are pages for people.
    pub ui_enabled: bool,
    /// Jetstreams to follow, one at a time.
    pub jetstream_urls: Vec<String>,
    /// Base URL of a relay or a PDS to follow if there is no Jetstream, and to ask for accounts with images.
    pub relay_url: Option<String>,
    /// The database file.
    pub database_path: PathBuf,
    /// The key from which secrets and tokens are derived, 64 hexadecimal digits, instead of the one in `auth_key_path`.
    pub auth_key: Option<Secret>,
    /// The file of the key from which secrets and tokens are derived.
    pub auth_key_path: PathBuf,
    /// The file of the key of the OAuth client.
    pub oauth_key_path: PathBuf,
    /// The socket file through which commands reach the running registry.
    pub admin_socket: PathBuf,
    /// Address of the metrics page when no socket was inherited for it; `None`: no metrics.
    pub metrics_addr: Option<String>,
    /// Base URL of the did:plc directory, without a trailing slash.
    pub plc_directory_url: String,
    /// Base URL of a host whose `resolveHandle` resolves handles, instead of the handles' own domains.
    pub handle_resolver_url: Option<String>,
    /// Whether plain http and loopback addresses are allowed for PDSes, the directory and holds: tests only.
    pub test_mode: bool,
    /// Log level from `error` to `trace`, or tracing's filter syntax.
    pub log_level: String,
    /// Limits on clients.
    pub limits: Limits,
    /// The merged values of all options.
    values: Values,
}

impl Config {
    /// Returns the directory of incomplete upload parts, which wait there for the next request.
    #[must_use]
    pub fn uploads_dir(&self) -> PathBuf {
        self.database_path.with_file_name("uploads")
    }
}

/// Limits on clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Number of connections.
    pub connections: usize,
    /// Number of connections from one address.
    pub connections_per_address: usize,
    /// Requests a second from one address, on average; 0: no limit.
    pub requests_per_address: u32,
    /// New passwords of one account that one address may try within five minutes.
    pub passwords_per_address: u32,
    /// Open uploads of one account.
    pub uploads_per_account: u64,
    /// Open uploads of all accounts.
    pub uploads_total: u64,
    /// Bytes of one account's uploads that may be on this disk.
    pub spool_bytes_per_account: u64,
    /// Number of records in the search index.
    pub index_records: u64,
    /// Webhooks of one account; 0: webhooks are off.
    pub webhooks_per_account: u64,
    /// Webhooks of all accounts.
    pub webhooks_total: u64,
    /// Bytes of the disk that stay free.
    pub reserve_bytes: u64,
    /// How long requests in flight may run after SIGTERM.
    pub drain: Duration,
}
