//! From text to a [`Config`]: single values, then rules across options.

use std::path::Path;
use std::time::Duration;

use super::options::OPTIONS;
use super::raw::Raw;
use super::{BaseUrl, Config, Limits};
use crate::names::Owner;
use atproto::syntax::{Did, Handle, ServiceUrl};
use server::daemon::listeners::is_address;
use server::settings::{SettingsError, Sources, Values};

const DEFAULT_STATE_DIR: &str = "/var/lib/atcr-appview";
/// Variables that begin so are meant for the front end.
const PREFIX: &str = "ATCR_";

impl Config {
    /// Merges the layers and checks the result.
    ///
    /// # Errors
    /// The first mistake found, as one line an operator can act on.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let mut values = Values::load(OPTIONS, PREFIX, sources)?;
        // Paths that follow from other options, filled in so that `check-config` shows them too.
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let state = sources.environment.directory("STATE_DIRECTORY").unwrap_or(Path::new(DEFAULT_STATE_DIR));
        values.fill("database.path", |_| text(&state.join("appview.db")));
        values.fill("auth.key_path", |values| {
            text(&Path::new(&values.text("database.path").unwrap_or_default()).with_file_name("keys").join("auth.key"))
        });
        let raw = values.extract()?;
        Checker { values: &values, raw: &raw }.config()
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
        Ok(Config {
            base_url: BaseUrl::parse(base_url).map_err(|problem| self.wrong("base_url", &problem))?,
            http_addr: self.http_addr()?,
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
            database_path: raw.database.path.clone().unwrap_or_default().into(),
            auth_key_path: raw.auth.key_path.clone().unwrap_or_default().into(),
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

    fn http_addr(&self) -> Result<String, SettingsError> {
        let addr = &self.raw.server.addr;
        if is_address(addr) {
            return Ok(addr.clone());
        }
        Err(self.wrong("server.addr", "it must be like :5000, 127.0.0.1:5000 or unix:/run/atcr-appview.sock"))
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
        let counts = [("connections", raw.connections), ("connections_per_address", raw.connections_per_address)];
        if let Some((name, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(self.wrong(&format!("limits.{name}"), "it must be greater than 0"));
        }
        let count = |value| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Limits {
            connections: count(raw.connections),
            connections_per_address: count(raw.connections_per_address),
            requests_per_address: raw.requests_per_address,
            drain: Duration::from_secs(raw.drain_s),
        })
    }
}
