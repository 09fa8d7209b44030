//! The name of a registry: `host` or `host:port`, in any form that docker or a user writes.

use std::fmt;

use url::{Host, Url};

/// Longer input is refused.
const MAX_BYTES: usize = 500;

/// Errors of parsing the name of a registry and of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryNameError {
    /// The input is empty. docker compares this text literally.
    #[error("no credentials server URL")]
    Missing,
    /// The input is not a host with an optional port.
    #[error("a registry is named by its host, as in image names: registry.example.org, or localhost:5000")]
    Malformed,
    /// `http://` to another machine: secrets would cross the network unencrypted.
    #[error("http:// is for registries of this machine only")]
    PlainHttp,
}

/// The name of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryName {
    name: String,
    is_loopback: bool,
    /// Whether the input named `http` (true) or `https` (false); `None` without a scheme.
    is_plain: Option<bool>,
}

impl RegistryName {
    /// Parses `host`, `host:port`, `https://host` or `https://host/v1/`, in any case, with white space around it.
    ///
    /// # Errors
    /// [`RegistryNameError::Missing`], [`RegistryNameError::Malformed`]
    pub fn parse(text: &str) -> Result<Self, RegistryNameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RegistryNameError::Missing);
        }
        let (is_plain, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(false), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(true), rest),
            Some(_) => return Err(RegistryNameError::Malformed),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\' | '%');
        if authority.is_empty() || text.len() > MAX_BYTES || text.contains(is_odd) {
            return Err(RegistryNameError::Malformed);
        }
        let scheme = if is_plain == Some(true) { "http" } else { "https" };
        let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| RegistryNameError::Malformed)?;
        let is_loopback = match url.host().ok_or(RegistryNameError::Malformed)? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let host = url.host_str().unwrap_or_default();
        let name = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { name, is_loopback, is_plain })
    }

    /// Returns the name as it is written in image names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the origin: https, or http on this machine, unless the input named the other scheme.
    ///
    /// # Errors
    /// [`RegistryNameError::PlainHttp`]
    pub fn origin(&self) -> Result<String, RegistryNameError> {
        match self.is_plain.unwrap_or(self.is_loopback) {
            true if !self.is_loopback => Err(RegistryNameError::PlainHttp),
            true => Ok(format!("http://{}", self.name)),
            false => Ok(format!("https://{}", self.name)),
        }
    }

    /// Returns the origin, if the name alone would give the other scheme.
    #[must_use]
    pub fn written_origin(&self) -> Option<String> {
        self.is_plain.filter(|plain| *plain != self.is_loopback).and_then(|_| self.origin().ok())
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{RegistryName, RegistryNameError};

    #[test]
    fn a_registry_is_known_however_it_is_written() {
        for text in [
            "registry.example.org",
            "registry.example.org\n",
            "  registry.example.org\r\n",
            "Registry.Example.ORG",
            "https://registry.example.org",
            "HTTPS://registry.example.org/",
            "https://registry.example.org/v1/",
            "https://registry.example.org/v2/",
            "registry.example.org:443",
            "http://registry.example.org",
        ] {
            assert_eq!(RegistryName::parse(text).unwrap().as_str(), "registry.example.org", "{text}");
        }
        for (text, name) in [
            ("localhost:5000", "localhost:5000"),
            ("https://[::1]:5000/v2/", "[::1]:5000"),
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(RegistryName::parse(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_names_none_is_refused() {
        for text in ["", " \r\n", "\t"] {
            assert_eq!(RegistryName::parse(text), Err(RegistryNameError::Missing));
        }
        let long = format!("{}.example", "a".repeat(600));
        for text in [
            "https://",
            "/v1/",
            "ftp://host",
            "a b",
            "host\nother",
            "user@host",
            "https://user:password@host",
            "host:99999",
            "host:x",
            "host?x",
            "host#x",
            "{\"ServerURL\":\"x\"}",
            "a\0b",
            "h\\x",
            &long,
        ] {
            assert_eq!(RegistryName::parse(text), Err(RegistryNameError::Malformed), "{text}");
        }
    }

    #[test]
    fn http_is_for_this_machine() {
        let origin = |text| RegistryName::parse(text).unwrap().origin();
        assert_eq!(origin("registry.example.org"), Ok("https://registry.example.org".into()));
        assert_eq!(origin("localhost:5000"), Ok("http://localhost:5000".into()));
        assert_eq!(origin("127.0.0.1:5000"), Ok("http://127.0.0.1:5000".into()));
        assert_eq!(origin("https://localhost:5000"), Ok("https://localhost:5000".into()));
        assert_eq!(origin("http://registry.example.org"), Err(RegistryNameError::PlainHttp));
        assert_eq!(origin("http://10.0.0.1"), Err(RegistryNameError::PlainHttp));
        let written = |text| RegistryName::parse(text).unwrap().written_origin();
        assert_eq!(written("https://localhost:5000"), Some("https://localhost:5000".into()));
        assert_eq!(
            (written("localhost:5000"), written("http://localhost:5000"), written("https://a.example")),
            (None, None, None)
        );
    }
}
