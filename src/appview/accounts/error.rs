//! Why an account cannot be found, or not spoken for.

use crate::oauth::OauthError;
use crate::remote::RemoteError;
use server::identity;
use server::storage::StorageError;

/// Why an account cannot be found, or not spoken for.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// There is no such account, or its document cannot be read.
    #[error("the account: {0}")]
    Identity(#[from] identity::ResolveError),
    /// The account has no such password.
    #[error("the account has no such password")]
    WrongPassword,
    /// So many were tried that no other is shown to the PDS for a while.
    #[error("too many passwords of this account were tried: wait for {retry_s} s")]
    TooManyPasswords {
        /// Seconds until one may be tried.
        retry_s: u64,
    },
    /// It is the password of the account itself, which opens more than a registry needs.
    #[error(
        "this is the account's main password: make an app password (in Bluesky: Settings, Privacy and Security, \
             App Passwords) and sign in with that"
    )]
    MainPassword,
    /// The session has ended: it or its app password was taken back, or it was not used for too long.
    #[error("the session at the account's PDS has ended: sign in again")]
    SessionEnded,
    /// The account's PDS does not do what was asked.
    #[error("the account's PDS: {0}")]
    Pds(RemoteError),
    /// The authorization server of the account's PDS does not do what was asked.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}

/// Why a sign-in by OAuth did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no such sign-in, it took too long, or it was begun in another browser.
    #[error("this sign-in has expired, was ended already, or was begun in another browser: begin again")]
    Unknown,
    /// Another server answered than the one that was asked.
    #[error("another server answered than the one that was asked: nothing was taken from it")]
    OtherServer,
    /// The person said no, or the server did.
    #[error("the sign-in was refused at the account's PDS")]
    Refused,
    /// What was typed in is neither a handle nor a server.
    #[error(
        "{host} is no handle of anybody, and no server to sign in at ({reason}): type your handle (alice.example.org), your \
         DID, or the address of your PDS (https://pds.example.org)"
    )]
    NoServer {
        /// What was named.
        host: String,
        /// Why it is none.
        reason: OauthError,
    },
    /// The server spoke for an account whose own document names another one.
    #[error("the server signed in an account that is not its own: nothing was taken from it")]
    NotItsAccount,
    /// Too many are under way.
    #[error("too many sign-ins are under way: try again in some minutes")]
    TooMany,
    /// The account, its PDS or the database.
    #[error(transparent)]
    Account(#[from] AccountsError),
}

impl From<OauthError> for SignInError {
    fn from(error: OauthError) -> Self {
        Self::Account(error.into())
    }
}
