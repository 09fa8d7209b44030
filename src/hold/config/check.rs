//! From text to a [`Config`]: single values, then rules across options.

#[cfg(any(feature = "gcs", feature = "azure"))]
mod clouds;
mod crew;
mod gc;
mod limits;
mod quota;
mod storage;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};

use super::environment::Environment;
use super::error::origin_name;
use super::raw::Raw;
use super::{Config, ConfigError, profile, show};
use atproto::syntax::{Did, ServiceUrl};

const DEFAULT_STATE_DIR: &str = "/var/lib/atcr-hold";
const ADMIN_SOCKET: &str = "admin.sock";

impl Config {
    /// Merges the layers and checks the result. `file` must exist when given; `dotenv` may be absent.
    ///
    /// # Errors
    /// The first mistake found, as one line an operator can act on.
    pub fn load(file: Option<&Path>, dotenv: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Loaded::new(file, dotenv, environment)?.config)
    }

    /// The effective configuration as TOML, secrets masked.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn show(file: Option<&Path>, dotenv: &Path, environment: &Environment) -> Result<String, ConfigError> {
        Ok(show::to_toml(&Loaded::new(file, dotenv, environment)?.raw))
    }
}

struct Loaded {
    raw: Raw,
    config: Config,
}

impl Loaded {
    fn new(file: Option<&Path>, dotenv: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Raw::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError::file(path, "--config names it, but there is no such file"));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        figment =
            figment.merge(Environment::of_file(dotenv)?.layer(".env")?).merge(environment.layer("the environment")?);
        let mut raw: Raw = figment.extract_lossy().map_err(ConfigError::from_figment)?;
        fill_paths(&mut raw, environment);
        let config = Checker { figment: &figment, raw: &raw }.config()?;
        Ok(Self { raw, config })
    }
}

/// Paths that follow from other options, so that `check-config` shows them too.
fn fill_paths(raw: &mut Raw, environment: &Environment) {
    // systemd separates several directories by colons; the first is the one of the unit's own name.
    let directory = |variable| environment.get(variable).and_then(|list| list.split(':').next()).map(Path::new);
    let state = directory("STATE_DIRECTORY").unwrap_or(Path::new(DEFAULT_STATE_DIR));
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let database = raw.database.path.get_or_insert_with(|| text(state.join("hold.db"))).clone();
    raw.database.key_path.get_or_insert_with(|| text(Path::new(&database).with_file_name("keys")));
    let beside_database = || Path::new(&database).with_file_name(ADMIN_SOCKET);
    let socket = directory("RUNTIME_DIRECTORY").map_or_else(beside_database, |runtime| runtime.join(ADMIN_SOCKET));
    raw.admin.socket.get_or_insert_with(|| text(socket));
    raw.storage.fill_driver();
}

struct Checker<'a> {
    figment: &'a Figment,
    raw: &'a Raw,
}

impl Checker<'_> {
    fn config(&self) -> Result<Config, ConfigError> {
        let raw = self.raw;
        let public_url = self.required("public_url", raw.public_url.as_deref(), "https://hold.example.org")?;
        let public_url = ServiceUrl::parse(public_url).map_err(|e| self.wrong("public_url", &e.to_string()))?;
        let owner = self.required("owner", raw.owner.as_deref(), "did:plc:…, the DID of your account")?;
        let owner = resolvable(owner).map_err(|problem| self.wrong("owner", &problem))?;
        Ok(Config {
            crew: self.crew(&owner)?,
            successor: self.successor(&public_url)?,
            public_url,
            owner,
            public: raw.public,
            allow_all_crew: raw.allow_all_crew,
            mutable_crew: raw.mutable_crew,
            region: raw.region.clone().filter(|region| !region.is_empty()),
            profile: profile::check(&raw.profile).map_err(|(option, problem)| self.wrong(option, &problem))?,
            quota: self.quota()?,
            appviews: self.appviews()?,
            bluesky_posts: raw.bluesky_posts,
            relays: self.relays()?,
            plc_directory_url: self.plc_url()?,
            test_mode: raw.test_mode,
            server_addr: self.server_addr()?,
            trusted_proxies: self.trusted_proxies()?,
            accel_redirect: self.accel_redirect()?,
            database_path: raw.database.path.clone().unwrap_or_default().into(),
            signing_key: raw.database.signing_key.clone(),
            key_dir: raw.database.key_path.clone().unwrap_or_default().into(),
            admin_socket: raw.admin.socket.clone().unwrap_or_default().into(),
            metrics_addr: self.metrics_addr()?,
            storage: self.storage()?,
            gc: self.gc()?,
            limits: self.limits()?,
            log_level: self.log_level()?,
        })
    }

    fn required<'v>(&self, option: &str, value: Option<&'v str>, example: &str) -> Result<&'v str, ConfigError> {
        value.filter(|text| !text.is_empty()).ok_or_else(|| ConfigError::missing(option, example))
    }

    fn wrong(&self, option: &str, problem: &str) -> ConfigError {
        let origin = self.figment.find_metadata(option).map_or_else(|| "the configuration".into(), origin_name);
        ConfigError::option(option, &origin, problem)
    }

    fn successor(&self, public_url: &ServiceUrl) -> Result<Option<ServiceUrl>, ConfigError> {
        let Some(text) = self.raw.successor.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let successor = Did::parse(text).and_then(|did| ServiceUrl::of_did(&did));
        let successor = successor.map_err(|e| self.wrong("successor", &e.to_string()))?;
        if successor == *public_url {
            return Err(self.wrong("successor", "it is this hold itself: name the one that follows it"));
        }
        if successor.is_local() && !self.raw.test_mode {
            return Err(self.wrong("successor", "it must be reachable by others (localhost needs test_mode)"));
        }
        Ok(Some(successor))
    }

    fn server_addr(&self) -> Result<String, ConfigError> {
        let addr = &self.raw.server.addr;
        if can_be_listened_on(addr) {
            return Ok(addr.clone());
        }
        Err(self.wrong("server.addr", "it must be like :8080, 127.0.0.1:8080 or unix:/run/atcr-hold.sock"))
    }

    fn metrics_addr(&self) -> Result<Option<String>, ConfigError> {
        const OPTION: &str = "metrics.addr";
        let Some(addr) = self.raw.metrics.addr.as_ref().filter(|addr| !addr.is_empty()) else { return Ok(None) };
        if !can_be_listened_on(addr) {
            return Err(self.wrong(OPTION, "it must be like 127.0.0.1:9464 or unix:/run/atcr-hold-metrics.sock"));
        }
        if *addr == self.raw.server.addr && !addr.ends_with(":0") {
            return Err(self.wrong(OPTION, "metrics are not for the public: use another address than server.addr"));
        }
        Ok(Some(addr.clone()))
    }

    fn log_level(&self) -> Result<String, ConfigError> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // A single word that is no level would be taken as a target, and silence everything else.
        let has_level = |directive: &str| LEVELS.contains(&directive.rsplit('=').next().unwrap_or_default());
        if self.raw.log_level.split(',').all(has_level) {
            return Ok(self.raw.log_level.clone());
        }
        Err(self.wrong("log_level", "it must be error, warn, info, debug, trace, or like info,atcr_hold=debug"))
    }

    fn plc_url(&self) -> Result<String, ConfigError> {
        const OPTION: &str = "identity.plc_url";
        let url = self.raw.identity.plc_url.trim_end_matches('/');
        let parsed = url::Url::parse(url).map_err(|e| self.wrong(OPTION, &format!("it is not a URL: {e}")))?;
        match parsed.scheme() {
            "https" => Ok(url.to_owned()),
            "http" if self.raw.test_mode => Ok(url.to_owned()),
            _ => Err(self.wrong(OPTION, "it must begin with https:// (http:// needs test_mode)")),
        }
    }

    fn relays(&self) -> Result<Vec<String>, ConfigError> {
        self.raw.relays.iter().map(|text| self.relay(text)).collect()
    }

    fn relay(&self, text: &str) -> Result<String, ConfigError> {
        let (scheme, host) = text.split_once("://").unwrap_or(("https", text));
        let url = url::Url::parse(&format!("{scheme}://{}", host.trim_end_matches('/'))).ok();
        // A URL that is more than scheme, host and port differs from its origin.
        let plain = url.filter(|url| *url.as_str() == format!("{}/", url.origin().ascii_serialization()));
        match (scheme, plain) {
            ("https", Some(url)) => Ok(url.origin().ascii_serialization()),
            ("http", Some(url)) if self.raw.test_mode && url.host_str() == Some("localhost") => {
                Ok(url.origin().ascii_serialization())
            }
            ("http", Some(_)) => {
                Err(self.wrong("relays", "relays are asked by https (http://localhost:port needs test_mode)"))
            }
            _ => Err(self.wrong("relays", "each relay is a host name, like bsky.network")),
        }
    }

    fn trusted_proxies(&self) -> Result<Vec<IpAddr>, ConfigError> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| self.wrong("server.trusted_proxies", "each proxy is an IP address, like 127.0.0.1"))
        };
        self.raw.server.trusted_proxies.iter().map(parse).collect()
    }

    fn accel_redirect(&self) -> Result<Option<String>, ConfigError> {
        const OPTION: &str = "server.accel_redirect";
        let Some(prefix) = self.raw.server.accel_redirect.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte));
        if !plain || !prefix.starts_with('/') || !prefix.ends_with('/') {
            return Err(self.wrong(OPTION, "it is a location of the reverse proxy's, like /.blobs/"));
        }
        if self.raw.storage.driver.as_deref() != Some("filesystem") {
            return Err(self.wrong(OPTION, "a proxy has only files to send: remove it, or use the filesystem driver"));
        }
        Ok(Some(prefix.to_owned()))
    }
}

/// A path, or something with a port.
fn can_be_listened_on(addr: &str) -> bool {
    let is_path = addr.strip_prefix("unix:").unwrap_or(addr).starts_with('/');
    is_path || addr.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// A DID whose tokens can be verified.
fn resolvable(text: &str) -> Result<Did, String> {
    let did = Did::parse(text).map_err(|e| e.to_string())?;
    match did.method() {
        "plc" | "web" => Ok(did),
        _ => Err("only did:plc and did:web accounts can be resolved".into()),
    }
}
