//! Errors of queries and changes of the crew.

use crate::pds::PdsError;
use server::storage::StorageError;

/// Errors of the crew room, one variant for each remedy of the caller.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The record or the request is not valid, for the reason in the text.
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
    /// Accounts may not join by request.
    #[error("this hold does not accept new crew members by request; ask its captain")]
    RegistrationDisabled,
    /// The captain banned this account, or excluded all that it requests.
    #[error("the captain of this hold has refused this account")]
    Refused,
    /// There is no captain record: the hold was not started yet.
    #[error("there is no captain record")]
    NoCaptain,
    /// A stored record is not valid by its lexicon.
    #[error("a stored record cannot be read: {0}")]
    Unreadable(String),
    /// The repository refused the change, or failed.
    #[error(transparent)]
    Pds(#[from] PdsError),
}

impl From<StorageError> for CrewError {
    fn from(error: StorageError) -> Self {
        Self::Pds(error.into())
    }
}
