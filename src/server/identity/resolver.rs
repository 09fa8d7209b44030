//! From a DID to its account: the look-up behind every service token.
//!
//! Documents are kept for an hour, and for a day while their source is down; failures for a minute. One DID
//! is looked up once at a time, whoever asks; a caller that goes away leaves the look-up to the others.

use std::sync::Arc;

use super::account::Account;
use super::fetch::Fetcher;
use super::lane::{Answer, Course, Lane, LaneState, Wish};
use super::location::{Locator, PdsUrl};
use super::session::Sessions;
use super::{Error, SetupError};
use crate::egress::Dns;
use crate::metrics::Tally;
use atproto::syntax::Did;

/// How questions for an account end: from memory (also when it is a failure that is remembered), or by looking it up.
pub type LookUps = Tally<7>;

const OUTCOMES: [&str; 7] = ["known", "found", "not_found", "invalid", "unsupported", "unreachable", "busy"];

/// The operator's choices.
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
    members: Arc<LaneState>,
    strangers: Arc<LaneState>,
    look_ups: Arc<LookUps>,
}

impl Resolver {
    /// A resolver that asks the system for host names.
    ///
    /// # Errors
    /// [`SetupError`] when the settings or the system's root certificates cannot be used.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        Self::build(settings, None)
    }

    /// A resolver that asks `dns` for host names.
    ///
    /// # Errors
    /// As [`Resolver::new`].
    pub fn with_dns(settings: &ResolverSettings, dns: Dns) -> Result<Self, SetupError> {
        Self::build(settings, Some(dns))
    }

    fn build(settings: &ResolverSettings, dns: Option<Dns>) -> Result<Self, SetupError> {
        let locator = Locator::new(&settings.plc_directory, settings.test_mode)?;
        let fetcher = Fetcher::new(dns, settings.test_mode)?;
        Ok(Self {
            locator: Arc::new(locator),
            fetcher,
            members: LaneState::new(),
            strangers: LaneState::new(),
            look_ups: Arc::new(Tally::new(OUTCOMES)),
        })
    }

    /// The account of `did`, at most an hour old (a day, while its source is down).
    ///
    /// # Errors
    /// [`Error`]; the same again for a minute without a new look-up.
    pub async fn resolve(&self, did: &Did, lane: Lane) -> Result<Arc<Account>, Error> {
        self.answer(did, lane, Wish::Current).await
    }

    /// The account of `did`, read again now unless that was done in the last minute.
    /// For a caller that has reason to believe that the key changed.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub async fn refresh(&self, did: &Did, lane: Lane) -> Result<Arc<Account>, Error> {
        self.answer(did, lane, Wish::Newer).await
    }

    /// Where `account`'s PDS answers the method `nsid`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the document names no PDS that may be asked.
    pub fn pds_method(&self, account: &Account, nsid: &str) -> Result<PdsUrl, Error> {
        self.locator.pds_method(account.pds.as_deref().unwrap_or_default(), nsid)
    }

    /// Asks PDSes about sessions, with this resolver's guard and limits. Nothing is shared with its look-ups but these.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.fetcher.clone())
    }

    /// How the questions for accounts ended.
    #[must_use]
    pub fn look_ups(&self) -> &LookUps {
        &self.look_ups
    }

    async fn answer(&self, did: &Did, lane: Lane, wish: Wish) -> Answer {
        let mut was_known = false;
        let answer = self.find(did, lane, wish, &mut was_known).await;
        self.look_ups.one(match &answer {
            _ if was_known => "known",
            Ok(_) => "found",
            Err(Error::NotFound) => "not_found",
            Err(Error::Invalid(_)) => "invalid",
            Err(Error::Unsupported(_)) => "unsupported",
            Err(Error::Unreachable) => "unreachable",
            Err(Error::Busy) => "busy",
        });
        answer
    }

    async fn find(&self, did: &Did, lane: Lane, wish: Wish, was_known: &mut bool) -> Answer {
        let location = self.locator.locate(did)?;
        let lane = match lane {
            Lane::Member => &self.members,
            Lane::Stranger => &self.strangers,
        };
        let (landing, flight) = match lane.course(did, wish) {
            Course::Known(answer) => {
                *was_known = true;
                return answer;
            }
            Course::Wait(landing, flight) => (landing, flight),
        };
        if let Some(flight) = flight {
            let fetcher = self.fetcher.clone();
            let did = did.clone();
            let look_up = async move { Account::from_document(&did, &fetcher.get(location).await?).map(Arc::new) };
            // Its own task: the look-up goes on when the caller that began it goes away.
            tokio::spawn(flight.fly(look_up));
        }
        landing.answer().await.unwrap_or(Err(Error::Unreachable))
    }
}
