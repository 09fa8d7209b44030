//! Checks of values that several programs share.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{SettingsError, Values};
use crate::daemon::listeners::{MAX_PATH, MAX_PRIVATE_PATH, is_address, socket_path};
use atproto::syntax::{Did, HoldId, ServiceUrl};

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Values {
    /// Returns the value of an option that must be set and not be empty.
    ///
    /// # Errors
    /// When it is not set, with an example of a value.
    pub fn required<'v>(&self, option: &str, value: Option<&'v str>, example: &str) -> Result<&'v str, SettingsError> {
        value.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(option, example))
    }

    /// Returns a path that is set in a file or derived from another option.
    ///
    /// # Errors
    /// When it is empty, as only a file can have it: an empty variable is unset.
    pub fn path(&self, option: &str, text: Option<&str>) -> Result<PathBuf, SettingsError> {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => Ok(text.into()),
            None => Err(self.wrong(option, "it is empty: set a path, or remove the option")),
        }
    }

    /// Returns the path of a file.
    ///
    /// # Errors
    /// As [`Values::path`], and for the path of a directory.
    pub fn file_path(&self, option: &str, text: Option<&str>) -> Result<PathBuf, SettingsError> {
        if text.is_some_and(|text| text.ends_with('/')) {
            return Err(self.wrong(option, "it must be the path of a file, not of a directory"));
        }
        self.path(option, text)
    }

    /// Returns the hold that a DID names.
    ///
    /// # Errors
    /// When it is no DID of a hold, with the DID of a URL or host that stands in its place; without `test_mode`, also when
    /// only this machine reaches the hold.
    pub fn hold(&self, option: &str, text: &str, test_mode: bool) -> Result<HoldId, SettingsError> {
        let hold = Did::parse(text).and_then(|did| HoldId::of_did(&did));
        let hold = hold.map_err(|error| {
            let url = ServiceUrl::parse(text).or_else(|_| ServiceUrl::parse(&format!("https://{text}")));
            let problem =
                url.map_or_else(|_| error.to_string(), |url| format!("it must be a DID: write {}", url.did()));
            self.wrong(option, &problem)
        })?;
        if let HoldId::Web(url) = &hold
            && url.is_local()
            && !test_mode
        {
            return Err(self.wrong(option, "it must be reachable by others (localhost needs test_mode)"));
        }
        Ok(hold)
    }

    /// Parses each text of a list.
    ///
    /// # Errors
    /// The error of the first text that `parse` refuses.
    pub fn each<T>(
        &self,
        option: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, SettingsError> {
        texts.iter().map(|text| parse(text).map_err(|problem| self.wrong(option, problem))).collect()
    }

    /// Parses the addresses of reverse proxies.
    ///
    /// # Errors
    /// The first text that is not an IP address.
    pub fn proxies(&self, option: &str, texts: &[String]) -> Result<Vec<IpAddr>, SettingsError> {
        self.each(option, texts, |text| match text.parse::<IpAddr>() {
            // Some programs show an IPv4 peer of an IPv6 socket as ::ffff:192.0.2.1.
            Ok(address) => Ok(address.to_canonical()),
            Err(_) => Err("each proxy is an IP address, like 127.0.0.1"),
        })
    }

    /// Returns a base URL without a trailing slash: `https://…`, or `http://…` in `test_mode`.
    ///
    /// # Errors
    /// When it is not such a URL.
    pub fn base_url(&self, option: &str, text: &str, test_mode: bool) -> Result<String, SettingsError> {
        let base = text.trim_end_matches('/');
        let url = match url::Url::parse(base) {
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && test_mode) => url,
            Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
                return Err(self.wrong(option, "it must begin with https:// (http:// needs test_mode)"));
            }
            Err(error) => return Err(self.wrong(option, &format!("it is not a URL: {error}"))),
        };
        // A path is put behind it, and what check-config shows is no secret.
        if url.as_str() != format!("{}{}", url.origin().ascii_serialization(), url.path()) {
            return Err(self.wrong(option, "it must be like https://host, without user, query and fragment"));
        }
        Ok(base.to_owned())
    }

    /// Returns an address to listen on, such as `example`.
    ///
    /// # Errors
    /// When [`crate::daemon::listeners::bind`] could not parse it.
    pub fn listen_address(&self, option: &str, text: &str, example: &str) -> Result<String, SettingsError> {
        if !is_address(text) {
            return Err(self.wrong(option, &format!("it must be like {example}")));
        }
        if let Some(path) = socket_path(text) {
            self.socket_length(option, path, MAX_PATH)?;
        }
        Ok(text.to_owned())
    }

    /// Returns the path of the admin socket. `others` are the other addresses that are listened on, by their options.
    ///
    /// # Errors
    /// As [`Values::file_path`]; for a path that is too long for a socket, and for that of another one.
    pub fn admin_socket(
        &self,
        option: &str,
        text: Option<&str>,
        others: [(&str, Option<&str>); 2],
    ) -> Result<PathBuf, SettingsError> {
        let path = self.file_path(option, text)?;
        if path.starts_with("unix:") {
            return Err(self.wrong(option, "it must be a path, like /run/admin.sock, without unix: before it"));
        }
        self.socket_length(option, &path, MAX_PRIVATE_PATH)?;
        match others.into_iter().find(|(_, address)| address.and_then(socket_path) == Some(&path)) {
            Some((other, _)) => Err(self.wrong(option, &format!("use another path than {other}"))),
            None => Ok(path),
        }
    }

    fn socket_length(&self, option: &str, path: &Path, longest: usize) -> Result<(), SettingsError> {
        if path.as_os_str().len() <= longest {
            return Ok(());
        }
        Err(self.wrong(option, &format!("a socket's path has at most {longest} bytes: use a shorter one")))
    }

    /// Returns the address of metrics, such as `example`, if one is set. It must not be `public`, the address of
    /// requests.
    ///
    /// # Errors
    /// As [`Values::listen_address`].
    pub fn metrics_address(
        &self,
        option: &str,
        text: Option<&str>,
        public: &str,
        example: &str,
    ) -> Result<Option<String>, SettingsError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let same_file = socket_path(text).is_some_and(|path| socket_path(public) == Some(path));
        if same_file || (text == public && is_address(text) && !text.ends_with(":0")) {
            return Err(self.wrong(option, "metrics are not for the public: use another address than server.addr"));
        }
        self.listen_address(option, text, example).map(Some)
    }

    /// Returns a log level, or tracing's filter syntax with a level for each target, such as `example`.
    ///
    /// # Errors
    /// When a part of it has no level.
    pub fn log_level(&self, option: &str, text: &str, example: &str) -> Result<String, SettingsError> {
        // A single word that is not a level would be taken as a target, and silence everything else.
        let has_level = |directive: &str| LOG_LEVELS.contains(&directive.rsplit('=').next().unwrap_or_default());
        if text.split(',').all(has_level) {
            return Ok(text.to_owned());
        }
        Err(self.wrong(option, &format!("it must be error, warn, info, debug, trace, or like {example}")))
    }
}
