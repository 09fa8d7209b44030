//! The public URL of a service such as a hold, and its did:web. <https://atproto.com/specs/did#blessed-did-methods>

use super::{Did, SyntaxError};

/// `https://<host>` on port 443, or `http://localhost[:port]` for a service that only this machine can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    text: Box<str>,
    authority: Box<str>,
    did: Did,
}

impl ServiceUrl {
    /// Parses a public URL; one trailing slash is tolerated and dropped.
    ///
    /// # Errors
    /// For any other scheme, a path, user info, an IP address, or a port on a public host.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let fail = |reason| SyntaxError { kind: "public URL", reason };
        if text.trim() != text {
            return Err(fail("it has a space or a line break at its begin or end: remove it"));
        }
        if text.contains(['"', '\'']) {
            return Err(fail("it has quotation marks: remove them"));
        }
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let (scheme, authority) = trimmed.split_once("://").ok_or(fail("it must be like https://hold.example.org"))?;
        if authority.contains(['/', '?', '#', '@']) {
            return Err(fail("it must be scheme and host only, without path, query or user"));
        }
        if authority.starts_with('[') {
            return Err(fail("its host must be a domain name, not an address"));
        }
        let (host, port) = match authority.split_once(':') {
            None => (authority, None),
            Some((host, port)) => (host, Some(port.parse::<u16>().map_err(|_| fail("its port is not a number"))?)),
        };
        match (scheme, host, port) {
            ("http", "localhost", _) => {}
            ("https", "localhost", _) | ("https", _, None) => check_host(host).map_err(fail)?,
            ("https", _, Some(_)) => return Err(fail("a did:web has no port: serve it on 443")),
            ("http", ..) => return Err(fail("it must begin with https:// (http:// is for localhost only)")),
            _ => return Err(fail("it must begin with https://")),
        }
        let did = Did::web(host, port).map_err(|_| fail("its host does not make a did:web"))?;
        Ok(Self { text: trimmed.into(), authority: authority.into(), did })
    }

    /// Returns the URL of the hold with this DID.
    ///
    /// # Errors
    /// When it is not a did:web of a host.
    pub fn of_did(did: &Did) -> Result<Self, SyntaxError> {
        let fail = |reason| SyntaxError { kind: "DID of a hold", reason };
        let host = did.as_str().strip_prefix("did:web:").ok_or(fail("it must be like did:web:hold.example.org"))?;
        let scheme = if host == "localhost" || host.starts_with("localhost%3A") { "http" } else { "https" };
        let url = Self::parse(&format!("{scheme}://{}", host.replacen("%3A", ":", 1)));
        url.map_err(|_| fail("it must be did:web: and a domain name"))
    }

    /// Returns the URL without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host, with the port where there is one: the value of the `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the service's did:web, with a port as `%3A`.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.authority.split(':').next() == Some("localhost")
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host == "localhost" {
        return Ok(());
    }
    if !host.is_ascii() {
        return Err("write its host in ASCII, an international name in its form with xn--");
    }
    if host.contains('_') {
        return Err("its host has an underscore, which no name of a web server has");
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("write its host in lower case");
    }
    let problem = "its host must be a domain name with a dot, like hold.example.org, and not an address";
    super::Handle::parse(host).map(|_| ()).map_err(|_| problem)
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Did, ServiceUrl};

    #[test]
    fn a_url_names_its_did() {
        let did = |text| ServiceUrl::parse(text).map(|url| url.did().to_string());
        assert_eq!(did("https://hold.example.org/"), Ok("did:web:hold.example.org".into()));
        assert_eq!(did("http://localhost:8080"), Ok("did:web:localhost%3A8080".into()));
    }

    #[test]
    fn a_did_names_its_url() {
        let url = |text| ServiceUrl::of_did(&Did::parse(text).unwrap()).map(|url| url.to_string());
        assert_eq!(url("did:web:hold.example.org"), Ok("https://hold.example.org".into()));
        assert_eq!(url("did:web:localhost%3A8080"), Ok("http://localhost:8080".into()));
        for text in [
            "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
            "did:web:hold.example.org%3A8443",
            "did:web:hold.example.org:path",
            "did:web:10.0.0.1",
            "did:web:localhost%3A99999",
            "did:web:localhost%3a80",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_did_web_is_refused() {
        for text in [
            "hold.example.org",
            "http://hold.example.org",
            "https://hold.example.org:8443",
            "https://10.0.0.1",
            "https://[::1]",
            "https://hold.example.org/x",
            "https://u@hold.example.org",
            "https://Hold.example.org",
            "ftp://hold.example.org",
            "https://",
            "http://localhost:99999",
            "https://hold.example.org//",
            "\"https://hold.example.org\"",
        ] {
            assert!(ServiceUrl::parse(text).is_err(), "{text}");
        }
    }
}
