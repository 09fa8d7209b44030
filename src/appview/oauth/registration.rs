//! Registration of the OAuth client: confidential with a key of its own, or a public localhost client.
//! <https://atproto.com/specs/oauth#clients>

use serde_json::{Value, json};

use super::scopes;
use atproto::keys::P256Key;
use server::tokens::{client_assertion, key_thumbprint, public_jwk};

/// Path of the client metadata document.
pub const METADATA_PATH: &str = "/client-metadata.json";
/// Path of the client's JWKS.
pub const KEYS_PATH: &str = "/oauth/jwks.json";
/// Path of the redirect URI, to which browsers return.
pub const CALLBACK_PATH: &str = "/auth/oauth/callback";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Registration of the OAuth client.
pub struct Registration {
    client_id: String,
    redirect_uri: String,
    /// Base URL without a trailing slash, and the key; `None` for a localhost client, which has no document and no key.
    published: Option<(String, P256Key)>,
}

impl Registration {
    /// Returns a confidential client that publishes its metadata below `base_url` and authenticates with `key`.
    #[must_use]
    pub fn published(base_url: &str, key: P256Key) -> Self {
        Self {
            client_id: format!("{base_url}{METADATA_PATH}"),
            redirect_uri: format!("{base_url}{CALLBACK_PATH}"),
            published: Some((base_url.to_owned(), key)),
        }
    }

    /// Returns the localhost client of the atproto specification, which every server accepts without fetching metadata:
    /// for a front end on the machine of the user. `origin` is where browsers reach it, like `http://127.0.0.1:5000`.
    #[must_use]
    pub fn local(origin: &str) -> Self {
        let redirect_uri = format!("{origin}{CALLBACK_PATH}");
        let parameters = [("redirect_uri", redirect_uri.as_str()), ("scope", &scopes::wanted())];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        Self { client_id: format!("http://localhost?{query}"), redirect_uri, published: None }
    }

    /// Returns the `client_id`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Returns the `redirect_uri`.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Whether this is a localhost client.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.published.is_none()
    }

    /// Returns the client metadata document; `None` for a localhost client.
    #[must_use]
    pub fn metadata(&self) -> Option<Value> {
        let (base_url, _) = self.published.as_ref()?;
        Some(json!({
            "client_id": self.client_id,
            "client_name": "ATCR registry",
            "client_uri": base_url,
            "application_type": "web",
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": scopes::wanted(),
            "dpop_bound_access_tokens": true,
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks_uri": format!("{base_url}{KEYS_PATH}"),
        }))
    }

    /// Returns the JWKS with the client's public key; `None` for a localhost client.
    #[must_use]
    pub fn keys(&self) -> Option<Value> {
        let (_, key) = self.published.as_ref()?;
        let mut jwk = public_jwk(key);
        jwk["kid"] = key_thumbprint(key).into();
        jwk["alg"] = "ES256".into();
        jwk["use"] = "sig".into();
        Some(json!({ "keys": [jwk] }))
    }

    /// Returns the form fields that identify and authenticate the client to the server `issuer`. `id` becomes the `jti`
    /// of the assertion.
    pub(super) fn fields(&self, issuer: &str, now_s: u64, id: &[u8; 32]) -> Vec<(&'static str, String)> {
        let mut fields = vec![("client_id", self.client_id.clone())];
        if let Some((_, key)) = &self.published {
            fields.push(("client_assertion_type", ASSERTION_TYPE.into()));
            fields.push(("client_assertion", client_assertion(key, &self.client_id, issuer, now_s, id)));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::Registration;
    use atproto::keys::P256Key;

    #[test]
    fn a_published_client_shows_its_key_and_never_its_secret() {
        let client = Registration::published("https://r.example", P256Key::from_bytes(&[7; 32]).unwrap());
        let metadata = client.metadata().unwrap();
        assert_eq!(metadata["client_id"], "https://r.example/client-metadata.json");
        assert_eq!(metadata["redirect_uris"][0], "https://r.example/auth/oauth/callback");
        assert_eq!(metadata["jwks_uri"], "https://r.example/oauth/jwks.json");
        let keys = client.keys().unwrap();
        assert_eq!(keys["keys"][0]["crv"], "P-256");
        assert!(keys["keys"][0].get("d").is_none());
        let fields = client.fields("https://as.example", 1_800_000_000, &[7; 32]);
        assert_eq!(
            fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["client_id", "client_assertion_type", "client_assertion"]
        );
    }

    #[test]
    fn a_local_client_is_named_by_what_it_wants() {
        let client = Registration::local("http://127.0.0.1:5000");
        assert!(client.client_id().starts_with(
            "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A5000%2Fauth%2Foauth%2Fcallback&scope=atproto+"
        ));
        assert!(client.metadata().is_none() && client.keys().is_none());
        assert_eq!(client.fields("https://as.example", 1, &[7; 32]).len(), 1);
    }
}
