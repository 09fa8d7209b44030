//! Who is calling: from a token to the account that it proves.
//!
//! Reads service tokens and proves them against the issuer's key; reads OAuth access tokens with their proofs and has
//! the account's PDS prove them; makes what clients of OAuth servers show. It knows nothing of HTTP but the text of two
//! headers, and keeps no clock: every check is given the time. <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

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

/// Why a caller is not authenticated. Never holds any part of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The service token is bad: the caller must get another one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The access token or its proof is bad: the caller must get or make another one.
    #[error(transparent)]
    Dpop(#[from] DpopError),
    /// The issuer's DID document cannot be read at present. The same token may pass later.
    #[error("the account's DID document cannot be reached at present")]
    Unresolvable,
    /// The account's PDS does not answer for a session. The same token may pass later.
    #[error("the account's PDS cannot be reached at present")]
    PdsUnreachable,
    /// Too many accounts are being looked up, for all or for this caller. The same token may pass soon.
    #[error("too many accounts are being looked up at present")]
    Busy(Overload),
}
