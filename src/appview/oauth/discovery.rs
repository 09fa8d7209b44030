//! Metadata of a PDS and of its authorization server. All of it is untrusted until it was checked.
//! <https://www.rfc-editor.org/rfc/rfc9728>, <https://www.rfc-editor.org/rfc/rfc8414>

use serde::Deserialize;
use url::Url;

use super::OauthError;
use atproto::syntax::ServiceUrl;

/// The checked metadata of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// The issuer: an origin.
    pub issuer: String,
    /// The pushed authorization request endpoint.
    pub(super) pushed: String,
    /// The authorization endpoint, to which browsers are sent.
    pub(super) authorization: Url,
    /// The token endpoint.
    pub(super) token: String,
    /// The revocation endpoint, if the server has one.
    pub(super) revocation: Option<String>,
}

/// The document `/.well-known/oauth-protected-resource` of a PDS.
#[derive(Deserialize)]
pub(super) struct ResourceMetadata {
    resource: String,
    authorization_servers: Vec<String>,
}

/// The document `/.well-known/oauth-authorization-server` of an authorization server.
#[derive(Deserialize)]
pub(super) struct ServerMetadata {
    issuer: String,
    pushed_authorization_request_endpoint: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// Longest URL of an endpoint; longer ones are refused.
const MAX_URL_BYTES: usize = 500;

/// Parses an origin that may be called: https and a host name; on localhost in test mode only.
pub(super) fn origin(text: &str, test_mode: bool) -> Option<ServiceUrl> {
    ServiceUrl::parse(text).ok().filter(|url| test_mode || !url.is_local())
}

impl ResourceMetadata {
    /// Returns the issuer that the PDS with the origin `pds` names. It must name exactly one.
    pub(super) fn issuer(self, pds: &str, test_mode: bool) -> Result<String, OauthError> {
        if self.resource.trim_end_matches('/') != pds {
            return Err(OauthError::Unusable("what it says of itself is for another server"));
        }
        let [issuer] = self.authorization_servers.as_slice() else {
            return Err(OauthError::Unusable("it must name one server"));
        };
        let url =
            origin(issuer, test_mode).ok_or(OauthError::Unusable("the server's name must be https:// and a host"))?;
        Ok(url.as_str().to_owned())
    }
}

impl ServerMetadata {
    /// Returns the server if its issuer is `issuer` and it supports what atproto requires. `published` is whether the
    /// client has a key.
    pub(super) fn check(
        self,
        issuer: &str,
        published: bool,
        test_mode: bool,
    ) -> Result<AuthorizationServer, OauthError> {
        let has = |list: &[String], wanted: &str| list.iter().any(|value| value == wanted);
        let method = if published { "private_key_jwt" } else { "none" };
        if self.issuer != issuer {
            return Err(OauthError::Unusable("the server says that it is another one"));
        }
        for (is_met, lacks) in [
            (self.authorization_response_iss_parameter_supported, "the server does not say who it is in its answers"),
            (has(&self.code_challenge_methods_supported, "S256"), "the server does not know PKCE with S256"),
            (has(&self.dpop_signing_alg_values_supported, "ES256"), "the server does not know DPoP with ES256"),
            (has(&self.scopes_supported, "atproto"), "the server does not know the scope atproto"),
            (has(&self.token_endpoint_auth_methods_supported, method), "the server does not know this kind of client"),
        ] {
            if !is_met {
                return Err(OauthError::Unusable(lacks));
            }
        }
        let endpoint =
            |text: &str| endpoint(text, test_mode).ok_or(OauthError::Unusable("an address of the server is none"));
        Ok(AuthorizationServer {
            pushed: endpoint(&self.pushed_authorization_request_endpoint)?.into(),
            authorization: endpoint(&self.authorization_endpoint)?,
            token: endpoint(&self.token_endpoint)?.into(),
            revocation: self.revocation_endpoint.as_deref().map(endpoint).transpose()?.map(Into::into),
            issuer: self.issuer,
        })
    }
}

/// Parses the URL of an endpoint: its origin may be called, and it has no credentials and no fragment.
fn endpoint(text: &str, test_mode: bool) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL_BYTES)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (is_plain && origin(&url.origin().ascii_serialization(), test_mode).is_some()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn metadata(changes: &[(&str, Value)]) -> ServerMetadata {
        let mut metadata = json!({
            "issuer": "https://as.example",
            "pushed_authorization_request_endpoint": "https://as.example/oauth/par",
            "authorization_endpoint": "https://as.example/oauth/authorize",
            "token_endpoint": "https://as.example/oauth/token",
            "authorization_response_iss_parameter_supported": true,
            "code_challenge_methods_supported": ["S256"],
            "dpop_signing_alg_values_supported": ["ES256K", "ES256"],
            "scopes_supported": ["atproto"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        });
        for (name, value) in changes {
            metadata[*name] = value.clone();
        }
        serde_json::from_value(metadata).unwrap()
    }

    #[test]
    fn a_server_must_be_who_was_asked_for_and_know_what_is_demanded() {
        assert!(metadata(&[]).check("https://as.example", true, false).is_ok());
        assert!(metadata(&[]).check("https://other.example", true, false).is_err());
        for (name, value) in [
            ("authorization_response_iss_parameter_supported", json!(false)),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("dpop_signing_alg_values_supported", json!([])),
            ("scopes_supported", json!(["openid"])),
            ("token_endpoint_auth_methods_supported", json!(["none"])),
            ("token_endpoint", json!("http://as.example/token")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("authorization_endpoint", json!("https://127.0.0.1/authorize")),
            ("authorization_endpoint", json!("https://user@as.example/authorize")),
            ("pushed_authorization_request_endpoint", json!("http://localhost:1/par")),
            ("token_endpoint", json!(format!("https://as.example/{}", "x".repeat(500)))),
        ] {
            assert!(metadata(&[(name, value)]).check("https://as.example", true, false).is_err(), "{name}");
        }
        let local =
            metadata(&[("issuer", json!("http://localhost:1")), ("token_endpoint", json!("http://localhost:1/t"))]);
        assert!(local.check("http://localhost:1", false, true).is_ok());
    }

    #[test]
    fn a_pds_names_one_server_and_speaks_for_itself() {
        let of = |resource: &str, servers: &[&str]| {
            let metadata = json!({ "resource": resource, "authorization_servers": servers });
            serde_json::from_value::<ResourceMetadata>(metadata).unwrap().issuer("https://pds.example", false)
        };
        assert_eq!(of("https://pds.example", &["https://as.example"]), Ok("https://as.example".into()));
        assert_eq!(of("https://pds.example/", &["https://as.example/"]), Ok("https://as.example".into()));
        for (resource, servers) in [
            ("https://other.example", &["https://as.example"][..]),
            ("https://pds.example", &[]),
            ("https://pds.example", &["https://as.example", "https://b.example"]),
            ("https://pds.example", &["https://10.0.0.1"]),
            ("https://pds.example", &["http://as.example"]),
            ("https://pds.example", &["http://localhost:1"]),
            ("https://pds.example", &["https://as.example/path"]),
        ] {
            assert!(of(resource, servers).is_err(), "{resource} {servers:?}");
        }
    }
}
