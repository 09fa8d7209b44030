//! Why a sign-in by OAuth does not come about, or a session does not go on.

use crate::remote::RemoteError;

/// Why a sign-in by OAuth does not come about, or a session does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// What the PDS and its authorization server say of themselves is not enough to trust them.
    #[error("the account's PDS has no authorization server that can be used: {0}")]
    Unusable(&'static str),
    /// The authorization server does not do what was asked.
    #[error("the authorization server: {0}")]
    Server(RemoteError),
    /// The tokens are another account's.
    #[error("another account signed in than the one that was asked for")]
    OtherAccount,
    /// The account did not allow everything that a registry needs.
    #[error("not everything was allowed that pushing needs: {0}")]
    Scope(String),
    /// The server has no way to end a session before its time.
    #[error("the authorization server takes no session back")]
    NoRevocation,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
}

impl OauthError {
    /// Whether the server says that the grant is good no more: nothing helps but to sign in again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_named("invalid_grant"))
    }
}
