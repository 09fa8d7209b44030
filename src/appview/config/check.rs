//! Checks of a configuration: single values, then rules across options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::OPTIONS;
use super::raw::Raw;
use super::{BaseUrl, Config, Limits};
use crate::names::Owner;
use atproto::syntax::{Did, Handle, HoldId};
use server::key_file;
use server::settings::{Secret, SettingsError, Sources, Values};

const DEFAULT_STATE_DIR: &str = "/var/lib/atcr-appview";
const ADMIN_SOCKET: &str = "admin.sock";
/// Examples of addresses to listen on, for errors.
const ADDRESSES: &str = ":5000, 127.0.0.1:5000 or unix:/run/atcr-appview.sock";
/// Smallest value of two limits in bytes: the size of an upload part, and of the database's log.
const MIN_BYTES: u64 = 16 << 20;
/// Prefix of the front end's environment variables.
const PREFIX: &str = "ATCR_";

impl Config {
    /// Merges the layers and checks the result.
    ///
    /// # Errors
    /// The first mistake found, as one line an operator can act on.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let mut config = Self::of(load(sources)?)?;
        if config.test_mode && config.base_url.loopback_origin().is_none() {
            config.values.warn_of_test_mode();
        }
        if config.auth_key.is_none() && config.auth_key_path == config.oauth_key_path {
            config.values.warn(
                "oauth.key_path (ATCR_OAUTH_KEY_PATH) is the file of auth.key_path: give each key its own".into(),
            );
        }
        Ok(config)
    }

    /// Returns the effective configuration as TOML, and its warnings.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn show(sources: &Sources) -> Result<(String, Vec<String>), SettingsError> {
        let config = Self::load(sources)?;
        let raw: Raw = config.values.extract()?;
        let text = toml::to_string(&raw).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"));
        Ok((text, config.warnings().to_vec()))
    }

    /// Returns warnings about values that are valid, but probably not intended. Each is one line.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.values.warnings()
    }

    /// Returns the configuration after a reload that has read `new`: the new values of the options that a reload
    /// follows, and the old ones of all others.
    ///
    /// # Errors
    /// When the new values are inconsistent with the old ones.
    pub fn followed(&self, new: &Self) -> Result<Self, SettingsError> {
        Self::of(self.values.followed(&new.values)?)
    }

    /// Returns the options that differ in `new` and need a restart.
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
    // Default paths that depend on other options, filled in so that `check-config` shows them too.
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
            trusted_proxies: self.values.proxies("server.trusted_proxies", &raw.server.trusted_proxies)?,
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
            database_path: self.values.file_path("database.path", raw.database.path.as_deref())?,
            auth_key: self.auth_key()?,
            auth_key_path: self.values.file_path("auth.key_path", raw.auth.key_path.as_deref())?,
            oauth_key_path: self.values.file_path("oauth.key_path", raw.oauth.key_path.as_deref())?,
            admin_socket: self.admin_socket()?,
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

    fn admin_socket(&self) -> Result<PathBuf, SettingsError> {
        let Raw { server, metrics, admin, .. } = self.raw;
        let others = [("server.addr", Some(&*server.addr)), ("metrics.addr", metrics.addr.as_deref())];
        self.values.admin_socket("admin.socket", admin.socket.as_deref(), others)
    }

    /// Parses the key. The error never has the text: it is a secret.
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

    fn default_hold(&self) -> Result<Option<HoldId>, SettingsError> {
        let Some(text) = self.raw.default_hold.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        self.values.hold("default_hold", text, self.raw.test_mode).map(Some)
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
