//! Asks an account's PDS whether an access token is valid: only the PDS knows whether it was revoked.
//!
//! The PDS is sent the token and the DPoP proof as the caller sent them, so it checks them as for a call of its own. It
//! accepts a proof once: therefore the same pair is sent once, however many requests wait, and a confirmation is cached
//! for a while. A refusal is not cached: it costs the caller a proof.
//! <https://docs.bsky.app/docs/api/com-atproto-server-get-session>

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::time::Instant;

use super::ResolveError;
use super::asker::{Asker, ByPool, Pool};
use super::fetch::{FetchError, Fetcher};
use super::location::PdsUrl;
use super::single_flight::{Joined, SingleFlight};
use crate::bulkhead::{BulkheadCounts, Overload};
use atproto::syntax::Did;

/// Time that a confirmation is cached: as long as the registry uses a service token.
const LIFETIME: Duration = Duration::from_secs(50);
/// Number of confirmations cached; at about 200 bytes each, 1 MiB a pool.
const MAX_PROVEN: usize = 4096;
/// Limit of a nonce; those of the reference server have 43 bytes.
const MAX_NONCE_BYTES: usize = 256;

/// The header of a DPoP proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header of the nonce for the next proof.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The hash of a token and its proof.
pub type SessionKey = [u8; 32];

type Answer = Result<(), SessionError>;

/// A request to an account's PDS to confirm a token and its proof.
pub struct SessionQuestion {
    /// The hash of the token and its proof.
    pub key: SessionKey,
    /// The account that the token names.
    pub account: Did,
    /// The URL of `com.atproto.server.getSession` at that account's PDS.
    pub url: PdsUrl,
    /// The value of the `Authorization` header.
    pub authorization: String,
    /// The value of the `DPoP` header.
    pub proof: String,
    /// The longest time that a confirmation may be cached.
    pub lifetime: Duration,
}

/// Reasons why a session is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The token is not, or no longer, valid for the account. The caller must get another one.
    #[error("{0}")]
    Token(&'static str),
    /// The PDS refuses the proof: it was used before, or is too old. The caller must make another one.
    #[error("the account's PDS refuses the proof")]
    Proof,
    /// The PDS demands a proof with this nonce, which is visible ASCII.
    #[error("the account's PDS demands a nonce")]
    Nonce(String),
    /// The PDS does not answer, or answers 5xx or 429. Try again later.
    #[error("the account's PDS cannot be reached")]
    Unreachable,
    /// Too many concurrent questions, of all callers or of this one. Try again soon.
    #[error("too many sessions are being looked up")]
    Busy(Overload),
}

/// Asks PDSes about sessions, and caches confirmations. Clones share connections and caches.
#[derive(Clone)]
pub struct Sessions {
    fetcher: Fetcher,
    pools: ByPool<Arc<SessionPool>>,
}

/// The cache and the single flight of one pool. Strangers share neither with members; claimants of a membership share
/// the cache only.
struct SessionPool {
    proven: Arc<Cache<SessionKey, (Did, Instant)>>,
    flights: Arc<SingleFlight<SessionKey, Answer>>,
}

impl Sessions {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        let members = SessionPool::new();
        Self { fetcher, pools: ByPool { claimants: members.beside(), strangers: SessionPool::new(), members } }
    }

    /// Returns the account of a token and proof if its PDS confirmed them lately.
    #[must_use]
    pub fn known(&self, key: &SessionKey) -> Option<Did> {
        self.pools.members.known(key).or_else(|| self.pools.strangers.known(key))
    }

    /// Returns the metrics of the pools' bulkheads, each with its name in metrics.
    #[must_use]
    pub fn bulkheads(&self) -> [(&'static str, &BulkheadCounts); 3] {
        let ByPool { members, claimants, strangers } = &self.pools;
        let names = ["member_sessions", "claimant_sessions", "stranger_sessions"];
        let [first, second, third] = [members, claimants, strangers].map(|pool| pool.flights.counts());
        [(names[0], first), (names[1], second), (names[2], third)]
    }

    /// Asks the PDS whether the token and proof are a session of the account.
    ///
    /// # Errors
    /// [`SessionError`]
    pub async fn ask(&self, question: SessionQuestion, asker: impl Into<Asker>) -> Result<(), SessionError> {
        let Asker { pool, caller } = asker.into();
        let sessions = self.pools.of(pool);
        let cached = || sessions.known(&question.key).map(|_| Ok(()));
        let (waiter, leader) = match sessions.flights.join(&question.key, &caller, cached) {
            Joined::Cached(answer) => return answer,
            Joined::Wait(waiter, leader) => (waiter, leader),
        };
        if let Some(leader) = leader {
            let (fetcher, sessions) = (self.fetcher.clone(), Arc::clone(sessions));
            // A task of its own: the proof is used up, so the answer must not be lost when the first caller goes away.
            tokio::spawn(async move {
                let slot = leader.slot().await;
                let answer = match &slot {
                    Ok(_) => leader.ask(ask(&fetcher, &question, pool)).await,
                    Err(overload) => Err(SessionError::Busy(*overload)),
                };
                drop(slot);
                if answer.is_ok() {
                    let until = Instant::now() + question.lifetime.min(LIFETIME);
                    sessions.proven.insert(question.key, (question.account, until));
                }
                leader.complete(answer);
            });
        }
        waiter.answer().await.unwrap_or(Err(SessionError::Unreachable))
    }
}

impl SessionPool {
    fn new() -> Arc<Self> {
        Arc::new(Self { proven: Arc::new(Cache::new(MAX_PROVEN)), flights: SingleFlight::new() })
    }

    /// Creates another pool with the same cache.
    fn beside(&self) -> Arc<Self> {
        Arc::new(Self { proven: Arc::clone(&self.proven), flights: SingleFlight::new() })
    }

    fn known(&self, key: &SessionKey) -> Option<Did> {
        self.proven.get(key).filter(|(_, until)| Instant::now() < *until).map(|(account, _)| account)
    }
}

/// The fields read of `getSession`'s output.
#[derive(Deserialize)]
struct Session {
    did: Did,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

async fn ask(fetcher: &Fetcher, question: &SessionQuestion, pool: Pool) -> Answer {
    let request = Request::get(question.url.uri())
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, secret(&question.authorization)?)
        .header(DPOP, secret(&question.proof)?);
    let response = fetcher.ask(request, pool).await.map_err(FetchError::from).map_err(|error| {
        if ResolveError::from(&error) != ResolveError::Unreachable {
            return SessionError::Token(NO_SESSION);
        }
        let account = &question.account;
        if pool.is_of_member() {
            tracing::warn!(did = %account, "the PDS of {account}, a member, gives no answer: {error}");
        } else {
            tracing::debug!(did = %account, "the PDS of {account}, a stranger, gives no answer: {error}");
        }
        SessionError::Unreachable
    })?;
    judge(&response, &question.account)
}

const NO_SESSION: &str = "the account's PDS does not answer with a session";

/// Converts the response of the PDS.
fn judge(response: &Response<bytes::Bytes>, account: &Did) -> Answer {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(SessionError::Unreachable);
    }
    if status.is_client_error() {
        return Err(refusal(response.headers()));
    }
    if status != StatusCode::OK {
        return Err(SessionError::Token(NO_SESSION));
    }
    let session: Session = serde_json::from_slice(response.body()).map_err(|_| SessionError::Token(NO_SESSION))?;
    match session {
        Session { did, .. } if did != *account => Err(SessionError::Token("the account's PDS says it is another's")),
        Session { active: false, .. } => Err(SessionError::Token("the account is not active at its PDS")),
        Session { .. } => Ok(()),
    }
}

/// Returns the reason of a refusal, by the error names of RFC 9449 and RFC 6750. The PDS's message is not passed on.
fn refusal(headers: &HeaderMap) -> SessionError {
    let says = |error| {
        let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        challenges.any(|challenge| challenge.contains(error))
    };
    let nonce = headers.get(DPOP_NONCE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let nonce_ok = (1..=MAX_NONCE_BYTES).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if says("use_dpop_nonce") && nonce_ok {
        SessionError::Nonce(nonce.to_owned())
    } else if says("invalid_dpop_proof") {
        SessionError::Proof
    } else {
        SessionError::Token("the account's PDS refuses it")
    }
}

/// Makes a header value that is marked as sensitive.
fn secret(text: &str) -> Result<HeaderValue, SessionError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SessionError::Proof)?;
    value.set_sensitive(true);
    Ok(value)
}
