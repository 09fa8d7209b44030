//! Authentication of callers: from a token to the account that it proves.
//!
//! Parses service tokens and verifies them with the issuer's key; parses OAuth access tokens with their proofs and has
//! the account's PDS confirm them; makes the proofs and assertions of OAuth clients. It knows nothing of HTTP but the
//! text of two headers, and has no clock: the time is an argument of every check.
//! <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

pub mod authenticator;
mod credentials;
mod dpop;
mod jwt;
mod made;
pub mod service_token;
mod strict_json;

pub use authenticator::{Authenticator, CheckedToken, ClaimedToken, TokenCheckResult};
pub use credentials::Credentials;
pub use dpop::DpopError;
pub use made::{ProofFor, client_assertion, dpop_proof, key_thumbprint, public_jwk};
pub use service_token::{Audience, TokenError};

use crate::bulkhead::Overload;

/// Reasons why a caller is not authenticated. Never holds any part of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The service token is invalid: the caller must get another one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The access token or its proof is invalid: the caller must get or make another one.
    #[error(transparent)]
    Dpop(#[from] DpopError),
    /// The issuer's DID document cannot be read at present. The same token may pass later.
    #[error("the account's DID document cannot be reached at present")]
    Unresolvable,
    /// The account's PDS does not answer about the session. The same token may pass later.
    #[error("the account's PDS cannot be reached at present")]
    PdsUnreachable,
    /// Too many concurrent look-ups of accounts, of all callers or of this one. The same token may pass soon.
    #[error("too many accounts are being looked up at present")]
    Busy(Overload),
}
