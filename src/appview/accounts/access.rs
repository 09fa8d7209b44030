//! Calls to an account's PDS with the access token of its session. An expired token is renewed; a call is repeated at
//! the new PDS if the account has moved.
//!
//! A cached DID document is at most one hour old. A move of the account is noticed as soon as the PDS named there
//! fails.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::StatusCode;

use super::error::AccountsError;
use super::sessions::{Login, Sessions};
use crate::accounts::tables::{self, SessionRow};
use crate::remote::{AccessToken, BoundToken, RemoteError};
use atproto::lexicon::nsid::Method;
use server::identity::{Account, Pool};
use server::sqlite::Read;
use server::storage::StorageError;

/// Whether a session has not ended: for a transaction that stores data of its account, all of which is deleted after the
/// sessions.
///
/// # Errors
/// When the database fails or has an invalid row.
pub fn is_open(read: &Read<'_>, login: &Login) -> Result<bool, StorageError> {
    Ok(tables::by_id(read, login.session)?.is_some_and(|row| row.account == login.account))
}

impl Sessions {
    /// Calls `method` at the account's PDS with an access token, and once more with a renewed one if it has expired.
    /// `call` takes the method's URL and the token.
    ///
    /// # Errors
    /// [`AccountsError::Pds`] with the answer of the PDS, else as [`Sessions::service_token`].
    pub async fn with_access<'c, T>(
        self: &Arc<Self>,
        login: &Login,
        method: Method,
        call: impl Fn(String, AccessToken) -> BoxFuture<'c, Result<T, RemoteError>>,
    ) -> Result<T, AccountsError> {
        let account = self.resolver.resolve(&login.account, Pool::Members).await?;
        let outcome = self.with_access_at(&account, login, &method, &call).await;
        match self.moved(&account, outcome.as_ref().err()).await {
            Some(moved) => self.with_access_at(&moved, login, &method, &call).await,
            None => outcome,
        }
    }

    async fn with_access_at<'c, T>(
        self: &Arc<Self>,
        account: &Arc<Account>,
        login: &Login,
        method: &Method,
        call: &impl Fn(String, AccessToken) -> BoxFuture<'c, Result<T, RemoteError>>,
    ) -> Result<T, AccountsError> {
        let url = self.resolver.pds_method(account, method)?.to_string();
        let row = self.row(login).await?;
        let mut outcome = call(url.clone(), access_token(&row)?).await;
        if outcome.as_ref().is_err_and(is_expired) {
            let renewed = self.renew(account, login, &row.access).await?;
            outcome = call(url.clone(), access_token(&renewed)?).await;
            if outcome.as_ref().is_err_and(is_expired) {
                // A renewal by OAuth invalidates the previous token at once; another renewal may have come in between.
                let current = self.row(login).await?;
                if current.access != renewed.access {
                    outcome = call(url, access_token(&current)?).await;
                }
            }
        }
        outcome.map_err(AccountsError::Pds)
    }

    /// Does [`Sessions::prove`], and repeats it at the new PDS if the account has moved.
    pub(super) async fn prove_wherever(&self, account: &Account, row: &SessionRow) -> Result<(), AccountsError> {
        let proven = self.prove(account, row).await;
        match self.moved(account, proven.as_ref().err()).await {
            Some(moved) => self.prove(&moved, row).await,
            None => proven,
        }
    }

    /// Returns the account with its new PDS if it has moved since the call that failed with `error`.
    pub(super) async fn moved(&self, account: &Account, error: Option<&AccountsError>) -> Option<Arc<Account>> {
        let may_be_elsewhere = match error? {
            AccountsError::WrongPassword => true,
            AccountsError::Pds(error) => error.may_be_elsewhere(),
            _ => false,
        };
        if may_be_elsewhere { self.resolver.moved(account, Pool::Members).await } else { None }
    }

    /// Returns the session with an access token other than `expired`. The first caller renews it for all.
    async fn renew(
        self: &Arc<Self>,
        account: &Arc<Account>,
        login: &Login,
        expired: &str,
    ) -> Result<SessionRow, AccountsError> {
        let (this, account, login) = (Arc::clone(self), Arc::clone(account), login.clone());
        let expired = expired.to_owned();
        let guard = self.lock_in_time(&login.account).await?;
        self.finish(async move {
            let row = this.row(&login).await?;
            let renewed = if row.access == expired { this.refresh(&account, &row).await } else { Ok(row) };
            drop(guard);
            renewed
        })
        .await
    }
}

/// Returns the access token of a session, for calls to the PDS: a bearer token, or one that is bound to a DPoP key.
pub(super) fn access_token(row: &SessionRow) -> Result<AccessToken, AccountsError> {
    let token = row.access.as_str().into();
    let Some(binding) = &row.binding else { return Ok(AccessToken::Bearer(token)) };
    Ok(AccessToken::Bound(BoundToken { token, key: Arc::new(binding.key()?) }))
}

/// Whether a PDS refused a call because the access token has expired.
pub(super) fn is_expired(error: &RemoteError) -> bool {
    let is_unauthorized = matches!(error, RemoteError::Refused { status: StatusCode::UNAUTHORIZED, .. });
    // `use_dpop_nonce` is about the nonce, and says nothing about the token.
    (is_unauthorized && !error.is_named("use_dpop_nonce")) || error.is_named("ExpiredToken")
}
