//! The end of sessions: here at once, and at the servers that made them, where a refresh token would be good for months.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::error::AccountsError;
use super::sessions::{SessionId, Sessions};
use crate::accounts::tables::{self, SessionRow};
use crate::remote::RemoteError;
use atproto::lexicon::nsid;
use atproto::syntax::Did;
use server::identity::Pool;

/// How long an account's server has to end its sessions: whoever ends them waits for it.
const REVOKE_FOR: Duration = Duration::from_secs(10);
/// Sessions of one account that its server is asked to end at once.
const AT_ONCE: usize = 8;

/// A session that was ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// What named it.
    pub id: SessionId,
    /// Whose it was.
    pub account: Did,
    /// Why it goes on at the account's server, where nobody uses it any more; `None`: it ended there, too.
    pub left: Option<String>,
}

impl Sessions {
    /// Ends a session, at the account's server, too, if that answers in time: whoever uses it signs in again. Returns `None`
    /// when there is none.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]; so below.
    pub async fn end(self: &Arc<Self>, id: SessionId) -> Result<Option<SessionEnd>, AccountsError> {
        let Some(row) = self.database.read(move |read| tables::by_id(read, id)).await? else { return Ok(None) };
        Ok(self.end_of(&row.account, Some(id)).await?.pop())
    }

    /// Ends all sessions of an account, as [`Sessions::end`] does one.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_all(self: &Arc<Self>, account: &Did) -> Result<Vec<SessionEnd>, AccountsError> {
        self.end_of(account, None).await
    }

    /// Ends the account's session by OAuth, as [`Sessions::end`] does.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_by_oauth(self: &Arc<Self>, account: &Did) -> Result<Option<SessionEnd>, AccountsError> {
        let did = account.clone();
        let Some(row) = self.database.read(move |read| tables::by_oauth(read, &did)).await? else { return Ok(None) };
        Ok(self.end_of(account, Some(row.id)).await?.pop())
    }

    async fn end_of(self: &Arc<Self>, account: &Did, id: Option<SessionId>) -> Result<Vec<SessionEnd>, AccountsError> {
        let (this, account) = (Arc::clone(self), account.clone());
        self.finish(async move {
            let deadline = Instant::now() + REVOKE_FOR;
            // A renewal that is under way makes other tokens. It does not keep a session from ending here.
            let turn = timeout_at(deadline, this.lock(&account)).await.ok();
            let did = account.clone();
            let rows = this.database.write(move |write| tables::take(write, &did, id)).await?;
            this.service_tokens.retain(|(of, _), _| rows.iter().all(|row| row.id != *of));
            let ended = stream::iter(rows).map(|row| this.end_there(row, deadline));
            let ended = ended.buffered(AT_ONCE).collect().await;
            drop(turn);
            Ok(ended)
        })
        .await
    }

    /// Has the server that made a session end it until `deadline`, and says how that went.
    async fn end_there(&self, row: SessionRow, deadline: Instant) -> SessionEnd {
        let left = match timeout_at(deadline, self.revoke(&row)).await {
            Ok(outcome) => outcome.err().map(|error| error.to_string()),
            Err(_) => Some("it does not answer".to_owned()),
        };
        if let Some(error) = &left {
            let did = &row.account;
            tracing::warn!(%did, "a session that was ended here goes on at the server of {did}: {error}");
        }
        SessionEnd { id: row.id, account: row.account, left }
    }

    /// Has the server that made a session end it. One that it does not know any more is over.
    async fn revoke(&self, row: &SessionRow) -> Result<(), AccountsError> {
        if let Some(binding) = &row.binding {
            let server = self.oauth.server(&binding.issuer).await?;
            return Ok(self.oauth.revoke(&server, &row.refresh, &binding.key()?).await?);
        }
        let account = self.resolver.resolve(&row.account, Pool::Members).await?;
        let url = self.resolver.pds_method(&account, &nsid::DELETE_SESSION)?.to_string();
        match self.remote.bare_procedure(&url, &row.refresh).await {
            Ok(_) | Err(RemoteError::Refused { status: StatusCode::UNAUTHORIZED, .. }) => Ok(()),
            Err(error) if error.is_named("ExpiredToken") || error.is_named("InvalidToken") => Ok(()),
            Err(error) => Err(AccountsError::Pds(error)),
        }
    }
}
