//! Credentials of a request: none, a bearer token, or a DPoP-bound token with a proof of its key.
//! <https://www.rfc-editor.org/rfc/rfc9449>

use std::fmt;
use std::sync::Arc;

use atproto::keys::P256Key;

/// Longest token that is taken from another server; a real one has at most 1,000 bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Whether a text of another server may be a token: it is stored and cached, and sent in a header.
#[must_use]
pub fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An access token for calls to an account's PDS.
#[derive(Clone)]
pub enum AccessToken {
    /// A bearer token, from a session by app password.
    Bearer(Arc<str>),
    /// A DPoP-bound token, from a session by OAuth.
    Bound(BoundToken),
}

/// A DPoP-bound access token.
#[derive(Clone)]
pub struct BoundToken {
    /// The access token.
    pub token: Arc<str>,
    /// The key of the proofs.
    pub key: Arc<P256Key>,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(secret)")
    }
}

/// What a DPoP proof shows.
#[derive(Clone, Copy)]
pub(super) struct Proven<'c> {
    /// The key that signs the proof.
    pub(super) key: &'c P256Key,
    /// The token that is sent with it, if there is one.
    pub(super) token: Option<&'c str>,
}

/// The credential of one request.
#[derive(Clone, Copy)]
pub enum Credential<'c> {
    /// No credential.
    None,
    /// A bearer token.
    Bearer(&'c str),
    /// A DPoP-bound token, sent with a proof of its key.
    Bound(&'c BoundToken),
    /// A DPoP proof without a token, for an authorization server.
    Key(&'c P256Key),
}

impl Credential<'_> {
    /// Returns what a DPoP proof of it is made of.
    pub(super) fn proven(&self) -> Option<Proven<'_>> {
        match self {
            Self::None | Self::Bearer(_) => None,
            Self::Bound(bound) => Some(Proven { key: &bound.key, token: Some(&bound.token) }),
            Self::Key(key) => Some(Proven { key, token: None }),
        }
    }

    /// Returns the value of the `Authorization` header.
    pub(super) fn authorization(&self) -> Option<String> {
        match self {
            Self::None | Self::Key(_) => None,
            Self::Bearer(token) => Some(format!("Bearer {token}")),
            Self::Bound(bound) => Some(format!("DPoP {}", bound.token)),
        }
    }
}

impl<'c> From<Option<&'c str>> for Credential<'c> {
    fn from(token: Option<&'c str>) -> Self {
        token.map_or(Self::None, Self::Bearer)
    }
}

impl<'c> From<&'c AccessToken> for Credential<'c> {
    fn from(token: &'c AccessToken) -> Self {
        match token {
            AccessToken::Bearer(token) => Self::Bearer(token),
            AccessToken::Bound(bound) => Self::Bound(bound),
        }
    }
}
