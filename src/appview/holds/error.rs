//! Why a hold cannot be used.

use http::StatusCode;

use crate::accounts::AccountsError;
use crate::remote::RemoteError;
use crate::repos::ReposError;
use atproto::syntax::{Did, ServiceUrl};

/// Why a hold cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The account has no hold, and there is no default.
    #[error(
        "this account has no hold: set defaultHold in its profile (io.atcr.sailor.profile); this registry has no default"
    )]
    None,
    /// What is named as a hold can be none.
    #[error("what the account's records name as a hold is none")]
    NotAHold,
    /// The hold refuses.
    #[error("the hold {hold} refuses it: {message}")]
    Refused {
        /// Which hold.
        hold: Did,
        /// Its status.
        status: StatusCode,
        /// What it tells programs.
        name: String,
        /// What it tells people.
        message: String,
    },
    /// The hold does not answer as it should.
    #[error("the hold {hold} does not answer: {error}")]
    Silent {
        /// Which hold.
        hold: Did,
        /// What stood in the way.
        error: RemoteError,
    },
    /// The caller's session.
    #[error(transparent)]
    Account(#[from] AccountsError),
    /// The owner's records.
    #[error(transparent)]
    Repos(#[from] ReposError),
}

impl HoldsError {
    /// What a call of `hold` came to.
    pub(super) fn of(hold: &ServiceUrl, error: RemoteError) -> Self {
        let hold = hold.did().clone();
        match error {
            RemoteError::Refused { status, name, message }
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                Self::Refused { hold, status, name, message }
            }
            error => Self::Silent { hold, error },
        }
    }

    /// Whether the hold refused with this error name.
    #[must_use]
    pub fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}
