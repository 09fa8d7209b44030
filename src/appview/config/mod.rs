//! Configuration: defaults < TOML file < `.env` < environment, with every mistake explained.
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
use atproto::syntax::ServiceUrl;
use server::settings::{Secret, Values};

pub use base_url::BaseUrl;
pub use options::OPTIONS;

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients reach the registry.
    pub base_url: BaseUrl,
    /// Address to listen on when no socket was inherited.
    pub http_addr: String,
    /// Reverse proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The hold of accounts that have none of their own.
    pub default_hold: Option<ServiceUrl>,
    /// Who may push here; empty: whoever their hold lets.
    pub allowed_accounts: Vec<Owner>,
    /// Whether an account's main password is taken as well.
    pub allow_account_passwords: bool,
    /// Whether pulls pass through here.
    pub proxy_blobs: bool,
    /// Whether there are pages for people.
    pub ui_enabled: bool,
    /// Jetstreams to follow, one at a time.
    pub jetstream_urls: Vec<String>,
    /// The base URL of a relay or a PDS to follow, or to ask who has images.
    pub relay_url: Option<String>,
    /// The database file.
    pub database_path: PathBuf,
    /// The key that secrets and tokens come from, 64 hexadecimal digits, instead of the one in `auth_key_path`.
    pub auth_key: Option<Secret>,
    /// The file of the key that secrets and tokens come from.
    pub auth_key_path: PathBuf,
    /// The file of the key of the OAuth client.
    pub oauth_key_path: PathBuf,
    /// The socket file through which commands reach the running registry.
    pub admin_socket: PathBuf,
    /// Address to answer scrapers of metrics on when no socket was inherited for them; `None`: nowhere.
    pub metrics_addr: Option<String>,
    /// Base URL of the did:plc directory, without a trailing slash.
    pub plc_directory_url: String,
    /// Base URL of a host that is asked for handles first.
    pub handle_resolver_url: Option<String>,
    /// Plain http and loopback addresses are allowed for PDSes, the directory and holds: tests only.
    pub test_mode: bool,
    /// `error` to `trace`, or tracing's filter syntax.
    pub log_level: String,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// What all of this was made of.
    values: Values,
}

impl Config {
    /// Where what is short of a part is kept until the next request of its upload.
    #[must_use]
    pub fn uploads_dir(&self) -> PathBuf {
        self.database_path.with_file_name("uploads")
    }
}

/// Bounds on what clients may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Requests a second from one address, in the long run; 0 is no limit.
    pub requests_per_address: u32,
    /// New passwords of one account that one address may try within five minutes.
    pub passwords_per_address: u32,
    /// Open uploads of one account.
    pub uploads_per_account: u64,
    /// Open uploads of all accounts.
    pub uploads_total: u64,
    /// Bytes of one account's uploads that may wait on this disk.
    pub spool_bytes_per_account: u64,
    /// Records in the index of what can be searched for.
    pub index_records: u64,
    /// Webhooks of one account; 0: there are none.
    pub webhooks_per_account: u64,
    /// Webhooks of all accounts.
    pub webhooks_total: u64,
    /// Bytes of the disk that are left free.
    pub reserve_bytes: u64,
    /// How long requests in flight may take after SIGTERM.
    pub drain: Duration,
}
