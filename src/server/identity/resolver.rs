//! Resolves a DID to its account: the look-up behind every service token.
//!
//! Documents are kept for an hour, and for a day while their source is down; failures for a minute. Members' documents
//! can be kept over a restart as well ([`Resolver::keeping`]), for no longer than that day. One DID is looked up once at a time, whoever asks; a caller that goes away leaves the look-up to the others.

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
use crate::egress::Dns;
use crate::metrics::CounterBy;
use atproto::syntax::Did;

crate::label! {
    /// The result of a look-up.
    pub enum LookUpResult {
        /// From the cache, also when it is a failure that is remembered.
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

/// The operator's settings of the resolver.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// `https://plc.directory`, or another directory with the same interface. Its address is not guarded.
    pub plc_directory: String,
    /// Whether http is allowed for the directory, and did:webs of `localhost` are followed (over http).
    pub test_mode: bool,
}

/// Resolves did:plc and did:web. Clones share everything.
#[derive(Clone)]
pub struct Resolver {
    pub(super) locator: Arc<Locator>,
    pub(super) fetcher: Fetcher,
    pools: ByPool<Arc<LookUpPool>>,
    directory: Arc<SourceHealth>,
    /// Weak: look-ups outlive whoever asked, and the memory is closed with its owner.
    kept: Option<Weak<dyn KeptDocuments>>,
    look_ups: Arc<CounterBy<LookUpResult>>,
}

impl Resolver {
    /// Makes a resolver that looks host names up with the system's resolver.
    ///
    /// # Errors
    /// [`SetupError`] when the settings or the system's root certificates cannot be used.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        Self::build(settings, None)
    }

    /// Makes a resolver that looks host names up with `dns`.
    ///
    /// # Errors
    /// As [`Resolver::new`].
    pub fn with_dns(settings: &ResolverSettings, dns: Dns) -> Result<Self, SetupError> {
        Self::build(settings, Some(dns))
    }

    fn build(settings: &ResolverSettings, dns: Option<Dns>) -> Result<Self, SetupError> {
        let locator = Locator::new(&settings.plc_directory, settings.test_mode)?;
        let fetcher = Fetcher::new(dns, settings.test_mode)?;
        let members = LookUpPool::new();
        let pools = ByPool { claimants: members.beside(), strangers: LookUpPool::new(), members };
        Ok(Self {
            locator: Arc::new(locator),
            fetcher,
            pools,
            directory: Arc::default(),
            kept: None,
            look_ups: Arc::default(),
        })
    }

    /// The same resolver, which keeps members' documents in `kept` too, and takes them from there when it knows none and
    /// their source does not answer. It does so for as long as somebody owns `kept`.
    #[must_use]
    pub fn keeping(self, kept: &Arc<dyn KeptDocuments>) -> Self {
        Self { kept: Some(Arc::downgrade(kept)), ..self }
    }

    /// Returns the account of `did`, at most an hour old (a day, while its source is down).
    ///
    /// # Errors
    /// [`ResolveError`]; the same again for a minute without a new look-up.
    pub async fn resolve(&self, did: &Did, asker: impl Into<Asker>) -> Result<Arc<Account>, ResolveError> {
        self.answer(did, &asker.into(), Freshness::Cached).await
    }

    /// Returns the account of `did`, read again now unless that was done in the last minute.
    /// For a caller that has reason to believe that the key changed.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub async fn refresh(&self, did: &Did, asker: impl Into<Asker>) -> Result<Arc<Account>, ResolveError> {
        self.answer(did, &asker.into(), Freshness::Newer).await
    }

    /// Returns the account again if it has another PDS now than `account` says, as [`Resolver::refresh`] finds it. For a
    /// caller whom that PDS does not serve.
    pub async fn moved(&self, account: &Account, asker: impl Into<Asker>) -> Option<Arc<Account>> {
        self.refresh(&account.did, asker).await.ok().filter(|now| now.pds != account.pds)
    }

    /// Returns the URL of the method `nsid` at `account`'s PDS.
    ///
    /// # Errors
    /// [`ResolveError::Invalid`] when the document names no PDS that may be asked.
    pub fn pds_method(&self, account: &Account, nsid: &str) -> Result<PdsUrl, ResolveError> {
        self.locator.pds_method(account.pds.as_deref().unwrap_or_default(), nsid)
    }

    /// Returns a client that asks PDSes about sessions, with the guard and limits of this resolver, and a cache of its
    /// own.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.fetcher.clone())
    }

    /// Takes what is known of an account that has become a member for a member's from now on. Costs nothing when that was
    /// done.
    pub fn adopt(&self, did: &Did) {
        if let Some((account, age)) = self.pools.members.adopt(did, &self.pools.strangers)
            && let Some(kept) = self.kept(Pool::Members)
        {
            kept.keep(did, account.to_document(), age);
        }
    }

    /// Returns how often look-ups ended with each result.
    #[must_use]
    pub fn look_ups(&self) -> &CounterBy<LookUpResult> {
        &self.look_ups
    }

    /// Returns the account of `did` if its document was read in the last hour, without a look-up.
    #[must_use]
    pub fn cached(&self, did: &Did) -> Option<Arc<Account>> {
        self.pools.members.cached(did).or_else(|| self.pools.strangers.cached(did))
    }

    /// Who has a turn to look something up, who waits for one, and who got none; by the name of the pool in metrics.
    #[must_use]
    pub fn turns(&self) -> [(&'static str, &BulkheadCounts); 3] {
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
            // Its own task: the look-up goes on when the caller that began it goes away.
            tokio::spawn(async move {
                let look_up = resolver.read(&did, pool, location);
                let stale = leader.run(look_up, resolver.recall(&did, pool)).await;
                if let Some(age) = stale.filter(|_| pool.is_of_member()) {
                    let (age_s, minutes) = (age.as_secs(), age.as_secs() / 60);
                    tracing::info!(%did, age_s, "the DID document of {did} that was read {minutes} min ago is used meanwhile");
                }
            });
        }
        waiter.answer().await.unwrap_or(Err(ResolveError::Unreachable))
    }

    /// Reads the document, and logs what keeps it away: for members always, since they are known and few.
    async fn read(&self, did: &Did, pool: Pool, location: Location) -> Answer {
        let is_directory = matches!(location, Location::Directory(_));
        let fetched = self.fetcher.get(location, pool).await;
        let failure = fetched.as_ref().err().filter(|error| error.is_transient());
        if is_directory {
            self.directory.observe("the PLC directory", failure);
        }
        match failure {
            Some(cause) if pool.is_of_member() => {
                tracing::warn!(%did, "the DID document of {did}, a member, cannot be read: {cause}");
            }
            Some(cause) => tracing::debug!(%did, "the DID document of {did}, a stranger, cannot be read: {cause}"),
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

    /// What was kept of a member's document, and how old it is.
    async fn recall(&self, did: &Did, pool: Pool) -> Option<(Arc<Account>, Duration)> {
        let recalled = self.kept(pool)?.recall(did);
        let (document, age) = recalled.await?;
        Some((Arc::new(Account::from_document(did, document.as_bytes()).ok()?), age))
    }

    fn kept(&self, pool: Pool) -> Option<Arc<dyn KeptDocuments>> {
        self.kept.as_ref().filter(|_| pool.is_of_member())?.upgrade()
    }
}
