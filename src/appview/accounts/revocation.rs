//! The end of sessions: here at once, and at the servers that made them, where a refresh token would stay good for
//! months. Until such a server answers the token is kept, for a day at most.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::error::AccountsError;
use super::sessions::{SessionId, Sessions};
use crate::accounts::tables::{self, EndedRow, SessionRow};
use crate::oauth::OauthError;
use crate::remote::RemoteError;
use atproto::lexicon::SessionTokens;
use atproto::lexicon::nsid;
use atproto::syntax::{Did, micros};
use server::identity::Pool;
use server::sqlite::Write;
use server::storage::StorageError;

/// How long an account's server has to end its sessions: the request that ends them waits for it.
const REVOKE_FOR: Duration = Duration::from_secs(10);
/// Sessions of one account whose end is requested at once.
const AT_ONCE: usize = 8;
/// How long an account's server has to end a session that nobody asked to end: somebody waits for another answer.
const REVOKE_AT_ONCE_FOR: Duration = Duration::from_secs(5);
/// Ended sessions whose servers are told in one round.
const ROUND: usize = 64;
/// Time to the second attempt to end a session at its server, in microseconds; each later one is four times as long.
const FIRST_PAUSE_US: u64 = 60 * 1_000_000;
/// Longest time between two attempts, in microseconds.
const LONGEST_PAUSE_US: u64 = 4 * 60 * 60 * 1_000_000;
/// Time for which the token of an ended session is kept, in microseconds: a day.
const TOLD_FOR_US: u64 = 24 * 60 * 60 * 1_000_000;

/// A session that was ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Account of the session.
    pub account: Did,
    /// Error of the server that could not end the session, which goes on there unused, and whether it is asked again;
    /// `None` if it ended there as well.
    pub left: Option<String>,
}

/// A session that has ended here, and whose server is still to be told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LingeringSession {
    /// Whether it was made by OAuth; else by an app password.
    pub by_oauth: bool,
    /// Time of its end, microseconds since 1970.
    pub ended_us: u64,
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

    /// Ends all sessions of an account like [`Sessions::end`], but keeps nothing of them: no server is asked again.
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
            let guard = timeout_at(deadline, this.lock(&account)).await.ok();
            let id = match which.await? {
                Which::None => return Ok(Vec::new()),
                Which::One(id) => Some(id),
                Which::All => None,
            };
            let is_kept = id.is_some();
            let ended = this.end_here(&account, id).await?;
            let left = this.end_all_there(&ended, deadline, is_kept).await;
            drop(guard);
            if !is_kept {
                let earlier = this.database.read(move |read| tables::ended_of(read, &account)).await?;
                this.end_all_there(&earlier, deadline, is_kept).await?;
            }
            let end = |(row, left): (EndedRow, _)| SessionEnd { account: row.account, left };
            Ok(ended.into_iter().zip(left?).map(end).collect())
        })
        .await
    }

    /// Deletes one session of an account, or all of them. Returns what was stored of each for its server.
    async fn end_here(&self, account: &Did, id: Option<SessionId>) -> Result<Vec<EndedRow>, StorageError> {
        let (did, now_us) = (account.clone(), (self.settings.clock)());
        let end = move |write: &Write<'_>| {
            let rows = tables::take(write, &did, id)?.into_iter();
            let ended = rows.map(|row| Ok((row.id, tables::add_ended(write, &row, now_us, now_us + FIRST_PAUSE_US)?)));
            ended.collect::<Result<(Vec<_>, Vec<_>), StorageError>>()
        };
        let (ids, ended) = self.database.write(end).await?;
        self.service_tokens.retain(|(of, _), _| !ids.contains(of));
        Ok(ended)
    }

    /// Stores the new tokens of a session. Returns false if it was ended here while they were on their way: then they are ended
    /// at the server at once.
    pub(super) async fn store_renewed(&self, renewed: SessionRow) -> Result<bool, AccountsError> {
        let now_us = (self.settings.clock)();
        let store = move |write: &Write<'_>| match tables::update(write, &renewed, now_us)? {
            true => Ok(None),
            false => tables::add_ended(write, &renewed, now_us, now_us + FIRST_PAUSE_US).map(Some),
        };
        let Some(ended) = self.database.write::<_, StorageError, _>(store).await? else { return Ok(true) };
        self.end_there(&ended, Instant::now() + REVOKE_AT_ONCE_FOR, false).await?;
        Ok(false)
    }

    /// Ends a session by password that was made and is not wanted, like [`Sessions::end`].
    pub(super) async fn end_unwanted(&self, account: &Did, tokens: SessionTokens) {
        let (did, now_us) = (account, (self.settings.clock)());
        let row = SessionRow {
            id: 0,
            account: did.clone(),
            access: tokens.access_jwt,
            refresh: tokens.refresh_jwt,
            proven_us: now_us,
            binding: None,
            begun_us: None,
        };
        let store = move |write: &Write<'_>| tables::add_ended(write, &row, now_us, now_us + FIRST_PAUSE_US);
        let ended = async {
            let row = self.database.write(store).await?;
            self.end_there(&row, Instant::now() + REVOKE_AT_ONCE_FOR, true).await
        };
        if let Err(error) = ended.await {
            tracing::warn!(%did, %error, "a session that is not wanted could not be ended");
        }
    }

    /// Does [`Sessions::end_there`] for some sessions at once. None keeps the others from ending.
    async fn end_all_there(
        &self,
        rows: &[EndedRow],
        deadline: Instant,
        is_kept: bool,
    ) -> Result<Vec<Option<String>>, AccountsError> {
        let ends: Vec<_> = rows.iter().map(|row| self.end_there(row, deadline, is_kept)).collect();
        stream::iter(ends).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Requests the end of ended sessions at their servers again, where that is due. Returns the number of sessions.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_due(&self) -> Result<usize, AccountsError> {
        let now_us = (self.settings.clock)();
        let due = self.database.read(move |read| tables::due_ended(read, now_us, ROUND)).await?;
        let sessions = due.len();
        let ends = stream::iter(due).map(|row| async move {
            let is_kept = now_us.saturating_sub(row.ended_us) < TOLD_FOR_US;
            self.end_there(&row, Instant::now() + REVOKE_FOR, is_kept).await.map(drop)
        });
        ends.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect::<Result<(), _>>()?;
        Ok(sessions)
    }

    /// Returns the sessions of an account that ended here, and whose servers are still to be told so.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ended_of(&self, account: &Did) -> Result<Vec<LingeringSession>, StorageError> {
        let account = account.clone();
        let rows = self.database.read(move |read| tables::ended_of(read, &account)).await?;
        let ended = |row: EndedRow| LingeringSession { by_oauth: row.binding.is_some(), ended_us: row.ended_us };
        Ok(rows.into_iter().map(ended).collect())
    }

    /// Requests the end of a session at the server that made it, until `deadline`, and forgets it; if the server may answer
    /// another time, it is kept for that with `is_kept`. Returns the error of the server.
    async fn end_there(
        &self,
        row: &EndedRow,
        deadline: Instant,
        is_kept: bool,
    ) -> Result<Option<String>, AccountsError> {
        let (id, outcome) = (row.id, timeout_at(deadline, self.revoke(row)).await);
        let (mut left, asked_again) = match outcome {
            Ok(Ok(())) => (None, None),
            Ok(Err(error)) => (Some(error.to_string()), is_kept.then(|| pause_us(row, &error)).flatten()),
            Err(_) => (Some("it does not answer".to_owned()), is_kept.then(|| pause_us_of(row.attempts))),
        };
        if let Some(error) = &mut left {
            if asked_again.is_some() {
                error.push_str("; it is asked again for a day");
            }
            let did = &row.account;
            tracing::warn!(%did, "a session that was ended here goes on at the server of {did}: {error}");
        }
        let now_us = (self.settings.clock)();
        let note = move |write: &Write<'_>| match asked_again {
            Some(pause_us) => tables::postpone_ended(write, id, now_us.saturating_add(pause_us)),
            None => tables::forget_ended(write, id),
        };
        self.database.write(note).await?;
        Ok(left)
    }

    /// Requests the end of a session at the server that made it. A session that the server does not know is over.
    async fn revoke(&self, row: &EndedRow) -> Result<(), AccountsError> {
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

/// Returns the time to the next attempt after an error, in microseconds; `None` if the server would answer the same.
fn pause_us(row: &EndedRow, error: &AccountsError) -> Option<u64> {
    let is_final = match error {
        AccountsError::Oauth(OauthError::NoRevocation) => true,
        AccountsError::Pds(RemoteError::Refused { status, .. })
        | AccountsError::Oauth(OauthError::Server(RemoteError::Refused { status, .. })) => {
            status.is_client_error() && !matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        }
        _ => false,
    };
    let asked_us = error.retry_after().map_or(0, micros);
    (!is_final).then(|| asked_us.min(LONGEST_PAUSE_US).max(pause_us_of(row.attempts)))
}

/// Returns the time to the next attempt after this number of earlier ones, in microseconds.
fn pause_us_of(attempts: u32) -> u64 {
    (FIRST_PAUSE_US << (2 * attempts.min(8))).min(LONGEST_PAUSE_US)
}
