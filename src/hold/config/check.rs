//! Checks the values of a configuration, then the rules across options, and makes a [`Config`].

#[cfg(any(feature = "gcs", feature = "azure"))]
mod clouds;
mod crew;
mod gc;
mod limits;
mod quota;
mod storage;

use std::path::{Path, PathBuf};

use server::key_file;
use server::settings::{Secret, SettingsError, Sources, Values};

use super::options::OPTIONS;
use super::raw::Raw;
use super::{Config, profile, show};
use atproto::syntax::{Did, Handle, HoldId, ServiceUrl};

const DEFAULT_STATE_DIR: &str = "/var/lib/atcr-hold";
const ADMIN_SOCKET: &str = "admin.sock";
/// Prefix of the hold's environment variables.
const PREFIX: &str = "HOLD_";

impl Config {
    /// Merges the layers and checks the result.
    ///
    /// # Errors
    /// The first error found, as one line that an operator can act on.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let mut config = Self::of(load(sources)?)?;
        if config.test_mode && !config.public_url.is_local() {
            config.values.warn_of_test_mode();
        }
        Ok(config)
    }

    /// Returns the effective configuration as TOML, secrets masked, and its warnings.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn show(sources: &Sources) -> Result<(String, Vec<String>), SettingsError> {
        let config = Self::load(sources)?;
        Ok((show::to_toml(&config.values.extract()?), config.values.warnings().to_vec()))
    }

    /// Returns the configuration after a reload that reads `new`: options that the table marks as live have their new
    /// values, all others keep theirs.
    ///
    /// # Errors
    /// When the new values of live options do not fit the values of the others.
    pub fn followed(&self, new: &Self) -> Result<Self, SettingsError> {
        Self::of(self.values.followed(&new.values)?)
    }

    /// Returns the options that differ in `new`, and need a restart.
    #[must_use]
    pub fn waiting_for_restart(&self, new: &Self) -> Vec<&'static str> {
        self.values.waiting_for_restart(&new.values)
    }

    /// Returns the warnings, each in one line.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.values.warnings()
    }

    fn of(values: Values) -> Result<Self, SettingsError> {
        let raw = values.extract()?;
        Checker { values: &values, raw: &raw }.config()
    }
}

fn load(sources: &Sources) -> Result<Values, SettingsError> {
    let mut values = Values::load(OPTIONS, PREFIX, sources)?;
    let environment = &sources.environment;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    // Paths that depend on other options, filled in so that `check-config` shows them too.
    let state = environment.directory("STATE_DIRECTORY").unwrap_or(Path::new(DEFAULT_STATE_DIR));
    values.fill("database.path", |_| text(&state.join("hold.db")));
    let beside_database = |values: &Values, name| {
        text(&Path::new(&values.text("database.path").unwrap_or_default()).with_file_name(name))
    };
    values.fill("database.key_path", |values| beside_database(values, "keys"));
    values.fill("admin.socket", |values| match environment.directory("RUNTIME_DIRECTORY") {
        Some(runtime) => text(&runtime.join(ADMIN_SOCKET)),
        None => beside_database(values, ADMIN_SOCKET),
    });
    fill_driver(&mut values);
    warn_of_unused_buckets(&mut values);
    warn_of_half_a_role(&mut values);
    Ok(values)
}

/// Warns of a bucket beside the driver of another storage.
fn warn_of_unused_buckets(values: &mut Values) {
    let driver = values.text("storage.driver").unwrap_or_default();
    for (kind, option) in
        [("s3", "storage.s3.bucket"), ("gcs", "storage.gcs.bucket"), ("azure", "storage.azure.container")]
    {
        if driver != kind && values.text(option).is_some_and(|name| !name.is_empty()) {
            values.warn(format!("{option} is set, but not used: storage.driver (STORAGE_DRIVER) is {driver}"));
        }
    }
}

/// Warns of one half of a web identity role: the machine's own role is asked for then.
fn warn_of_half_a_role(values: &mut Values) {
    let token = "storage.s3.web_identity_token_file (AWS_WEB_IDENTITY_TOKEN_FILE)";
    let role = "storage.s3.role_arn (AWS_ROLE_ARN)";
    let is_set = |option: &str| values.text(option).is_some_and(|value| !value.is_empty());
    if values.text("storage.driver").as_deref() != Some("s3") || is_set("storage.s3.access_key_id") {
        return;
    }
    let halves = (is_set("storage.s3.web_identity_token_file"), is_set("storage.s3.role_arn"));
    let (set, missing) = match halves {
        (true, false) => (token, role),
        (false, true) => (role, token),
        _ => return,
    };
    values.warn(format!("{set} is set, but not used without {missing}"));
}

/// Sets the driver if none is configured: `s3` when a bucket of S3 is configured, else `filesystem`.
pub(super) fn fill_driver(values: &mut Values) {
    values.fill("storage.driver", |values| {
        let driver = if values.text("storage.s3.bucket").is_some() { "s3" } else { "filesystem" };
        driver.to_owned()
    });
}

struct Checker<'a> {
    values: &'a Values,
    raw: &'a Raw,
}

impl Checker<'_> {
    fn config(&self) -> Result<Config, SettingsError> {
        let raw = self.raw;
        let public_url = self.values.required("public_url", raw.public_url.as_deref(), "https://hold.example.org")?;
        let public_url = ServiceUrl::parse(public_url).map_err(|e| self.wrong("public_url", &e.to_string()))?;
        let did = self.did(&public_url)?;
        let owner = self.values.required("owner", raw.owner.as_deref(), "did:plc:…, the DID of your account")?;
        let owner = account(owner, raw.test_mode).map_err(|problem| self.wrong("owner", &problem))?;
        if [&did, public_url.did()].contains(&&owner) {
            return Err(self.wrong("owner", "it is this hold itself: set the DID of your own account"));
        }
        Ok(Config {
            crew: self.crew(&owner)?,
            admin_socket: self.admin_socket()?,
            successor: self.successor(&did, &public_url)?,
            public_url,
            did,
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
            plc_directory_url: self.values.base_url("identity.plc_url", &raw.identity.plc_url, raw.test_mode)?,
            test_mode: raw.test_mode,
            server_addr: self.server_addr()?,
            trusted_proxies: self.values.proxies("server.trusted_proxies", &raw.server.trusted_proxies)?,
            accel_redirect: self.accel_redirect()?,
            database_path: self.values.file_path("database.path", raw.database.path.as_deref())?,
            signing_key: self.signing_key()?,
            key_dir: self.values.path("database.key_path", raw.database.key_path.as_deref())?,
            metrics_addr: self.metrics_addr()?,
            storage: self.storage()?,
            presigned: self.presigned()?,
            gc: self.gc()?,
            limits: self.limits()?,
            log_level: self.values.log_level("log_level", &raw.log_level, "info,atcr_hold=debug")?,
            values: self.values.clone(),
        })
    }

    /// Never with the text in the error: it is a secret.
    fn signing_key(&self) -> Result<Option<Secret>, SettingsError> {
        let Some(key) = &self.raw.database.signing_key else { return Ok(None) };
        match key_file::parse(key.expose().as_bytes()) {
            Some(_) => Ok(Some(key.clone())),
            None => Err(self.wrong("database.signing_key", "it is no key: it must be 64 hexadecimal digits")),
        }
    }

    fn wrong(&self, option: &str, problem: &str) -> SettingsError {
        self.values.wrong(option, problem)
    }

    fn did(&self, public_url: &ServiceUrl) -> Result<Did, SettingsError> {
        let Some(text) = self.raw.did.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(public_url.did().clone());
        };
        let did = Did::parse(text).map_err(|error| self.wrong("did", &error.to_string()))?;
        if !did.is_plc() && did != *public_url.did() {
            let problem = format!("it must be a did:plc, or be left out, which makes it {}", public_url.did());
            return Err(self.wrong("did", &problem));
        }
        Ok(did)
    }

    fn successor(&self, own: &Did, public_url: &ServiceUrl) -> Result<Option<HoldId>, SettingsError> {
        let Some(text) = self.raw.successor.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let successor = self.values.hold("successor", text, self.raw.test_mode)?;
        if [own, public_url.did()].contains(&successor.did()) {
            return Err(self.wrong("successor", "it is this hold itself: name the one that follows it"));
        }
        Ok(Some(successor))
    }

    fn server_addr(&self) -> Result<String, SettingsError> {
        let example = ":8080, 127.0.0.1:8080 or unix:/run/atcr-hold.sock";
        self.values.listen_address("server.addr", &self.raw.server.addr, example)
    }

    fn metrics_addr(&self) -> Result<Option<String>, SettingsError> {
        let (text, public) = (self.raw.metrics.addr.as_deref(), &self.raw.server.addr);
        let example = "127.0.0.1:9464 or unix:/run/atcr-hold-metrics.sock";
        self.values.metrics_address("metrics.addr", text, public, example)
    }

    fn admin_socket(&self) -> Result<PathBuf, SettingsError> {
        let Raw { server, metrics, admin, .. } = self.raw;
        let others = [("server.addr", Some(&*server.addr)), ("metrics.addr", metrics.addr.as_deref())];
        self.values.admin_socket("admin.socket", admin.socket.as_deref(), others)
    }

    fn relays(&self) -> Result<Vec<String>, SettingsError> {
        self.raw.relays.iter().map(|text| self.relay(text)).collect()
    }

    fn relay(&self, text: &str) -> Result<String, SettingsError> {
        let (scheme, host) = text.split_once("://").unwrap_or(("https", text));
        let url = url::Url::parse(&format!("{scheme}://{}", host.trim_end_matches('/'))).ok();
        // A URL with more than scheme, host and port differs from its origin.
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

    fn accel_redirect(&self) -> Result<Option<String>, SettingsError> {
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

/// Parses the DID of an account as [`resolvable`]. The error of a handle says where its DID is found.
fn account(text: &str, test_mode: bool) -> Result<Did, String> {
    match Handle::parse(text.trim_start_matches('@')) {
        Ok(handle) => Err(format!(
            "it is a handle, and must be a DID, like did:plc:ewvi7nxzyoun6zhxrhs64oiz: the account's is at \
             https://{handle}/.well-known/atproto-did, or in the TXT record of _atproto.{handle}"
        )),
        Err(_) => resolvable(text, test_mode),
    }
}

/// Parses a DID whose document can be resolved, so that its account's tokens can be verified.
fn resolvable(text: &str, test_mode: bool) -> Result<Did, String> {
    let did = Did::parse(text).map_err(|e| e.to_string())?;
    let id = did.identifier();
    match did.method() {
        "plc" if !did.is_plc() => {
            Err("a did:plc has 24 characters of a to z and 2 to 7, like did:plc:ewvi7nxzyoun6zhxrhs64oiz".into())
        }
        "web" if !test_mode && (id == "localhost" || id.starts_with("localhost%3A")) => {
            Err("only this machine could resolve it (localhost needs test_mode)".into())
        }
        "plc" | "web" => Ok(did),
        _ => Err("only did:plc and did:web accounts can be resolved".into()),
    }
}
