//! Accounts whose repository their PDS serves to nobody: deactivated by their owner, or taken down.
//! <https://atproto.com/specs/account>

use super::error::AccountsError;
use super::sessions::{Login, Sessions};
use super::status::{Inactive, RepoStatus};
use crate::remote::Credential;
use atproto::lexicon::nsid;
use server::identity::{Account, Pool};

impl Sessions {
    /// Asks an account's PDS why it serves the account to nobody. `None` when the account is active, or the PDS does not say.
    pub async fn inactive(&self, account: &Account) -> Option<Inactive> {
        self.status(account).await.flatten()
    }

    /// Asks an account's PDS for the status of the account: `Some(None)` when it is active, `None` when the PDS does not say.
    async fn status(&self, account: &Account) -> Option<Option<Inactive>> {
        let url = self.resolver.pds_method(account, &nsid::SYNC_GET_REPO_STATUS).ok()?.to_string();
        let parameters = &[("did", account.did.as_str())];
        match self.remote.query::<RepoStatus>(&url, parameters, Credential::None).await {
            Ok(status) => Some(Inactive::of_status(&status)),
            Err(error) => Inactive::of_error(&error).map(Some),
        }
    }

    /// Asks an account's PDS whether it serves the account. `None` when it does not say.
    pub async fn is_active(&self, account: &Account) -> Option<bool> {
        self.status(account).await.map(|inactive| inactive.is_none())
    }

    /// Returns the reason why the PDS of a session's account does not take the session any more, if it is the state of the
    /// account. One that is deactivated may have sessions.
    pub(super) async fn ended_by(&self, account: &Account) -> Option<Inactive> {
        self.inactive(account).await.filter(|why| !matches!(why, Inactive::Deactivated | Inactive::Deleted))
    }

    /// Replaces a wrong password by the reason why no password would do: the reference PDS takes no app password of an account
    /// that was taken down, and does not say why. It takes those of one that is deactivated.
    pub(super) async fn explained(
        &self,
        account: &Account,
        outcome: Result<Login, AccountsError>,
    ) -> Result<Login, AccountsError> {
        if !matches!(outcome, Err(AccountsError::WrongPassword)) {
            return outcome;
        }
        // It may have moved since.
        let account = self.resolver.resolve(&account.did, Pool::Members).await?;
        match self.inactive(&account).await.filter(|why| *why != Inactive::Deactivated) {
            Some(why) => Err(why.into()),
            None => outcome,
        }
    }
}
