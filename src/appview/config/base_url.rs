//! The base URL of the registry: clients' image names and all URLs of this program begin with it.

use atproto::syntax::ServiceUrl;

/// A base URL: `https://<host>`, or `http://` with `localhost` or `127.0.0.1` and any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: Box<str>,
    authority: Box<str>,
}

const LOOPBACK: &str = "http://127.0.0.1";

impl BaseUrl {
    /// Parses the URL, with or without one trailing slash.
    ///
    /// # Errors
    /// A sentence that says what the URL must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if let Some(port) = text.strip_prefix(LOOPBACK) {
            let is_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
            if !port.is_empty() && !is_port {
                return Err("it must be like http://127.0.0.1:5000".into());
            }
            return Ok(Self { text: text.into(), authority: text["http://".len()..].into() });
        }
        let url = ServiceUrl::parse(text).map_err(|error| error.to_string())?;
        Ok(Self { text: url.as_str().into(), authority: url.authority().into() })
    }

    /// Returns the URL without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the origin with the address 127.0.0.1 if the registry is on this machine: authorization servers do not
    /// redirect to `localhost`.
    #[must_use]
    pub fn loopback_origin(&self) -> Option<String> {
        let authority = self.text.strip_prefix("http://")?;
        let port = authority.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        Some(format!("http://127.0.0.1{port}"))
    }

    /// Returns host and port: the first part of image names, and the service that tokens are for.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::BaseUrl;

    #[test]
    fn browsers_come_back_to_this_machine_by_its_number() {
        let origin = |text| BaseUrl::parse(text).unwrap().loopback_origin();
        assert_eq!(origin("http://localhost:5000"), Some("http://127.0.0.1:5000".into()));
        assert_eq!(origin("http://127.0.0.1:5000"), Some("http://127.0.0.1:5000".into()));
        assert_eq!(origin("https://registry.example.org"), None);
    }

    #[test]
    fn an_address_is_a_host_or_this_machine() {
        let authority = |text| BaseUrl::parse(text).map(|url| url.authority().to_owned()).ok();
        assert_eq!(authority("https://registry.example.org/"), Some("registry.example.org".into()));
        assert_eq!(authority("http://localhost:5000"), Some("localhost:5000".into()));
        assert_eq!(authority("http://127.0.0.1:5000"), Some("127.0.0.1:5000".into()));
        for text in [
            "registry.example.org",
            "http://registry.example.org",
            "https://registry.example.org:5000",
            "https://registry.example.org/x",
            "http://127.0.0.1:x",
            "http://127.0.0.10",
            "http://10.0.0.1:5000",
            "",
        ] {
            assert_eq!(authority(text), None, "{text}");
        }
    }
}
