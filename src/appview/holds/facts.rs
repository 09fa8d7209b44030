//! Public records of a hold: the captain's, crew members, and pull and push counts of images.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{CALL_TIME, Holds, HoldsError, within};
use crate::remote::{Credential, RemoteError};
use atproto::lexicon::error as name;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Captain, Crew, Permission, PermissionSet, RecordPage, RecordView, SELF_KEY, Stats};
use atproto::syntax::{Did, HoldId, ImageName, ServiceUrl};
use server::identity::Pool;

/// Maximum number of pages of 100 crew members that are read.
const MAX_PAGES: usize = 10;

/// The answer of a server to `com.atproto.server.describeServer`.
#[derive(Deserialize)]
struct Described {
    did: Did,
}

impl Holds {
    /// Returns the hold at a URL: one by did:plc if the server there says so and the DID's document names this URL, else the
    /// one by the did:web of its host.
    ///
    /// # Errors
    /// [`HoldsError::OtherHost`], [`HoldsError::Unresolved`]
    pub async fn at(&self, url: &ServiceUrl) -> Result<HoldId, HoldsError> {
        let method = format!("{url}/xrpc/{}", nsid::DESCRIBE_SERVER);
        let asked = self.remote.query::<Described>(&method, &[], Credential::None);
        // Whether the server is there shows at the next call.
        let Ok(Described { did }) = within(CALL_TIME, asked).await else { return Ok(HoldId::Web(url.clone())) };
        if !did.is_plc() {
            return Ok(HoldId::Web(url.clone()));
        }
        let found = self.resolver.refresh(&did, Pool::Strangers).await;
        let account = found.map_err(|error| HoldsError::Unresolved { hold: did.clone(), error })?;
        let named = account.pds.as_deref().and_then(|named| ServiceUrl::parse(named).ok());
        if named.as_ref() == Some(url) {
            Ok(HoldId::Plc(did))
        } else {
            Err(HoldsError::OtherHost { host: url.authority().to_owned(), did })
        }
    }

    /// Returns the captain record of a hold: its owner, and what it allows.
    ///
    /// # Errors
    /// [`HoldsError`]; the same below.
    pub async fn captain(&self, hold: &HoldId) -> Result<Captain, HoldsError> {
        self.record(hold, nsid::CAPTAIN, SELF_KEY).await?.ok_or(HoldsError::NotAHold)
    }

    /// Returns the pull and push counts of an image; `None` if the hold has none.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn stats(&self, hold: &HoldId, owner: &Did, name: &ImageName) -> Result<Option<Stats>, HoldsError> {
        let stats: Option<Stats> = self.record(hold, nsid::STATS, &Stats::key_of(owner, name)).await?;
        Ok(stats.filter(|stats| stats.owner_did == *owner && stats.repository == *name))
    }

    /// Returns the counts of all images that the hold has, from at most `max_pages` pages of 100.
    ///
    /// # Errors
    /// [`HoldsError`] when even the first page cannot be read.
    pub async fn all_stats(&self, hold: &HoldId, max_pages: usize) -> Result<Vec<Stats>, HoldsError> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for number in 0..max_pages {
            let page = match self.page(hold, nsid::STATS, cursor.as_deref()).await {
                Err(_) if number > 0 => break,
                page => page?,
            };
            all.extend(page.records.into_iter().filter_map(|view| serde_json::from_value::<Stats>(view.value).ok()));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// Reads a page of a hold's records.
    async fn page(
        &self,
        hold: &HoldId,
        collection: Collection,
        cursor: Option<&str>,
    ) -> Result<RecordPage, HoldsError> {
        let url = self.method_url(hold, nsid::LIST_RECORDS).await?;
        let mut parameters = vec![("repo", hold.did().as_str()), ("collection", &*collection), ("limit", "100")];
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let asked = self.remote.query::<RecordPage>(&url, &parameters, Credential::None);
        match within(CALL_TIME, asked).await {
            Ok(page) => Ok(page),
            Err(error) => Err(self.failed(hold, error).await),
        }
    }

    /// Whether an account is a crew member with permission to write. Of a very large crew only a part is read.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn may_write(&self, hold: &HoldId, account: &Did) -> Result<bool, HoldsError> {
        let mut found = None;
        self.each_member(hold, |member| {
            if member.member != *account {
                return ControlFlow::Continue(());
            }
            found = Some(may_write(&member));
            ControlFlow::Break(())
        })
        .await?;
        Ok(found.unwrap_or(false))
    }

    /// Returns the crew members with permission to write. Of a very large crew only a part is read.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn writers(&self, hold: &HoldId) -> Result<Vec<Did>, HoldsError> {
        let mut writers = Vec::new();
        self.each_member(hold, |member| {
            writers.extend(may_write(&member).then_some(member.member));
            ControlFlow::Continue(())
        })
        .await?;
        Ok(writers)
    }

    /// Calls `visit` with each crew member until it breaks, or the maximum number of pages was read.
    async fn each_member(
        &self,
        hold: &HoldId,
        mut visit: impl FnMut(Crew) -> ControlFlow<()>,
    ) -> Result<(), HoldsError> {
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = self.page(hold, nsid::CREW, cursor.as_deref()).await?;
            let mut members =
                page.records.into_iter().filter_map(|view| serde_json::from_value::<Crew>(view.value).ok());
            if members.try_for_each(&mut visit).is_break() {
                break;
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn record<T: DeserializeOwned>(
        &self,
        hold: &HoldId,
        collection: Collection,
        key: &str,
    ) -> Result<Option<T>, HoldsError> {
        let url = self.method_url(hold, nsid::GET_RECORD).await?;
        let parameters = [("repo", hold.did().as_str()), ("collection", &collection), ("rkey", key)];
        let asked = self.remote.query::<RecordView>(&url, &parameters, Credential::None);
        match within(CALL_TIME, asked).await {
            Ok(view) => {
                let value = serde_json::from_value(view.value);
                value.map(Some).map_err(|_| HoldsError::of(hold, RemoteError::Unintelligible))
            }
            Err(error) if error.is_named(name::RECORD_NOT_FOUND) => Ok(None),
            Err(error) => Err(self.failed(hold, error).await),
        }
    }
}

fn may_write(member: &Crew) -> bool {
    PermissionSet::from_record(member.permissions.iter().map(String::as_str)).allows(Permission::BlobWrite)
}
