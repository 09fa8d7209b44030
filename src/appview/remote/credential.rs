//! What a request shows of who sends it: nothing, a bearer token, or a token bound to a key, with a proof of that key.
//! <https://www.rfc-editor.org/rfc/rfc9449>

use std::fmt;
use std::sync::Arc;

use atproto::keys::P256Key;

/// An access token for calls of an account's PDS.
#[derive(Clone)]
pub enum AccessToken {
    /// By an app password: whoever has it may use it.
    Bearer(Arc<str>),
    /// By OAuth: good with a proof of its key alone.
    Bound(BoundToken),
}

/// An access token that is bound to a key.
#[derive(Clone)]
pub struct BoundToken {
    /// The token.
    pub token: Arc<str>,
    /// The key.
    pub key: Arc<P256Key>,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(secret)")
    }
}

/// What one request shows.
#[derive(Clone, Copy)]
pub enum Credential<'c> {
    /// Nothing.
    None,
    /// A token.
    Bearer(&'c str),
    /// A token and a proof of its key.
    Bound(&'c BoundToken),
    /// A proof alone: where tokens are made.
    Key(&'c P256Key),
}

impl Credential<'_> {
    /// The key that must be proven, and the token that goes with the proof.
    pub(super) fn proven(&self) -> Option<(&P256Key, Option<&str>)> {
        match self {
            Self::None | Self::Bearer(_) => None,
            Self::Bound(bound) => Some((&bound.key, Some(&bound.token))),
            Self::Key(key) => Some((key, None)),
        }
    }

    /// The header that shows the token.
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
