//! Sessions at accounts' PDSes: the operations on them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A session, as the command line shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The session's id.
    pub id: i64,
    /// The account.
    pub account: Did,
    /// Whether the session was made by OAuth, in a browser; else it was made with an app password.
    pub by_oauth: bool,
    /// Time when the account's PDS last accepted the session.
    pub proven_at: Datetime,
    /// Time since then, in seconds.
    pub proven_ago_s: u64,
}

/// Lists all sessions, the most recently accepted first.
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

/// Ends a session, here and at the account's PDS: its tokens become invalid, and its clients must sign in again.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionsEnd {
    /// The session's id.
    pub id: i64,
}

/// An ended session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedSession {
    /// The session's id.
    pub id: i64,
    /// The account.
    pub account: Did,
    /// Reason why the session could not be ended at the account's PDS, where nobody uses it any more; `None` if it
    /// ended there, too.
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
        Ok(EndedSession { id: self.id, account: ended.account, left: ended.left })
    }
}
