//! The end of sessions: here at once, and at the servers that made them, where a refresh token would stay good for
//! months.

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
use server::storage::StorageError;

/// How long an account's server has to end its sessions: the request that ends them waits for it.
const REVOKE_FOR: Duration = Duration::from_secs(10);
/// Sessions of one account whose end is requested at once.
const AT_ONCE: usize = 8;

/// A session that was ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Number of the session.
    pub id: SessionId,
    /// Account of the session.
    pub account: Did,
    /// Error of the server that could not end the session, which goes on there unused; `None` if it ended there as
    /// well.
    pub left: Option<String>,
}

/// The sessions of an account that are to end.
enum Which {
    None,
    One(SessionId),
    All,
}

impl Sessions {
    /// Ends a session here, and at the account's server if that answers in time: its clients must sign in again.
    /// Returns `None` if there is no such session.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]; the same below.
    pub async fn end(self: &Arc<Self>, id: SessionId) -> Result<Option<SessionEnd>, AccountsError> {
        let Some(row) = self.database.read(move |read| tables::by_id(read, id)).await? else { return Ok(None) };
        Ok(self.end_those(&row.account, async move { Ok(Which::One(id)) }).await?.pop())
    }

    /// Ends all sessions of an account like [`Sessions::end`].
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_all(self: &Arc<Self>, account: &Did) -> Result<Vec<SessionEnd>, AccountsError> {
        self.end_those(account, async { Ok(Which::All) }).await
    }

    /// Ends the account's session by OAuth like [`Sessions::end`], unless `is_used`, which runs when no sign-in of the
    /// account is being stored.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_by_oauth_unless(
        self: &Arc<Self>,
        account: &Did,
        is_used: impl Future<Output = Result<bool, StorageError>> + Send + 'static,
    ) -> Result<Option<SessionEnd>, AccountsError> {
        let (database, did) = (self.database.clone(), account.clone());
        let which = async move {
            if is_used.await? {
                return Ok(Which::None);
            }
            let row = database.read(move |read| tables::by_oauth(read, &did)).await?;
            Ok(row.map_or(Which::None, |row| Which::One(row.id)))
        };
        Ok(self.end_those(account, which).await?.pop())
    }

    async fn end_those(
        self: &Arc<Self>,
        account: &Did,
        which: impl Future<Output = Result<Which, StorageError>> + Send + 'static,
    ) -> Result<Vec<SessionEnd>, AccountsError> {
        let (this, account) = (Arc::clone(self), account.clone());
        self.finish(async move {
            let deadline = Instant::now() + REVOKE_FOR;
            // A renewal that is under way makes other tokens, so wait for it. It does not keep a session from ending
            // here.
            let turn = timeout_at(deadline, this.lock(&account)).await.ok();
            let id = match which.await? {
                Which::None => return Ok(Vec::new()),
                Which::One(id) => Some(id),
                Which::All => None,
            };
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

    /// Requests the end of a session at the server that made it, until `deadline`. Returns the result.
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

    /// Requests the end of a session at the server that made it. A session that the server does not know is over.
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
