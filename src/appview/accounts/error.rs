//! Why an account cannot be found, or not spoken for.

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
    /// It is the password of the account itself, which opens more than a registry needs.
    #[error(
        "this is the account's main password: make an app password (in Bluesky: Settings, Privacy and Security, \
             App Passwords) and sign in with that"
    )]
    MainPassword,
    /// The session has ended: the app password was taken back, or it was not used for too long.
    #[error("the session at the account's PDS has ended: sign in again")]
    SessionEnded,
    /// The account's PDS does not do what was asked.
    #[error("the account's PDS: {0}")]
    Pds(RemoteError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}
