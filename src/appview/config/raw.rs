//! The shape of the TOML file. The defaults are in the table of options.

use serde::{Deserialize, Serialize};

use server::settings::Secret;

/// All options as written. Unknown ones are refused, so that a misspelt one is noticed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_hold: Option<String>,
    pub(super) allowed_accounts: Vec<String>,
    pub(super) allow_account_passwords: bool,
    pub(super) proxy_blobs: bool,
    pub(super) ui_enabled: bool,
    pub(super) jetstream_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) relay_url: Option<String>,
    pub(super) test_mode: bool,
    pub(super) log_level: String,
    pub(super) server: Server,
    #[serde(default)]
    pub(super) database: Database,
    #[serde(default)]
    pub(super) auth: Auth,
    #[serde(default)]
    pub(super) oauth: Oauth,
    #[serde(default)]
    pub(super) admin: Admin,
    #[serde(default)]
    pub(super) metrics: Metrics,
    pub(super) identity: Identity,
    pub(super) limits: Limits,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) addr: String,
    pub(super) trusted_proxies: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_path: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oauth {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_path: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) addr: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) plc_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handle_resolver_url: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: u64,
    pub(super) connections_per_address: u64,
    pub(super) requests_per_address: u32,
    pub(super) passwords_per_address: u32,
    pub(super) uploads_per_account: u32,
    pub(super) uploads_total: u32,
    pub(super) spool_bytes_per_account: u64,
    pub(super) reserve_bytes: u64,
    pub(super) index_records: u64,
    pub(super) webhooks_per_account: u32,
    pub(super) webhooks_total: u32,
    pub(super) drain_s: u64,
}
