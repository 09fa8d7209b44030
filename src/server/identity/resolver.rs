//! Resolves a DID to its account: the look-up behind every service token.
//!
//! Documents are cached for an hour, and for a day while their source is down; failures for a minute. Members'
//! documents can be stored over a restart as well ([`Resolver::keeping`]), for no longer than that day. Concurrent
//! look-ups of one DID by one caller are one; a caller that goes away leaves the look-up to the others.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::account::Account;
use super::asker::{Asker, ByPool, Pool};
use super::fetch::Fetcher;
use super::health::SourceHealth;
use super::kept::KeptDocuments;
use super::location::{Location, Locator, PdsUrl};
use super::pool::{Answer, Freshness, LookUpPool, Lookup};
use super::session::Sessions;
use super::{ResolveError, SetupError};
use crate::bulkhead::BulkheadCounts;
use crate::egress::{Dns, Txt, system_txt, wait_for};
use crate::metrics::CounterBy;
use atproto::syntax::{Did, HoldId};

crate::label! {
    /// The result of a look-up.
    pub enum LookUpResult {
        /// From the cache, also a cached failure.
        Known = "known",
        /// By reading the document.
        Found = "found",
        /// [`ResolveError::NotFound`]
        NotFound = "not_found",
        /// [`ResolveError::Invalid`] or [`ResolveError::Refused`]
        Invalid = "invalid",
        /// [`ResolveError::Unsupported`]
        Unsupported = "unsupported",
        /// [`ResolveError::Unreachable`]
        Unreachable = "unreachable",
        /// [`ResolveError::Busy`]
        Busy = "busy",
    }
}

/// Number of names in a row without an answer after which the name servers are said to be away, not the names': strangers
/// choose the names.
const SILENT_NAMES: u32 = 7;

/// The operator's settings of the resolver.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// `https://plc.directory`, or another directory with the same API. The SSRF guard does not apply to it.
    pub plc_directory: String,
    /// Whether http is allowed for the directory, and did:webs of `localhost` are resolved (over http).
    pub test_mode: bool,
}

/// Resolves did:plc and did:web. Clones share connections, caches and counters.
#[derive(Clone)]
pub struct Resolver {
    pub(super) locator: Arc<Locator>,
    pub(super) fetcher: Fetcher,
    pub(super) txt: Txt,
    pools: ByPool<Arc<LookUpPool>>,
    directory: Arc<SourceHealth>,
    pub(super) name_servers: Arc<SourceHealth>,
    /// Weak: look-ups outlive their callers, and the store is closed with its owner.
    kept: Option<Weak<dyn KeptDocuments>>,
    look_ups: Arc<CounterBy<LookUpResult>>,
}

impl Resolver {
    /// Creates a resolver that asks the system's resolver for host names, and its name servers for handles.
    ///
    /// # Errors
    /// [`SetupError`] when the settings or the system's root certificates cannot be used.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        Self::build(settings, None, system_txt())
    }

    /// Creates a resolver that looks host names up with `dns`, and handles with `txt`.
    ///
    /// # Errors
    /// As [`Resolver::new`].
    pub fn with_dns(settings: &ResolverSettings, dns: Dns, txt: Txt) -> Result<Self, SetupError> {
        Self::build(settings, Some(dns), txt)
    }

    fn build(settings: &ResolverSettings, dns: Option<Dns>, txt: Txt) -> Result<Self, SetupError> {
        let locator = Locator::new(&settings.plc_directory, settings.test_mode)?;
        let fetcher = Fetcher::new(dns, settings.test_mode)?;
        let members = LookUpPool::new();
        let pools = ByPool { claimants: members.beside(), strangers: LookUpPool::new(), members };
        Ok(Self {
            locator: Arc::new(locator),
            fetcher,
            txt,
            pools,
            directory: Arc::new(SourceHealth::tolerating(0)),
            name_servers: Arc::new(SourceHealth::tolerating(SILENT_NAMES)),
            kept: None,
            look_ups: Arc::default(),
        })
    }

    /// Returns the resolver with a persistent store: members' documents are written to `kept`, and read from there when
    /// none is cached and their source does not answer. It does so for as long as somebody owns `kept`.
    #[must_use]
    pub fn keeping(self, kept: &Arc<dyn KeptDocuments>) -> Self {
        Self { kept: Some(Arc::downgrade(kept)), ..self }
    }

    /// Returns the account of `did`, at most an hour old (a day, while its source is down).
    ///
    /// # Errors
    /// [`ResolveError`]; a failure is repeated for a minute without a new look-up.
    pub async fn resolve(&self, did: &Did, asker: impl Into<Asker>) -> Result<Arc<Account>, ResolveError> {
        self.answer(did, &asker.into(), Freshness::Cached).await
    }

    /// Returns the account of `did`, read again now unless that was done in the last minute. For a caller that has
    /// reason to believe that the key, the handle or the PDS has changed.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub async fn refresh(&self, did: &Did, asker: impl Into<Asker>) -> Result<Arc<Account>, ResolveError> {
        self.answer(did, &asker.into(), Freshness::Newer).await
    }

    /// Does [`Resolver::refresh`], for a caller to whom an older document is no answer.
    ///
    /// # Errors
    /// As [`Resolver::resolve`]; [`ResolveError::Unreachable`] also where an older document is cached.
    pub async fn reread(&self, did: &Did, asker: impl Into<Asker>) -> Result<Arc<Account>, ResolveError> {
        let asker = asker.into();
        let account = self.answer(did, &asker, Freshness::Newer).await?;
        if self.pools.of(asker.pool).is_away(did) { Err(ResolveError::Unreachable) } else { Ok(account) }
    }

    /// Returns the account if a [`Resolver::refresh`] finds that its PDS is another one than in `account`. For a caller
    /// that this PDS does not serve.
    pub async fn moved(&self, account: &Account, asker: impl Into<Asker>) -> Option<Arc<Account>> {
        self.refresh(&account.did, asker).await.ok().filter(|now| now.pds != account.pds)
    }

    /// Checks the form of a DID, without a look-up: whether its document could be found.
    ///
    /// # Errors
    /// [`ResolveError::Unsupported`], or another error of its form.
    pub fn check_form(&self, did: &Did) -> Result<(), ResolveError> {
        self.locator.locate(did).map(drop)
    }

    /// Returns the URL of the method `nsid` at `account`'s PDS.
    ///
    /// # Errors
    /// [`ResolveError::Invalid`] when the document names no PDS with a permitted address.
    pub fn pds_method(&self, account: &Account, nsid: &str) -> Result<PdsUrl, ResolveError> {
        self.locator.pds_method(account.pds.as_deref().unwrap_or_default(), nsid)
    }

    /// Returns the URL of the method `nsid` at a hold, which is the PDS of its own repository.
    ///
    /// # Errors
    /// As [`Resolver::resolve`] and [`Resolver::pds_method`], of a hold by did:plc.
    pub async fn hold_method(
        &self,
        hold: &HoldId,
        nsid: &str,
        asker: impl Into<Asker>,
    ) -> Result<String, ResolveError> {
        match hold {
            HoldId::Web(url) => Ok(format!("{url}/xrpc/{nsid}")),
            HoldId::Plc(did) => {
                let account = self.resolve(did, asker).await?;
                Ok(self.pds_method(&account, nsid)?.to_string())
            }
        }
    }

    /// Returns a client that asks PDSes about sessions, with the guard and limits of this resolver, and a cache of its
    /// own.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.fetcher.clone())
    }

    /// Copies the cached document of an account that has become a member to the members' cache. Does nothing when that
    /// was done.
    pub fn adopt(&self, did: &Did) {
        if let Some((account, age)) = self.pools.members.adopt(did, &self.pools.strangers)
            && let Some(kept) = self.kept(Pool::Members)
        {
            kept.keep(did, account.to_document(), age);
        }
    }

    /// Returns the number of look-ups by result.
    #[must_use]
    pub fn look_ups(&self) -> &CounterBy<LookUpResult> {
        &self.look_ups
    }

    /// Returns the account of `did` if its document was read in the last hour, without a look-up.
    #[must_use]
    pub fn cached(&self, did: &Did) -> Option<Arc<Account>> {
        self.pools.members.cached(did).or_else(|| self.pools.strangers.cached(did))
    }

    /// Returns the metrics of the pools' bulkheads, each with its name in metrics.
    #[must_use]
    pub fn bulkheads(&self) -> [(&'static str, &BulkheadCounts); 3] {
        let ByPool { members, claimants, strangers } = &self.pools;
        let names = ["member_look_ups", "claimant_look_ups", "stranger_look_ups"];
        let [first, second, third] = [members, claimants, strangers].map(|pool| pool.counts());
        [(names[0], first), (names[1], second), (names[2], third)]
    }

    async fn answer(&self, did: &Did, asker: &Asker, freshness: Freshness) -> Answer {
        let mut was_cached = false;
        let answer = self.find(did, asker, freshness, &mut was_cached).await;
        self.look_ups.inc(match &answer {
            _ if was_cached => LookUpResult::Known,
            Ok(_) => LookUpResult::Found,
            Err(ResolveError::NotFound) => LookUpResult::NotFound,
            Err(ResolveError::Invalid(_) | ResolveError::Refused(_)) => LookUpResult::Invalid,
            Err(ResolveError::Unsupported(_)) => LookUpResult::Unsupported,
            Err(ResolveError::Unreachable) => LookUpResult::Unreachable,
            Err(ResolveError::Busy(_)) => LookUpResult::Busy,
        });
        answer
    }

    async fn find(&self, did: &Did, asker: &Asker, freshness: Freshness, was_cached: &mut bool) -> Answer {
        let location = self.locator.locate(did)?;
        let pool = asker.pool;
        let (waiter, leader) = match self.pools.of(pool).join(did, &asker.caller, freshness) {
            Lookup::Cached(answer) => {
                *was_cached = true;
                return answer;
            }
            Lookup::Wait(waiter, leader) => (waiter, leader),
        };
        if let Some(leader) = leader {
            let (resolver, did) = (self.clone(), did.clone());
            // A task of its own: the look-up goes on when the caller that began it goes away.
            tokio::spawn(async move {
                let was_away = resolver.pools.of(pool).is_away(&did);
                let look_up = resolver.read(&did, pool, location, was_away);
                let stale = leader.run(look_up, resolver.recall(&did, pool)).await;
                if let Some(age) = stale.filter(|_| pool.is_of_member() && !was_away) {
                    let (age_s, minutes) = (age.as_secs(), age.as_secs() / 60);
                    tracing::info!(%did, age_s, "the DID document of {did} that was read {minutes} min ago is used meanwhile");
                }
            });
        }
        wait_for(waiter.answer()).await.ok().flatten().unwrap_or(Err(ResolveError::Unreachable))
    }

    /// Reads the document, and logs a failure: as a warning for members, since they are known and few, unless it `was_away`
    /// the last time too.
    async fn read(&self, did: &Did, pool: Pool, location: Location, was_away: bool) -> Answer {
        let is_directory = matches!(location, Location::Directory(_));
        let fetched = self.fetcher.get(location, pool).await;
        let failure = fetched.as_ref().err().filter(|error| error.is_transient());
        if is_directory {
            self.directory.observe("the PLC directory", failure);
        }
        match failure {
            Some(cause) if pool.is_of_member() && !was_away => {
                tracing::warn!(%did, "the DID document of {did}, a member, cannot be read: {cause}");
            }
            Some(cause) => tracing::debug!(%did, "the DID document of {did} cannot be read: {cause}"),
            None if pool.is_of_member() && was_away => {
                tracing::info!(%did, "the DID document of {did}, a member, can be read again");
            }
            None => {}
        }
        let answer =
            fetched.map_err(ResolveError::from).and_then(|body| Account::from_document(did, &body)).map(Arc::new);
        if let Some(kept) = self.kept(pool) {
            match &answer {
                Ok(account) => kept.keep(did, account.to_document(), Duration::ZERO),
                Err(error) if error.is_transient() => {}
                Err(_) => kept.forget(did),
            }
        }
        answer
    }

    /// Returns the stored document of a member, parsed, and its age.
    async fn recall(&self, did: &Did, pool: Pool) -> Option<(Arc<Account>, Duration)> {
        let recalled = self.kept(pool)?.recall(did);
        let (document, age) = recalled.await?;
        Some((Arc::new(Account::from_document(did, document.as_bytes()).ok()?), age))
    }

    fn kept(&self, pool: Pool) -> Option<Arc<dyn KeptDocuments>> {
        self.kept.as_ref().filter(|_| pool.is_of_member())?.upgrade()
    }
}
