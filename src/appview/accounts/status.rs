//! The status of an account at its PDS: why that serves its repository to nobody.
//! <https://atproto.com/specs/account>

use serde::Deserialize;

use crate::remote::RemoteError;
use atproto::lexicon::error as name;

/// Why a PDS serves the repository of an account to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inactive {
    /// The owner deactivated the account, and can activate it again.
    #[error("the owner's account is deactivated: its images are back when its owner activates it again")]
    Deactivated,
    /// The operator of the PDS took the account down.
    #[error("the owner's account was taken down at its PDS, and its images with it")]
    TakenDown,
    /// The operator of the PDS suspended the account for some time.
    #[error("the owner's account is suspended at its PDS, and nobody sees its images meanwhile")]
    Suspended,
    /// The PDS has no such account any more.
    #[error("the owner's account is not at its PDS any more: it was deleted")]
    Deleted,
    /// Another reason, or none that the PDS tells.
    #[error("the owner's account is not active at its PDS, and nobody sees its images meanwhile")]
    Other,
}

/// The output of `getRepoStatus`.
#[derive(Deserialize)]
pub(super) struct RepoStatus {
    active: bool,
    status: Option<String>,
}

impl Inactive {
    /// Returns the reason that an error of a PDS names, if it names one.
    #[must_use]
    pub fn of_error(error: &RemoteError) -> Option<Self> {
        let RemoteError::Refused { name: named, .. } = error else { return None };
        match named.as_str() {
            name::REPO_DEACTIVATED => Some(Self::Deactivated),
            name::REPO_TAKENDOWN => Some(Self::TakenDown),
            name::REPO_SUSPENDED => Some(Self::Suspended),
            name::REPO_NOT_FOUND => Some(Self::Deleted),
            _ => None,
        }
    }

    pub(super) fn of_status(RepoStatus { active, status }: &RepoStatus) -> Option<Self> {
        match (active, status.as_deref()) {
            (true, _) => None,
            (false, Some("deactivated")) => Some(Self::Deactivated),
            (false, Some("takendown")) => Some(Self::TakenDown),
            (false, Some("suspended")) => Some(Self::Suspended),
            (false, Some("deleted")) => Some(Self::Deleted),
            (false, _) => Some(Self::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Inactive, RemoteError};

    #[test]
    fn an_account_is_inactive_if_its_pds_says_so() {
        let of_status = |body: &str| Inactive::of_status(&serde_json::from_str(body).unwrap());
        for (body, inactive) in [
            (r#"{"active":true}"#, None),
            (r#"{"active":true,"status":"throttled"}"#, None),
            (r#"{"active":false,"status":"deactivated"}"#, Some(Inactive::Deactivated)),
            (r#"{"active":false,"status":"takendown"}"#, Some(Inactive::TakenDown)),
            (r#"{"active":false,"status":"suspended"}"#, Some(Inactive::Suspended)),
            (r#"{"active":false,"status":"deleted"}"#, Some(Inactive::Deleted)),
            (r#"{"active":false,"status":"desynchronized"}"#, Some(Inactive::Other)),
            (r#"{"active":false}"#, Some(Inactive::Other)),
        ] {
            assert_eq!(of_status(body), inactive, "{body}");
        }
        let of_name = |name: &str| {
            let status = StatusCode::BAD_REQUEST;
            let (name, message) = (name.to_owned(), String::new());
            Inactive::of_error(&RemoteError::Refused { status, name, message, retry_after: None })
        };
        for (name, inactive) in [
            ("RepoDeactivated", Some(Inactive::Deactivated)),
            ("RepoTakendown", Some(Inactive::TakenDown)),
            ("RepoSuspended", Some(Inactive::Suspended)),
            ("RepoNotFound", Some(Inactive::Deleted)),
            ("InvalidRequest", None),
            ("", None),
        ] {
            assert_eq!(of_name(name), inactive, "{name}");
        }
    }
}
