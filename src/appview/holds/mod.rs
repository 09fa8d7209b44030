//! Holds: the choice of the hold for an account's blobs, and the calls that store and find blobs.

mod choice;
mod error;
mod facts;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::accounts::{AccountsError, Login, Sessions};
use crate::cache::TimedCache;
use crate::remote::{Remote, RemoteError};
use crate::repos::Repos;
use atproto::lexicon::nsid::{self, Method};
use atproto::lexicon::{BlobLocation, NotifyManifest, NotifyManifestOutput, RequestCrew, RequestCrewOutput};
use atproto::syntax::{Did, Digest, HoldId, ServiceUrl};
use server::egress::{ClientBody, EgressError};
use server::identity::{Pool, Resolver};
use server::nonpoison::RwLock;

pub use choice::{HoldChoice, SailorProfile, hold_of};
pub use error::HoldsError;
pub use uploads::UploadAtHold;

/// How long the hold of an account is cached.
const PROFILE_TTL: Duration = Duration::from_mins(1);
/// Number of cached accounts, at some 300 bytes.
const MAX_REMEMBERED: usize = 4096;
/// Time until a hold that refused crew membership is asked again, as its captain may allow it at any time.
const REFUSED_FOR: Duration = Duration::from_mins(1);
/// Time-out of a call to a hold that moves no bytes: the client gets an error, and can try again.
const CALL_TIME: Duration = Duration::from_secs(10);
/// Time-out of a notice of a manifest: the hold commits a record for each layer.
const NOTICE_TIME: Duration = Duration::from_secs(30);
/// Time-out of completing an upload: from a bucket the hold reads back all that it has to hash, 160 GiB at most.
const COMPLETE_TIME: Duration = Duration::from_secs(30 * 60);
/// Maximum number of sessions of an account with which one notification is tried.
const MAX_SESSIONS: usize = 8;
/// Maximum number of holds that are asked in one look-up, each the successor of the one before.
const MAX_SUCCESSORS: usize = 3;

/// The method for which a hold returns the URL of a blob; the URL is good for that method alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A download.
    Get,
    /// A check whether the blob exists.
    Head,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// The client of holds.
pub struct Holds {
    remote: Remote,
    resolver: Resolver,
    sessions: Arc<Sessions>,
    repos: Arc<Repos>,
    default_hold: RwLock<Option<HoldId>>,
    /// Holds of accounts.
    profiles: TimedCache<Did, Option<HoldId>>,
    /// Answers to requests for crew membership, by account and hold.
    memberships: Cache<(Did, Did), Membership>,
}

/// The answer of a hold to a request for crew membership.
#[derive(Clone, Copy)]
struct Membership {
    is_granted: bool,
    /// When it came.
    at: Instant,
}

impl Holds {
    /// Makes the client. `default_hold` is the hold of accounts that name none.
    #[must_use]
    pub fn new(
        remote: Remote,
        resolver: Resolver,
        sessions: &Arc<Sessions>,
        repos: &Arc<Repos>,
        default_hold: Option<HoldId>,
    ) -> Self {
        Self {
            remote,
            resolver,
            sessions: Arc::clone(sessions),
            repos: Arc::clone(repos),
            default_hold: RwLock::new(default_hold),
            profiles: TimedCache::new(MAX_REMEMBERED, PROFILE_TTL),
            memberships: Cache::new(MAX_REMEMBERED),
        }
    }

    /// Changes the hold of accounts that name none.
    pub fn set_default_hold(&self, hold: Option<HoldId>) {
        *self.default_hold.write() = hold;
        self.profiles.clear();
    }

    /// Returns the hold of accounts that name none.
    #[must_use]
    pub fn default_hold(&self) -> Option<HoldId> {
        self.default_hold.read().clone()
    }

    /// Requests a URL that a hold gave, like [`Remote::open`].
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn open(
        &self,
        method: http::Method,
        url: &str,
        range: Option<&HeaderValue>,
    ) -> Result<http::Response<ClientBody>, RemoteError> {
        self.remote.open(method, url, range).await
    }

    /// Returns the URL of a blob for a client; `None` when the hold does not have the blob. A hold that is not public
    /// is asked as `login`.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn locate(
        &self,
        hold: &HoldId,
        digest: &Digest,
        verb: Verb,
        login: Option<&Login>,
    ) -> Result<Option<String>, HoldsError> {
        let mut hold = hold.clone();
        for _ in 0..MAX_SUCCESSORS {
            let (did, cid) = (hold.did().as_str(), digest.to_string());
            let parameters = &[("did", did), ("cid", &cid), ("method", verb.as_str())];
            let url = &self.method_url(&hold, nsid::SYNC_GET_BLOB).await?;
            let mut answer = within(CALL_TIME, self.remote.query::<BlobLocation>(url, parameters, None)).await;
            // The hold answers crew members only, so ask as the account that pulls.
            if let (true, Some(login)) = (is_unauthorized(&answer), login) {
                let ask = |token: Arc<str>| async move {
                    within(CALL_TIME, self.remote.query(url, parameters, Some(&*token))).await
                };
                answer = self.with_token(&hold, login, ask).await?;
            }
            match answer {
                Ok(location) => return Ok(Some(address(&hold, location)?)),
                Err(RemoteError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
                Err(RemoteError::Redirected(url)) => hold = successor(&url).ok_or(HoldsError::NotAHold)?,
                Err(error) => {
                    if let Some(login) = login {
                        self.forget_membership(&hold, login, &error);
                    }
                    return Err(self.failed(&hold, error).await);
                }
            }
        }
        Ok(None)
    }

    /// Returns the URL of a blob before a push to the hold. Requests crew membership first where only the crew may read.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn locate_for_push(
        &self,
        hold: &HoldId,
        digest: &Digest,
        login: &Login,
    ) -> Result<Option<String>, HoldsError> {
        let found = self.locate(hold, digest, Verb::Head, Some(login)).await;
        let is_for_crew = matches!(&found, Err(HoldsError::Refused { status: StatusCode::FORBIDDEN, .. }));
        if is_for_crew && self.join(hold, login).await? {
            return self.locate(hold, digest, Verb::Head, Some(login)).await;
        }
        found
    }

    /// Requests crew membership for the account, unless it was granted before, or refused a short time ago. Returns whether
    /// it was granted. Whether the account may write shows when it does.
    ///
    /// # Errors
    /// When the hold does not answer. A refusal is no error, as the account may be a crew member already.
    pub async fn join(&self, hold: &HoldId, login: &Login) -> Result<bool, HoldsError> {
        let key = (login.account.clone(), hold.did().clone());
        if let Some(known) = self.memberships.get(&key)
            && (known.is_granted || known.at.elapsed() < REFUSED_FOR)
        {
            return Ok(known.is_granted);
        }
        let asked = self.call::<RequestCrewOutput>(hold, login, nsid::REQUEST_CREW, &RequestCrew::default()).await;
        let is_granted = match asked {
            Ok(_) => true,
            Err(HoldsError::Refused { .. }) => false,
            Err(error) => return Err(error),
        };
        self.memberships.insert(key, Membership { is_granted, at: Instant::now() });
        Ok(is_granted)
    }

    /// Forgets a granted membership after a 403: it may have been revoked. The next push requests it again.
    fn forget_membership(&self, hold: &HoldId, login: &Login, error: &RemoteError) {
        let key = (login.account.clone(), hold.did().clone());
        let is_forbidden = matches!(error, RemoteError::Refused { status: StatusCode::FORBIDDEN, .. });
        if is_forbidden && self.memberships.get(&key).is_some_and(|known| known.is_granted) {
            self.memberships.remove(&key);
        }
    }

    /// Notifies a hold of a manifest, or of a pull.
    ///
    /// # Errors
    /// [`HoldsError`]; [`HoldsError::Silent`] also for the error of a proxy before a hold that is down.
    pub async fn notify(&self, hold: &HoldId, login: &Login, notice: &NotifyManifest) -> Result<(), HoldsError> {
        self.call_within::<NotifyManifestOutput>(NOTICE_TIME, hold, login, nsid::NOTIFY_MANIFEST, notice)
            .await
            .map(drop)
            .map_err(HoldsError::silent_if_of_a_proxy)
    }

    /// Does the same with another session of the account if that of `login` has ended.
    ///
    /// # Errors
    /// As [`Holds::notify`].
    pub async fn notify_by_any(&self, hold: &HoldId, login: &Login, notice: &NotifyManifest) -> Result<(), HoldsError> {
        let mut told = self.notify(hold, login, notice).await;
        // A session that has ended is deleted when it is used.
        for _ in 0..MAX_SESSIONS {
            if !matches!(told, Err(HoldsError::Account(AccountsError::SessionEnded))) {
                break;
            }
            let Some(other) = self.sessions.newest(&login.account).await? else { break };
            told = self.notify(hold, &other, notice).await;
        }
        told
    }

    /// Calls a procedure as `login`.
    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        hold: &HoldId,
        login: &Login,
        method: Method,
        input: &impl serde::Serialize,
    ) -> Result<T, HoldsError> {
        self.call_within(CALL_TIME, hold, login, method, input).await
    }

    async fn call_within<T: serde::de::DeserializeOwned>(
        &self,
        time: Duration,
        hold: &HoldId,
        login: &Login,
        method: Method,
        input: &impl serde::Serialize,
    ) -> Result<T, HoldsError> {
        let url = &self.method_url(hold, method).await?;
        let call =
            |token: Arc<str>| async move { self.remote.patient_procedure(url, input, Some(&*token), time).await };
        match self.with_token(hold, login, call).await? {
            Ok(output) => Ok(output),
            Err(error) => {
                self.forget_membership(hold, login, &error);
                Err(self.failed(hold, error).await)
            }
        }
    }

    /// Returns the URL of a method at a hold.
    async fn method_url(&self, hold: &HoldId, method: Method) -> Result<String, HoldsError> {
        let unresolved = |error| HoldsError::Unresolved { hold: hold.did().clone(), error };
        self.resolver.hold_method(hold, &method, Pool::Strangers).await.map_err(unresolved)
    }

    /// Makes the error of a failed call. The hold may have moved, so its DID document is read again for the next call.
    async fn failed(&self, hold: &HoldId, error: RemoteError) -> HoldsError {
        if let HoldId::Plc(did) = hold
            && error.may_be_elsewhere()
        {
            drop(self.resolver.refresh(did, Pool::Strangers).await);
        }
        HoldsError::of(hold, error)
    }

    /// Makes a call with a service token of `login`, and once more with another one if the hold does not take it.
    async fn with_token<T, F: Future<Output = Result<T, RemoteError>>>(
        &self,
        hold: &HoldId,
        login: &Login,
        call: impl Fn(Arc<str>) -> F,
    ) -> Result<Result<T, RemoteError>, AccountsError> {
        let token = self.sessions.service_token(login, hold.did()).await?;
        let answer = call(Arc::clone(&token)).await;
        if is_unauthorized(&answer)
            && let Some(newer) = self.sessions.newer_service_token(login, hold.did(), &token).await?
        {
            return Ok(call(newer).await);
        }
        Ok(answer)
    }
}

/// Whether a hold did not take the token of a call, or wants one.
fn is_unauthorized<T>(answer: &Result<T, RemoteError>) -> bool {
    matches!(answer, Err(RemoteError::Refused { status: StatusCode::UNAUTHORIZED, .. }))
}

/// Limits a call to a hold to `time`.
async fn within<T>(time: Duration, call: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    timeout(time, call).await.unwrap_or(Err(RemoteError::Unreachable(EgressError::TimedOut(time))))
}

/// Returns the URL that a hold gave for a blob, if a client can be redirected there.
fn address(hold: &HoldId, location: BlobLocation) -> Result<String, HoldsError> {
    let is_web = ["https://", "http://"].iter().any(|scheme| location.url.starts_with(scheme));
    let is_header = location.url.bytes().all(|byte| byte.is_ascii_graphic());
    if is_web && is_header {
        return Ok(location.url);
    }
    Err(HoldsError::of(hold, RemoteError::Unintelligible))
}

/// Returns the hold that a redirect leads to: that at its address, unless it names a did:plc.
fn successor(url: &str) -> Option<HoldId> {
    let parsed = Url::parse(url).ok()?;
    let mut named = parsed.query_pairs().filter(|(name, _)| name == "did");
    if let Some(Ok(hold @ HoldId::Plc(_))) = named.next().map(|(_, did)| HoldId::parse(&did)) {
        return Some(hold);
    }
    let (origin, _) = url.split_once("/xrpc/")?;
    ServiceUrl::parse(origin).ok().map(HoldId::Web)
}
