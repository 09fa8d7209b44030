//! Sessions at accounts' PDSes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A session as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub account: Did,
    /// Whether it was made in a browser, by OAuth; else by an app password.
    pub by_oauth: bool,
    /// When the account's PDS last said that it is good.
    pub proven_at: Datetime,
    /// How long ago that is, in seconds.
    pub proven_ago_s: u64,
}

/// All sessions, the one that was proven last first.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionsList {}

impl Operation for SessionsList {
    const NAME: &'static str = "sessions.list";
    type Subject = OciState;
    type Output = Vec<Session>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<Session>, AdminError> {
        let now_us = (registry.clock)();
        let sessions = registry.sessions.list().await?;
        let shown = sessions.into_iter().map(|session| Session {
            id: session.id,
            account: session.account,
            by_oauth: session.by_oauth,
            proven_at: Datetime::from_micros(session.proven_us),
            proven_ago_s: seconds(session.proven_us, now_us),
        });
        Ok(shown.collect())
    }
}

/// Ends a session, here and at the account's PDS: its tokens are good no more, and whoever used it signs in again.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionsEnd {
    /// Which one.
    pub id: i64,
}

/// What was ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedSession {
    /// Its number.
    pub id: i64,
    /// Whose it was.
    pub account: Did,
    /// Why it goes on at the account's PDS, where nobody uses it any more; `None`: it ended there, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

impl Operation for SessionsEnd {
    const NAME: &'static str = "sessions.end";
    type Subject = OciState;
    type Output = EndedSession;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<EndedSession, AdminError> {
        let ended = registry.sessions.end(self.id).await.map_err(|error| AdminError::failed(error.to_string()))?;
        let ended = ended.ok_or_else(|| AdminError::failed(format!("there is no session {}", self.id)))?;
        Ok(EndedSession { id: ended.id, account: ended.account, left: ended.left })
    }
}
