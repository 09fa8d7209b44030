//! Why a question about crew, or a change of it, was refused.

use crate::pds::PdsError;
use server::storage::StorageError;

/// Errors of the crew room, named by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The record or the request is not well formed; the text says how.
    #[error("{0}")]
    Invalid(String),
    /// The captain's membership and the settings of the configuration cannot be changed at run time.
    #[error("{0}")]
    Protected(&'static str),
    /// Members cannot be changed at run time.
    #[error("crew is declared in the hold's configuration and cannot be changed at run time")]
    Immutable,
    /// The operator's configuration declares this member.
    #[error("this member is declared in the hold's configuration: change it there, then reload the hold")]
    Declared,
    /// Accounts may not join by themselves.
    #[error("this hold does not accept new crew members by request; ask its captain")]
    RegistrationDisabled,
    /// The captain refuses this account.
    #[error("the captain of this hold has refused this account")]
    Refused,
    /// There is no captain record: the hold was not started yet.
    #[error("there is no captain record")]
    NoCaptain,
    /// A stored record does not have the shape of its lexicon.
    #[error("a stored record cannot be read: {0}")]
    Unreadable(String),
    /// The repository refused or failed.
    #[error(transparent)]
    Pds(#[from] PdsError),
}

impl From<StorageError> for CrewError {
    fn from(error: StorageError) -> Self {
        Self::Pds(error.into())
    }
}
