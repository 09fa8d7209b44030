//! The URLs of DID documents and of handles. Pure.
//!
//! The first half of the SSRF guard: a did:web names a host by its domain name, never by an IP address in any of its
//! spellings, and has no port and no path. `localhost`, with a port, is allowed in test mode only.
//! <https://atproto.com/specs/did#blessed-did-methods>

use http::Uri;

use super::{ResolveError, SetupError};
use atproto::syntax::{Did, Handle};

const DOCUMENT_PATH: &str = "/.well-known/did.json";
const HANDLE_PATH: &str = "/.well-known/atproto-did";

/// The URL of a look-up, by who chose its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A document at the PLC directory. The operator chose the host: it may have any address.
    Directory(Uri),
    /// A document of a did:web. The sender of the DID chose the host.
    Web(Uri),
    /// The DID of a handle, which is sent as the `Host`. The claimant of the handle chose the host.
    Handle(Uri, Handle),
}

/// The URL of a method at an account's PDS: https and a host name, and no other path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PdsUrl(Uri);

impl PdsUrl {
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }
}

impl std::fmt::Display for PdsUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Builds the URLs of look-ups, by the operator's settings.
pub(super) struct Locator {
    /// The URL of the PLC directory, without a trailing slash.
    directory: String,
    test_mode: bool,
}

impl Locator {
    pub(super) fn new(plc_directory: &str, test_mode: bool) -> Result<Self, SetupError> {
        let directory = plc_directory.trim_end_matches('/').to_owned();
        let uri: Uri = directory.parse().map_err(|_| SetupError::PlcDirectory)?;
        let scheme_ok = uri.scheme_str() == Some("https") || (test_mode && uri.scheme_str() == Some("http"));
        let host_ok = uri.host().is_some_and(|host| !host.is_empty());
        if scheme_ok && host_ok && uri.query().is_none() {
            Ok(Self { directory, test_mode })
        } else {
            Err(SetupError::PlcDirectory)
        }
    }

    pub(super) fn locate(&self, did: &Did) -> Result<Location, ResolveError> {
        let id = did.identifier();
        match did.method() {
            "plc" if did.is_plc() => parse(&format!("{}/{did}", self.directory)).map(Location::Directory),
            "plc" => Err(ResolveError::Unsupported("the identifier of a did:plc is 24 characters of base32")),
            "web" => self.locate_web(id).map(Location::Web),
            _ => Err(ResolveError::Unsupported("only did:plc and did:web are known")),
        }
    }

    /// Returns the URL of the method `nsid` at the PDS that a DID document names as `endpoint`.
    pub(super) fn pds_method(&self, endpoint: &str, nsid: &str) -> Result<PdsUrl, ResolveError> {
        let base = endpoint.strip_suffix('/').unwrap_or(endpoint);
        let web = base.strip_prefix("https://").is_some_and(|host| Handle::parse(host).is_ok());
        let local = self.test_mode
            && base.strip_prefix("http://localhost").is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
            });
        if !web && !local {
            return Err(ResolveError::Invalid("its PDS must be https:// and a host name only"));
        }
        parse(&format!("{base}/xrpc/{nsid}")).map(PdsUrl)
    }

    /// Returns the URL that names the DID of `handle`, which an account with this PDS claims.
    pub(super) fn locate_handle(&self, handle: &Handle, pds: Option<&str>) -> Result<Location, ResolveError> {
        let pds = pds.filter(|_| !self.is_in_dns(handle));
        let origin = pds.map_or_else(|| format!("https://{handle}"), |pds| pds.trim_end_matches('/').to_owned());
        Ok(Location::Handle(parse(&format!("{origin}{HANDLE_PATH}"))?, handle.clone()))
    }

    /// Returns the name whose TXT records name the DID of `handle`.
    pub(super) fn txt_name(&self, handle: &Handle) -> Option<String> {
        self.is_in_dns(handle).then(|| format!("_atproto.{handle}"))
    }

    /// Whether name servers are asked for a handle. None knows names below .test: in test mode the PDS that hosts such a
    /// handle answers for it.
    fn is_in_dns(&self, handle: &Handle) -> bool {
        !(self.test_mode && handle.as_str().ends_with(".test"))
    }

    fn locate_web(&self, id: &str) -> Result<Uri, ResolveError> {
        if self.test_mode
            && let Some(authority) = local_authority(id)
        {
            return parse(&format!("http://{authority}{DOCUMENT_PATH}"));
        }
        // A handle's grammar is that of a domain name whose last label begins with a letter: no spelling
        // of an address (decimal, octal, hexadecimal, IPv6) passes, nor a port, a path or a bare `localhost`.
        Handle::parse(id).map_err(|_| ResolveError::Unsupported("a did:web must be a host name only"))?;
        parse(&format!("https://{id}{DOCUMENT_PATH}"))
    }
}

/// Returns `localhost` or `localhost:<port>` from the identifier of a did:web.
fn local_authority(id: &str) -> Option<String> {
    match id.strip_prefix("localhost")? {
        "" => Some("localhost".into()),
        rest => rest.strip_prefix("%3A")?.parse::<u16>().ok().map(|port| format!("localhost:{port}")),
    }
}

fn parse(uri: &str) -> Result<Uri, ResolveError> {
    uri.parse().map_err(|_| ResolveError::Unsupported("it makes no address"))
}

#[cfg(test)]
mod tests {
    use super::{Location, Locator};
    use atproto::syntax::{Did, Handle};

    fn locate(did: &str, test_mode: bool) -> Option<String> {
        let locator = Locator::new("https://plc.example/", test_mode).unwrap();
        match locator.locate(&Did::parse(did).unwrap()).ok()? {
            Location::Directory(uri) | Location::Web(uri) | Location::Handle(uri, _) => Some(uri.to_string()),
        }
    }

    #[test]
    fn a_document_has_one_place() {
        let plc = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        assert_eq!(locate(plc, false), Some(format!("https://plc.example/{plc}")));
        assert_eq!(locate("did:web:a.example", false), Some("https://a.example/.well-known/did.json".into()));
        let local = Some("http://localhost:8080/.well-known/did.json".into());
        assert_eq!(locate("did:web:localhost%3A8080", true), local);
    }

    #[test]
    fn addresses_ports_paths_and_other_methods_have_none() {
        for id in [
            "127.0.0.1",
            "2130706433",
            "0177.0.0.1",
            "0x7f000001",
            "0x7f.0.0.1",
            "127.1",
            "127.0.0.0x1",
            "1.1.1.1",
            "%5B%3A%3A1%5D",
            "a.example%3A443",
            "a.example%3A8443",
            "a.example:u:alice",
            "a.example%2Fx",
            "a..example",
            "localhost",
            "localhost%3A8080",
        ] {
            assert_eq!(locate(&format!("did:web:{id}"), false), None, "{id}");
        }
        for did in
            ["did:web:localhost%3A99999", "did:web:localhost%3a80", "did:web:127.0.0.1%3A80", "did:web:localhosts"]
        {
            assert_eq!(locate(did, true), None, "{did}");
        }
        for did in
            ["did:key:zQ3sh", "did:plc:short", "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ", "did:plc:ewvi7nxzyoun6zhxrhs64oi.z"]
        {
            assert_eq!(locate(did, false), None, "{did}");
        }
    }

    #[test]
    fn a_pds_is_asked_at_its_host_name_only() {
        let asked = |endpoint: &str, test_mode| {
            let locator = Locator::new("https://plc.example", test_mode).unwrap();
            locator.pds_method(endpoint, "a.b.c").ok().map(|url| url.to_string())
        };
        for endpoint in ["https://pds.example", "https://pds.example/"] {
            assert_eq!(asked(endpoint, false), Some("https://pds.example/xrpc/a.b.c".into()));
        }
        assert_eq!(asked("http://localhost:2583", true), Some("http://localhost:2583/xrpc/a.b.c".into()));
        for endpoint in [
            "",
            "http://pds.example",
            "http://localhost",
            "http://localhost:2583",
            "https://localhost",
            "https://127.0.0.1",
            "https://[::1]",
            "https://0x7f.1",
            "https://pds.example:8443",
            "https://pds.example/path",
            "https://pds.example//",
            "https://pds.example?x",
            "https://a@pds.example",
        ] {
            assert_eq!(asked(endpoint, false), None, "{endpoint}");
        }
        for endpoint in
            ["http://localhost:x", "http://localhost:+1x", "http://localhosts", "http://localhost@a.example"]
        {
            assert_eq!(asked(endpoint, true), None, "{endpoint}");
        }
    }

    #[test]
    fn a_handle_is_asked_for_at_its_own_domain() {
        let locate = |handle, test_mode| {
            let locator = Locator::new("https://plc.example/", test_mode).unwrap();
            let handle = Handle::parse(handle).unwrap();
            match locator.locate_handle(&handle, Some("http://localhost:2583/")).unwrap() {
                Location::Handle(uri, host) => (uri.to_string(), host == handle),
                other => panic!("{other:?}"),
            }
        };
        let https = |host: &str| (format!("https://{host}/.well-known/atproto-did"), true);
        assert_eq!(locate("alice.example", false), https("alice.example"));
        assert_eq!(locate("alice.example", true), https("alice.example"));
        assert_eq!(locate("alice.test", false), https("alice.test"));
        assert_eq!(locate("alice.test", true), ("http://localhost:2583/.well-known/atproto-did".into(), true));
    }

    #[test]
    fn the_directory_is_https_but_in_test_mode() {
        assert!(Locator::new("http://localhost:2582", true).is_ok());
        for url in ["http://localhost:2582", "plc.example", "ftp://plc.example", "https://plc.example/?x=1", ""] {
            assert!(Locator::new(url, false).is_err(), "{url}");
        }
    }
}
