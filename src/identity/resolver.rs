//! From a DID to its account: the look-up behind every service token.
//!
//! Documents are kept for an hour, and for a day while their source is down; failures for a minute. One DID
//! is looked up once at a time, whoever asks; a caller that goes away leaves the look-up to the others.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::fetch::{Dns, Fetcher, system_dns};
use super::lane::{Answer, Course, Lane, LaneState, Wish};
use super::location::Locator;
use super::{Error, SetupError};
use crate::syntax::Did;

/// How long a look-up waits for its turn. With the look-up's own 5 s a caller waits 10 s at most.
const PATIENCE: Duration = Duration::from_secs(5);

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
}

impl Resolver {
    /// A resolver that asks the system for host names.
    ///
    /// # Errors
    /// [`SetupError`] when the settings or the system's root certificates cannot be used.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        Self::with_dns(settings, system_dns())
    }

    /// A resolver that asks `dns` for host names.
    ///
    /// # Errors
    /// As [`Resolver::new`].
    pub fn with_dns(settings: &ResolverSettings, dns: Dns) -> Result<Self, SetupError> {
        let locator = Locator::new(&settings.plc_directory, settings.test_mode)?;
        let fetcher = Fetcher::new(dns, settings.test_mode)?;
        Ok(Self { locator: Arc::new(locator), fetcher, members: LaneState::new(), strangers: LaneState::new() })
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

    async fn answer(&self, did: &Did, lane: Lane, wish: Wish) -> Answer {
        let location = self.locator.locate(did)?;
        let lane = match lane {
            Lane::Member => &self.members,
            Lane::Stranger => &self.strangers,
        };
        let (mut landing, flight) = match lane.course(did, wish) {
            Course::Known(answer) => return answer,
            Course::Wait(landing, flight) => (landing, flight),
        };
        if let Some(flight) = flight {
            let fetcher = self.fetcher.clone();
            let did = did.clone();
            let look_up = async move { Account::from_document(&did, &fetcher.get(location).await?).map(Arc::new) };
            // Its own task: the look-up goes on when the caller that began it goes away.
            tokio::spawn(flight.fly(PATIENCE, look_up));
        }
        // The sender is gone without an answer only when the runtime ends.
        landing
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|answer| answer.clone())
            .unwrap_or(Err(Error::Unreachable))
    }
}
