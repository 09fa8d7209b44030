//! Who is calling, and what they may do.
//!
//! Reads service tokens and proves them against the issuer's key. It knows nothing of HTTP but the text of
//! one header, and keeps no clock: every check is given the time.
//! <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

pub mod authenticator;
pub mod bearer;
mod gate;
mod permits;
pub mod service_token;
mod signed_url;
mod strict_json;

pub use authenticator::{Authenticator, Checked, Claimed, TokenChecks};
pub use gate::{Credentials, Denied, Gate};
pub use permits::{AccountPermit, AdminPermit, ReadPermit, WritePermit};
pub use service_token::TokenError;
pub use signed_url::{ReadMethod, SignedPart, SignedRead, SignedUrlError, UrlSigner};

/// Why a caller is not authenticated. Never holds any part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token is bad: the caller must get another one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The issuer's DID document cannot be read at present. The same token may pass later.
    #[error("the account's DID document cannot be reached at present")]
    Unresolvable,
    /// Too many accounts are being looked up. The same token may pass soon.
    #[error("too many accounts are being looked up at present")]
    Busy,
}
