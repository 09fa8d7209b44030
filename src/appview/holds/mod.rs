//! Holds: which one an account's blobs go to, and the calls that put blobs there and find them.

mod choice;
mod error;
mod facts;
mod uploads;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use crate::accounts::{Login, Sessions};
use crate::remote::{Remote, RemoteError};
use crate::repos::Repos;
use atproto::lexicon::nsid::{self, Method};
use atproto::lexicon::{BlobLocation, NotifyManifest, NotifyManifestOutput, RequestCrew, RequestCrewOutput};
use atproto::syntax::{Did, Digest, ServiceUrl};
use server::egress::{ClientBody, EgressError};

pub use choice::{HoldChoice, SailorProfile, hold_of};
pub use error::HoldsError;
pub use uploads::Initiated;

/// How long what a profile says is believed.
const PROFILE_TTL: Duration = Duration::from_mins(1);
/// Accounts remembered, at some 300 bytes.
const MAX_REMEMBERED: usize = 4096;
/// How long a hold may take for what moves no bytes: whoever asked is told of it, and can ask again.
const CALL_TIME: Duration = Duration::from_secs(10);
/// How long it may take for a manifest: it commits a record a layer.
const NOTICE_TIME: Duration = Duration::from_secs(30);
/// How long it may take to complete an upload: from a bucket it reads back all that it has to hash, 160 GiB at most.
const COMPLETE_TIME: Duration = Duration::from_secs(30 * 60);
/// Holds that follow one another for one question.
const MAX_SUCCESSORS: usize = 3;

/// What a client is to do with the address of a blob; the address is good for that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read it.
    Get,
    /// Ask whether it is there.
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

/// Calls holds.
pub struct Holds {
    remote: Remote,
    sessions: Arc<Sessions>,
    repos: Arc<Repos>,
    default_hold: RwLock<Option<ServiceUrl>>,
    profiles: Cache<Did, (Option<ServiceUrl>, Instant)>,
    /// Accounts that asked a hold to be taken into its crew.
    asked: Cache<(Did, Did), ()>,
}

impl Holds {
    /// By these means; `default_hold` is that of accounts which name none.
    #[must_use]
    pub fn new(remote: Remote, sessions: Arc<Sessions>, repos: Arc<Repos>, default_hold: Option<ServiceUrl>) -> Self {
        let (profiles, asked) = (Cache::new(MAX_REMEMBERED), Cache::new(MAX_REMEMBERED));
        Self { remote, sessions, repos, default_hold: RwLock::new(default_hold), profiles, asked }
    }

    /// Changes the hold of accounts which name none.
    pub fn set_default_hold(&self, hold: Option<ServiceUrl>) {
        *self.default_hold.write().unwrap_or_else(PoisonError::into_inner) = hold;
        self.profiles.clear();
    }

    /// Returns the hold of accounts which name none.
    #[must_use]
    pub fn default_hold(&self) -> Option<ServiceUrl> {
        self.default_hold.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads what is at an address that a hold gave, as [`Remote::open`].
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

    /// Where a client finds a blob; `None` when the hold has it not. Where the hold is not public, `login` asks.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn locate(
        &self,
        hold: &ServiceUrl,
        digest: &Digest,
        verb: Verb,
        login: Option<&Login>,
    ) -> Result<Option<String>, HoldsError> {
        let mut hold = hold.clone();
        for _ in 0..MAX_SUCCESSORS {
            let mut answer = self.ask_for(&hold, digest, verb, None).await;
            // Only crew may know; the puller is, or is not.
            if let (Err(RemoteError::Refused { status: StatusCode::UNAUTHORIZED, .. }), Some(login)) = (&answer, login)
            {
                let token = self.sessions.service_token(login, hold.did()).await?;
                answer = self.ask_for(&hold, digest, verb, Some(&*token)).await;
            }
            match answer {
                Ok(location) => return Ok(Some(address(&hold, location)?)),
                Err(RemoteError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
                Err(RemoteError::Redirected(url)) => hold = successor(&url).ok_or(HoldsError::NotAHold)?,
                Err(error) => return Err(HoldsError::of(&hold, error)),
            }
        }
        Ok(None)
    }

    async fn ask_for(
        &self,
        hold: &ServiceUrl,
        digest: &Digest,
        verb: Verb,
        token: Option<&str>,
    ) -> Result<BlobLocation, RemoteError> {
        let (did, cid) = (hold.did().as_str(), digest.to_string());
        let parameters = [("did", did), ("cid", &cid), ("method", verb.as_str())];
        let url = method_url(hold, nsid::SYNC_GET_BLOB);
        within(CALL_TIME, self.remote.query(&url, &parameters, token)).await
    }

    /// Asks a hold to take the account into its crew, once: whether it may write shows when it does.
    ///
    /// # Errors
    /// When the hold does not answer; a refusal is none, for the account may be crew by another way.
    pub async fn join(&self, hold: &ServiceUrl, login: &Login) -> Result<(), HoldsError> {
        let key = (login.account.clone(), hold.did().clone());
        if self.asked.get(&key).is_some() {
            return Ok(());
        }
        match self.call::<RequestCrewOutput>(hold, login, nsid::REQUEST_CREW, &RequestCrew::default()).await {
            Ok(_) | Err(HoldsError::Refused { .. }) => {
                self.asked.insert(key, ());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Tells a hold of a manifest.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn notify(&self, hold: &ServiceUrl, login: &Login, notice: &NotifyManifest) -> Result<(), HoldsError> {
        self.call_within::<NotifyManifestOutput>(NOTICE_TIME, (hold, login), nsid::NOTIFY_MANIFEST, notice)
            .await
            .map(drop)
    }

    /// Calls a method that writes, as `login`.
    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        hold: &ServiceUrl,
        login: &Login,
        method: Method,
        input: &impl serde::Serialize,
    ) -> Result<T, HoldsError> {
        self.call_within(CALL_TIME, (hold, login), method, input).await
    }

    async fn call_within<T: serde::de::DeserializeOwned>(
        &self,
        time: Duration,
        (hold, login): (&ServiceUrl, &Login),
        method: Method,
        input: &impl serde::Serialize,
    ) -> Result<T, HoldsError> {
        let token = self.sessions.service_token(login, hold.did()).await?;
        let url = method_url(hold, method);
        let answer = self.remote.patient_procedure(&url, input, Some(&*token), time).await;
        answer.map_err(|error| HoldsError::of(hold, error))
    }
}

/// Waits so long for a hold.
async fn within<T>(time: Duration, call: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    timeout(time, call).await.unwrap_or(Err(RemoteError::Unreachable(EgressError::TimedOut(time))))
}

/// The address that a hold gives for a blob, if a client may be sent there.
fn address(hold: &ServiceUrl, location: BlobLocation) -> Result<String, HoldsError> {
    let is_web = ["https://", "http://"].iter().any(|scheme| location.url.starts_with(scheme));
    let is_header = location.url.bytes().all(|byte| byte.is_ascii_graphic());
    if is_web && is_header {
        return Ok(location.url);
    }
    Err(HoldsError::of(hold, RemoteError::Unintelligible))
}

fn method_url(hold: &ServiceUrl, method: Method) -> String {
    format!("{hold}/xrpc/{method}")
}

/// The hold that a redirect leads to.
fn successor(url: &str) -> Option<ServiceUrl> {
    let (origin, _) = url.split_once("/xrpc/")?;
    ServiceUrl::parse(origin).ok()
}
