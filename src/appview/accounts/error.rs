//! Errors of accounts, their sessions and sign-ins.

use std::time::Duration;

use super::status::Inactive;
use crate::oauth::OauthError;
use crate::remote::RemoteError;
use server::egress::EgressError;
use server::identity;
use server::storage::StorageError;

/// Errors of finding an account, and of calling its PDS on its behalf.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// There is no such account, or its DID document cannot be read.
    #[error("the account: {0}")]
    Identity(#[from] identity::ResolveError),
    /// The account has no such password.
    #[error("the account has no such password")]
    WrongPassword,
    /// Too many passwords were tried: none is sent to the PDS for a while.
    #[error("too many passwords of this account were tried: wait for {retry_s} s")]
    TooManyPasswords {
        /// Seconds until the next attempt.
        retry_s: u64,
    },
    /// The password is the account's main password, which permits more than a registry needs.
    #[error(
        "this is the account's main password: make an app password (in Bluesky: Settings, Privacy and Security, \
             App Passwords) and sign in with that"
    )]
    MainPassword,
    /// The account's PDS serves it to nobody.
    #[error(transparent)]
    Inactive(#[from] Inactive),
    /// The session has ended: it or its app password was revoked, or it was not used for too long.
    #[error("the session at the account's PDS has ended: sign in again")]
    SessionEnded,
    /// The account's PDS refused the call, or could not be reached.
    #[error("the account's PDS: {0}")]
    Pds(RemoteError),
    /// The authorization server of the account's PDS refused the call, or could not be reached.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}

impl AccountsError {
    /// Makes the error of a PDS that let an answer wait for too long.
    pub(super) fn late(error: EgressError) -> Self {
        Self::Pds(RemoteError::Unreachable(error))
    }

    /// Returns the time for which the account's server takes nothing, as it said.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Pds(error) | Self::Oauth(OauthError::Server(error)) => error.retry_after(),
            _ => None,
        }
    }
}

/// Errors of a sign-in by OAuth.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no such sign-in, it has expired, or it was begun in another browser.
    #[error("this sign-in has expired, was ended already, or was begun in another browser: begin again")]
    Unknown,
    /// The issuer of the callback or of the account is not the authorization server that was asked.
    #[error("another server answered than the one that was asked: nothing was taken from it")]
    OtherServer,
    /// The person or the authorization server refused the sign-in.
    #[error("the sign-in was refused at the account's PDS")]
    Refused,
    /// The text that was typed in is neither a handle nor a server.
    #[error(
        "{host} is no handle of anybody, and no server to sign in at ({reason}): type your handle (alice.example.org), your \
         DID, or the address of your PDS (https://pds.example.org)"
    )]
    NoServer {
        /// Host that was typed in.
        host: String,
        /// Error of the discovery there.
        reason: OauthError,
    },
    /// The server issued tokens for an account whose own DID document names another server.
    #[error("the server signed in an account that is not its own: nothing was taken from it")]
    NotItsAccount,
    /// Too many sign-ins are under way.
    #[error("too many sign-ins are under way: try again in some minutes")]
    TooMany,
    /// Error of the account, its PDS or the database.
    #[error(transparent)]
    Account(#[from] AccountsError),
}

impl From<OauthError> for SignInError {
    fn from(error: OauthError) -> Self {
        Self::Account(error.into())
    }
}
