//! From text to a [`Config`]: single values, then rules across options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::OPTIONS;
use super::raw::Raw;
use super::{BaseUrl, Config, Limits};
use crate::names::Owner;
use atproto::syntax::{Did, Handle, ServiceUrl};
use server::key_file;
use server::settings::{Secret, SettingsError, Sources, Values};

const DEFAULT_STATE_DIR: &str = "/var/lib/atcr-appview";
const ADMIN_SOCKET: &str = "admin.sock";
/// What an address to listen on is like.
const ADDRESSES: &str = ":5000, 127.0.0.1:5000 or unix:/run/atcr-appview.sock";
/// A part of an upload has so much, and the database's log may have.
const MIN_BYTES: u64 = 16 << 20;
/// Variables that begin so are meant for the front end.
const PREFIX: &str = "ATCR_";

impl Config {
    /// Merges the layers and checks the result.
    ///
    /// # Errors
    /// The first mistake found, as one line an operator can act on.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        Self::of(load(sources)?)
    }

    /// The effective configuration as TOML, and what is probably not meant in it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn show(sources: &Sources) -> Result<(String, Vec<String>), SettingsError> {
        let config = Self::load(sources)?;
        let raw: Raw = config.values.extract()?;
        let text = toml::to_string(&raw).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"));
        Ok((text, config.warnings().to_vec()))
    }

    /// What is not wrong, but probably not meant. Each is one line.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.values.warnings()
    }

    /// What a registry that runs with this configuration goes on with when a reload reads `new`: of it, what the table of
    /// options says that a reload follows.
    ///
    /// # Errors
    /// When what is followed does not fit to what is not.
    pub fn followed(&self, new: &Self) -> Result<Self, SettingsError> {
        Self::of(self.values.followed(&new.values)?)
    }

    /// Returns the options that differ in `new`, and that a reload does not follow.
    #[must_use]
    pub fn waiting_for_restart(&self, new: &Self) -> Vec<&'static str> {
        self.values.waiting_for_restart(&new.values)
    }

    fn of(values: Values) -> Result<Self, SettingsError> {
        let raw: Raw = values.extract()?;
        Checker { values: &values, raw: &raw }.config()
    }
}

fn load(sources: &Sources) -> Result<Values, SettingsError> {
    let mut values = Values::load(OPTIONS, PREFIX, sources)?;
    let environment = &sources.environment;
    // Paths that follow from other options, filled in so that `check-config` shows them too.
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let state = environment.directory("STATE_DIRECTORY").unwrap_or(Path::new(DEFAULT_STATE_DIR));
    values.fill("database.path", |_| text(&state.join("appview.db")));
    let beside_database = |values: &Values, name| {
        text(&Path::new(&values.text("database.path").unwrap_or_default()).with_file_name(name))
    };
    values.fill("auth.key_path", |values| beside_database(values, "keys/auth.key"));
    values.fill("oauth.key_path", |values| beside_database(values, "keys/oauth.key"));
    values.fill("admin.socket", |values| match environment.directory("RUNTIME_DIRECTORY") {
        Some(runtime) => text(&runtime.join(ADMIN_SOCKET)),
        None => beside_database(values, ADMIN_SOCKET),
    });
    Ok(values)
}

struct Checker<'a> {
    values: &'a Values,
    raw: &'a Raw,
}

impl Checker<'_> {
    fn config(&self) -> Result<Config, SettingsError> {
        let raw = self.raw;
        let base_url = self.values.required("base_url", raw.base_url.as_deref(), "https://registry.example.org")?;
        let resolver = raw.identity.handle_resolver_url.as_deref().filter(|text| !text.is_empty());
        let resolver =
            resolver.map(|url| self.values.base_url("identity.handle_resolver_url", url, raw.test_mode)).transpose()?;
        let relay = raw.relay_url.as_deref().filter(|text| !text.is_empty());
        Ok(Config {
            base_url: BaseUrl::parse(base_url).map_err(|problem| self.wrong("base_url", &problem))?,
            http_addr: self.values.listen_address("server.addr", &raw.server.addr, ADDRESSES)?,
            trusted_proxies: self.values.each("server.trusted_proxies", &raw.server.trusted_proxies, |text| {
                text.parse().map_err(|_| "each proxy is an IP address, like 127.0.0.1")
            })?,
            default_hold: self.default_hold()?,
            allowed_accounts: self.values.each("allowed_accounts", &raw.allowed_accounts, |text| {
                let by_handle = |_| Handle::parse(text).map(Owner::Handle);
                let name = Did::parse(text).map(Owner::Did).or_else(by_handle);
                name.map_err(|_| "each account is a DID or a handle, like alice.example.org")
            })?,
            allow_account_passwords: raw.allow_account_passwords,
            proxy_blobs: raw.proxy_blobs,
            ui_enabled: raw.ui_enabled,
            jetstream_urls: self.jetstream_urls()?,
            relay_url: relay.map(|url| self.values.base_url("relay_url", url, raw.test_mode)).transpose()?,
            database_path: self.path("database.path", raw.database.path.as_deref())?,
            auth_key: self.auth_key()?,
            auth_key_path: self.path("auth.key_path", raw.auth.key_path.as_deref())?,
            oauth_key_path: self.path("oauth.key_path", raw.oauth.key_path.as_deref())?,
            admin_socket: self.path("admin.socket", raw.admin.socket.as_deref())?,
            metrics_addr: self.metrics_addr()?,
            plc_directory_url: self.values.base_url("identity.plc_url", &raw.identity.plc_url, raw.test_mode)?,
            handle_resolver_url: resolver,
            test_mode: raw.test_mode,
            log_level: self.values.log_level("log_level", &raw.log_level, "info,atcr_appview=debug")?,
            limits: self.limits()?,
            values: self.values.clone(),
        })
    }

    fn wrong(&self, option: &str, problem: &str) -> SettingsError {
        self.values.wrong(option, problem)
    }

    fn metrics_addr(&self) -> Result<Option<String>, SettingsError> {
        let (text, public) = (self.raw.metrics.addr.as_deref(), &self.raw.server.addr);
        let example = "127.0.0.1:9465 or unix:/run/atcr-appview-metrics.sock";
        self.values.metrics_address("metrics.addr", text, public, example)
    }

    /// Never with the text in the error: it is a secret.
    fn auth_key(&self) -> Result<Option<Secret>, SettingsError> {
        let Some(key) = &self.raw.auth.key else { return Ok(None) };
        match key_file::parse(key.expose().as_bytes()) {
            Some(_) => Ok(Some(key.clone())),
            None => Err(self.wrong("auth.key", "it is no key: it must be 64 hexadecimal digits")),
        }
    }

    fn jetstream_urls(&self) -> Result<Vec<String>, SettingsError> {
        self.values.each("jetstream_urls", &self.raw.jetstream_urls, |text| {
            let url = url::Url::parse(text).ok();
            let is_socket = |url: &url::Url| url.scheme() == "wss" || (url.scheme() == "ws" && self.raw.test_mode);
            match url {
                Some(url) if is_socket(&url) => Ok(text.to_owned()),
                _ => Err("each address begins with wss:// (ws:// needs test_mode)"),
            }
        })
    }

    fn path(&self, option: &str, text: Option<&str>) -> Result<PathBuf, SettingsError> {
        let path = text.unwrap_or_default();
        if path.ends_with('/') {
            return Err(self.wrong(option, "it must be the path of a file, not of a directory"));
        }
        Ok(path.into())
    }

    fn default_hold(&self) -> Result<Option<ServiceUrl>, SettingsError> {
        let Some(text) = self.raw.default_hold.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let hold = Did::parse(text).and_then(|did| ServiceUrl::of_did(&did));
        let hold = hold.map_err(|error| self.wrong("default_hold", &error.to_string()))?;
        if hold.is_local() && !self.raw.test_mode {
            return Err(self.wrong("default_hold", "it must be reachable by others (localhost needs test_mode)"));
        }
        Ok(Some(hold))
    }

    fn limits(&self) -> Result<Limits, SettingsError> {
        let raw = &self.raw.limits;
        let counts = [
            ("connections", raw.connections),
            ("connections_per_address", raw.connections_per_address),
            ("passwords_per_address", raw.passwords_per_address.into()),
            ("uploads_per_account", raw.uploads_per_account.into()),
            ("uploads_total", raw.uploads_total.into()),
            ("index_records", raw.index_records),
            ("webhooks_total", raw.webhooks_total.into()),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(self.wrong(&format!("limits.{name}"), "it must be greater than 0"));
        }
        for (name, bytes, reason) in [
            ("spool_bytes_per_account", raw.spool_bytes_per_account, "one part"),
            ("reserve_bytes", raw.reserve_bytes, "the database's log"),
        ] {
            if bytes < MIN_BYTES {
                return Err(
                    self.wrong(&format!("limits.{name}"), &format!("it must be at least {MIN_BYTES}, {reason}"))
                );
            }
        }
        let count = |value| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Limits {
            connections: count(raw.connections),
            connections_per_address: count(raw.connections_per_address),
            requests_per_address: raw.requests_per_address,
            passwords_per_address: raw.passwords_per_address,
            uploads_per_account: raw.uploads_per_account.into(),
            uploads_total: raw.uploads_total.into(),
            spool_bytes_per_account: raw.spool_bytes_per_account,
            index_records: raw.index_records,
            webhooks_per_account: raw.webhooks_per_account.into(),
            webhooks_total: raw.webhooks_total.into(),
            reserve_bytes: raw.reserve_bytes,
            drain: Duration::from_secs(raw.drain_s),
        })
    }
}
