//! Errors of a sign-in by OAuth and of its session.

use crate::remote::RemoteError;

/// Errors of a sign-in by OAuth and of its session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// The metadata of the PDS or of its authorization server does not pass the checks.
    #[error("the account's PDS has no authorization server that can be used: {0}")]
    Unusable(&'static str),
    /// A call to the authorization server or the PDS failed.
    #[error("the authorization server: {0}")]
    Server(RemoteError),
    /// The tokens are for another account than the requested one, or for no valid DID.
    #[error("another account signed in than the one that was asked for")]
    OtherAccount,
    /// The granted scopes lack these permissions.
    #[error("not everything was allowed that pushing needs: {0}")]
    Scope(String),
    /// The server has no revocation endpoint.
    #[error("the authorization server takes no session back")]
    NoRevocation,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
}

impl OauthError {
    /// Whether the server answered `invalid_grant`: the session is over, and the user must sign in again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_named("invalid_grant"))
    }
}
