//! Holds: which one an account's blobs go to, and the calls that put blobs there and find them.

mod error;
mod uploads;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use quick_cache::sync::Cache;
use serde_json::Value;
use tokio::time::Instant;

use crate::accounts::{Login, Sessions};
use crate::remote::{Remote, RemoteError};
use crate::repos::Repos;
use atproto::lexicon::nsid::{self, Method};
use atproto::lexicon::{BlobLocation, NotifyManifest, NotifyManifestOutput, RequestCrew, RequestCrewOutput, SELF_KEY};
use atproto::syntax::{Did, Digest, RecordKey, ServiceUrl};
use server::egress::ClientBody;
use server::identity::Account;

pub use error::HoldsError;

/// How long what a profile says is believed.
const PROFILE_TTL: Duration = Duration::from_mins(1);
/// Accounts remembered, at some 300 bytes.
const MAX_REMEMBERED: usize = 4096;
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

    /// The hold that an account's new blobs go to: the one that its profile names, else the default.
    ///
    /// # Errors
    /// [`HoldsError::None`] when there is neither, [`HoldsError::Repos`] when the profile cannot be read.
    pub async fn of_account(&self, account: &Account) -> Result<ServiceUrl, HoldsError> {
        if let Some((hold, at)) = self.profiles.get(&account.did)
            && at.elapsed() < PROFILE_TTL
        {
            return hold.ok_or(HoldsError::None);
        }
        let key = RecordKey::parse(SELF_KEY).map_err(|_| HoldsError::None)?;
        let profile = self.repos.record(account, nsid::SAILOR_PROFILE, &key).await?;
        let named = profile.value.as_ref().and_then(|profile| profile.get("defaultHold"));
        let hold = match named {
            // Who writes a null wants no default.
            Some(Value::Null) => None,
            Some(Value::String(did)) => {
                Some(Did::parse(did).and_then(|did| ServiceUrl::of_did(&did)).map_err(|_| HoldsError::NotAHold)?)
            }
            _ => self.default_hold(),
        };
        self.profiles.insert(account.did.clone(), (hold.clone(), Instant::now()));
        hold.ok_or(HoldsError::None)
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
                Ok(location) => return Ok(Some(location.url)),
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
        self.remote.query(&method_url(hold, nsid::SYNC_GET_BLOB), &parameters, token).await
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
        self.call::<NotifyManifestOutput>(hold, login, nsid::NOTIFY_MANIFEST, notice).await.map(drop)
    }

    /// Calls a method that writes, as `login`.
    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        hold: &ServiceUrl,
        login: &Login,
        method: Method,
        input: &impl serde::Serialize,
    ) -> Result<T, HoldsError> {
        let token = self.sessions.service_token(login, hold.did()).await?;
        let answer = self.remote.procedure(&method_url(hold, method), input, Some(&*token)).await;
        answer.map_err(|error| HoldsError::of(hold, error))
    }
}

fn method_url(hold: &ServiceUrl, method: Method) -> String {
    format!("{hold}/xrpc/{method}")
}

/// The hold that a redirect leads to.
fn successor(url: &str) -> Option<ServiceUrl> {
    let (origin, _) = url.split_once("/xrpc/")?;
    ServiceUrl::parse(origin).ok()
}
