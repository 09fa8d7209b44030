//! Asks an account's PDS whose session an access token is: the only one that can know whether it was revoked.
//!
//! The PDS is sent the token and the proof as the caller sent them, so it checks them as for a call of its own. A proof
//! can be used once there: therefore the same pair is asked about once, whoever waits, and a good answer is remembered
//! for a while. A refusal is not: it costs the caller a proof. <https://docs.bsky.app/docs/api/com-atproto-server-get-session>

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::time::Instant;

use super::Error;
use super::fetch::Fetcher;
use super::flight::{Boarding, Flights};
use super::lane::Lane;
use super::location::PdsUrl;
use atproto::syntax::Did;

/// How long an answer is good: as long as the registry uses a service token.
const LIFETIME: Duration = Duration::from_secs(50);
/// Answers remembered; at about 200 bytes each, 1 MiB a lane.
const MAX_PROVEN: usize = 4096;
/// The reference server's nonces have 43 bytes.
const MAX_NONCE_BYTES: usize = 256;

/// The header of a proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header of the nonce that the next proof must have.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A hash of a token and its proof.
pub type SessionKey = [u8; 32];

type Answer = Result<(), SessionError>;

/// Is this the session of that account?
pub struct Question {
    /// Equal for the same token and proof only.
    pub key: SessionKey,
    /// Whom the token claims to be of.
    pub account: Did,
    /// `com.atproto.server.getSession` at that account's PDS.
    pub url: PdsUrl,
    /// The `Authorization` header.
    pub authorization: String,
    /// The `DPoP` header.
    pub proof: String,
    /// The answer is not good for longer than this.
    pub lifetime: Duration,
}

/// Why a session is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The token is not, or no longer, one of the account. Another one must be got.
    #[error("{0}")]
    Token(&'static str),
    /// The PDS refuses the proof: it was used before, or is too old. Another one must be made.
    #[error("the account's PDS refuses the proof")]
    Proof,
    /// The proof must have this nonce, which is visible ASCII.
    #[error("the account's PDS demands a nonce")]
    Nonce(String),
    /// The PDS does not answer. Try again later.
    #[error("the account's PDS cannot be reached")]
    Unreachable,
    /// Too many questions at once. Try again soon.
    #[error("too many sessions are being looked up")]
    Busy,
}

/// Asks, and remembers. Clones share everything.
#[derive(Clone)]
pub struct Sessions {
    fetcher: Fetcher,
    members: Arc<Memory>,
    strangers: Arc<Memory>,
}

/// Nothing of one lane is taken from the other.
struct Memory {
    proven: Cache<SessionKey, (Did, Instant)>,
    flights: Arc<Flights<SessionKey, Answer>>,
}

impl Sessions {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, members: Memory::new(), strangers: Memory::new() }
    }

    /// The account of a token and proof about which the PDS was asked a moment ago.
    #[must_use]
    pub fn known(&self, key: &SessionKey) -> Option<Did> {
        self.members.known(key).or_else(|| self.strangers.known(key))
    }

    /// Asks the PDS.
    ///
    /// # Errors
    /// [`SessionError`]
    pub async fn ask(&self, question: Question, lane: Lane) -> Result<(), SessionError> {
        let memory = match lane {
            Lane::Member => &self.members,
            Lane::Stranger => &self.strangers,
        };
        let (landing, flight) =
            match memory.flights.board(&question.key, || memory.known(&question.key).map(|_| Ok(()))) {
                Boarding::Known(answer) => return answer,
                Boarding::Full => return Err(SessionError::Busy),
                Boarding::Wait(landing, flight) => (landing, flight),
            };
        if let Some(flight) = flight {
            let (fetcher, memory) = (self.fetcher.clone(), Arc::clone(memory));
            // Its own task: the proof is used up, so the answer must not go when the caller that began goes away.
            tokio::spawn(async move {
                let turn = flight.turn().await;
                let answer = match &turn {
                    Some(_) => ask(&fetcher, &question).await,
                    None => Err(SessionError::Busy),
                };
                drop(turn);
                if answer.is_ok() {
                    let until = Instant::now() + question.lifetime.min(LIFETIME);
                    memory.proven.insert(question.key, (question.account, until));
                }
                flight.land(answer);
            });
        }
        landing.answer().await.unwrap_or(Err(SessionError::Unreachable))
    }
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self { proven: Cache::new(MAX_PROVEN), flights: Flights::new() })
    }

    fn known(&self, key: &SessionKey) -> Option<Did> {
        self.proven.get(key).filter(|(_, until)| Instant::now() < *until).map(|(account, _)| account)
    }
}

/// What is read of a session.
#[derive(Deserialize)]
struct Session {
    did: Did,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

async fn ask(fetcher: &Fetcher, question: &Question) -> Answer {
    let request = Request::get(question.url.uri())
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, secret(&question.authorization)?)
        .header(DPOP, secret(&question.proof)?);
    let response = fetcher.ask(request).await.map_err(|error| match error {
        Error::Unreachable | Error::Busy => SessionError::Unreachable,
        Error::NotFound | Error::Invalid(_) | Error::Unsupported(_) => SessionError::Token(NO_SESSION),
    })?;
    judge(&response, &question.account)
}

const NO_SESSION: &str = "the account's PDS does not answer with a session";

/// What an answer of the PDS says of the session.
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

/// Why the PDS refuses, by the names of RFC 9449 and RFC 6750. The text it gives for people is not passed on.
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

/// A header that is shown nowhere.
fn secret(text: &str) -> Result<HeaderValue, SessionError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SessionError::Proof)?;
    value.set_sensitive(true);
    Ok(value)
}
