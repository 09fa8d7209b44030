//! Errors of calls to holds.

use std::time::Duration;

use http::StatusCode;

use crate::accounts::AccountsError;
use crate::remote::RemoteError;
use crate::repos::ReposError;
use atproto::syntax::{Did, HoldId};
use server::egress::EgressError;
use server::identity::ResolveError;

/// Errors of the choice of a hold and of calls to it.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The account has no hold, and there is no default.
    #[error(
        "this account has no hold: set defaultHold in its profile (io.atcr.sailor.profile); this registry has no default"
    )]
    None,
    /// A record names something as a hold that is none.
    #[error("what the account's records name as a hold is none")]
    NotAHold,
    /// A host says that it is a hold by did:plc whose DID document does not name the host.
    #[error("{host} says that it is {did}, whose DID document names another server")]
    OtherHost {
        /// The host.
        host: String,
        /// What it says that it is.
        did: Did,
    },
    /// The hold refused the call.
    #[error("the hold {hold} refuses it: {message}")]
    Refused {
        /// DID of the hold.
        hold: Did,
        /// Status of the answer.
        status: StatusCode,
        /// Error name, for programs.
        name: String,
        /// Error message, for people.
        message: String,
    },
    /// The hold did not answer, or its answer is invalid.
    #[error("the hold {hold} does not answer: {error}")]
    Silent {
        /// DID of the hold.
        hold: Did,
        /// Error of the call.
        error: RemoteError,
    },
    /// The DID document of the hold, which says where it is, cannot be read or names no host.
    #[error("the hold {hold}: {error}")]
    Unresolved {
        /// DID of the hold.
        hold: Did,
        /// Error of the look-up.
        error: ResolveError,
    },
    /// The hold, or the storage that it named, did not send a blob.
    #[error("the hold does not send the blob: {0}")]
    Unsent(RemoteError),
    /// Error of the caller's session.
    #[error(transparent)]
    Account(#[from] AccountsError),
    /// Error of the owner's records.
    #[error(transparent)]
    Repos(#[from] ReposError),
}

impl HoldsError {
    /// Makes the error of a failed call to `hold`.
    pub(super) fn of(hold: &HoldId, error: RemoteError) -> Self {
        let hold = hold.did().clone();
        match error {
            RemoteError::Refused { status, name, message, .. }
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                // A bucket says why in a form of its own, a proxy says nothing.
                let words = [&message, &name].into_iter().find(|words| !words.is_empty()).cloned();
                Self::Refused { hold, status, message: words.unwrap_or_else(|| status.to_string()), name }
            }
            error => Self::Silent { hold, error },
        }
    }

    /// Converts an error without a name, as a proxy returns it while the hold is down, to [`HoldsError::Silent`].
    pub(super) fn silent_if_of_a_proxy(self) -> Self {
        match self {
            Self::Refused { hold, status, name, message }
                if name.is_empty()
                    && matches!(
                        status,
                        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::REQUEST_TIMEOUT
                    ) =>
            {
                Self::Silent { hold, error: RemoteError::Refused { status, name, message, retry_after: None } }
            }
            error => error,
        }
    }

    /// Returns the time for which the hold, or the PDS that was asked for it, takes nothing, as it said.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Silent { error, .. } | Self::Unsent(error) => error.retry_after(),
            Self::Account(error) => error.retry_after(),
            Self::Repos(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether the hold cannot be called for any account.
    #[must_use]
    pub fn is_of_hold(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Unresolved { .. })
    }

    /// Makes the error of a blob that did not come.
    pub(crate) fn unsent(error: EgressError) -> Self {
        Self::Unsent(error.into())
    }

    /// Whether a blob did not come in time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Unsent(RemoteError::Unreachable(EgressError::TimedOut(_))))
    }

    /// Whether the hold refused with this error name.
    #[must_use]
    pub fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}
