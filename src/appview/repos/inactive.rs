//! Failed queries of a PDS whose cause is that the account is not active.

use http::StatusCode;

use super::{Repos, ReposError};
use crate::accounts::Inactive;
use crate::remote::RemoteError;
use atproto::lexicon::error as name;
use atproto::lexicon::nsid;
use server::identity::Account;

impl Repos {
    /// Asks an account's PDS whether it serves the account. `None` when it does not say.
    pub async fn is_active(&self, account: &Account) -> Option<bool> {
        self.sessions.is_active(account).await
    }

    /// Returns the error for a failed public query of the account's PDS.
    pub(super) async fn failed(&self, account: &Account, method: &str, error: RemoteError) -> ReposError {
        let inactive = match (Inactive::of_error(&error), &error) {
            (Some(why), _) => Some(why),
            // The reference PDS has no name for it here.
            (None, RemoteError::Refused { status, .. })
                if *method == *nsid::GET_RECORD && !error.is_named(name::RECORD_NOT_FOUND) =>
            {
                self.inactive(account, *status).await
            }
            _ => None,
        };
        inactive.map_or(ReposError::Pds(error), ReposError::Inactive)
    }

    /// Asks an account's PDS why it refused with this status to read a record, or to list records, for which it has no error
    /// name. `None` when the account is active, or the PDS does not say.
    pub(super) async fn inactive(&self, account: &Account, status: StatusCode) -> Option<Inactive> {
        if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            return None;
        }
        self.sessions.inactive(account).await
    }
}
