//! The choice of the hold for an account's new blobs: the one in its profile, else one in an older record of its own,
//! else the registry's default; in place of each its successor, if it has one.

use serde_json::{Map, Value, json};

use super::{CALL_TIME, Holds, HoldsError, MAX_SUCCESSORS, within};
use crate::accounts::Login;
use crate::remote::Credential;
use atproto::lexicon::nsid;
use atproto::lexicon::{RecordView, SELF_KEY, self_key};
use atproto::syntax::{Datetime, HoldId};
use server::identity::Account;

/// An account's choice of a hold for its new blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HoldChoice {
    /// The default of the registry.
    #[default]
    Default,
    /// No hold: pushes are refused.
    None,
    /// A hold of the account's choice.
    Hold(HoldId),
}

impl HoldChoice {
    /// Returns the hold, if the account chose one.
    #[must_use]
    pub fn hold(&self) -> Option<&HoldId> {
        match self {
            Self::Hold(hold) => Some(hold),
            Self::Default | Self::None => None,
        }
    }
}

/// The settings in an account's profile (`io.atcr.sailor.profile`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SailorProfile {
    /// Hold for new blobs.
    pub choice: HoldChoice,
    /// Whether a manifest is deleted when its last tag moves away.
    pub auto_remove: bool,
}

const DEFAULT_HOLD: &str = "defaultHold";
const AUTO_REMOVE: &str = "autoRemoveUntagged";

impl Holds {
    /// Reads an account's profile, without a cache.
    ///
    /// # Errors
    /// [`HoldsError::Repos`]; the same below.
    pub async fn chosen(&self, account: &Account) -> Result<SailorProfile, HoldsError> {
        let profile = self.profile(account).await?;
        let choice = match profile.get(DEFAULT_HOLD) {
            Some(Value::Null) => HoldChoice::None,
            Some(Value::String(named)) => hold_of(named).map_or(HoldChoice::Default, HoldChoice::Hold),
            _ => HoldChoice::Default,
        };
        Ok(SailorProfile { choice, auto_remove: profile.get(AUTO_REMOVE).and_then(Value::as_bool).unwrap_or(false) })
    }

    /// Writes the settings into an account's profile at `now_us`. Fields of other programs are kept.
    ///
    /// # Errors
    /// [`HoldsError::Repos`]
    pub async fn choose(
        &self,
        login: &Login,
        account: &Account,
        wanted: &SailorProfile,
        now_us: u64,
    ) -> Result<(), HoldsError> {
        let now = Datetime::from_micros(now_us);
        let edit = |record: &mut Map<String, Value>| {
            record.insert(AUTO_REMOVE.into(), json!(wanted.auto_remove));
            match &wanted.choice {
                HoldChoice::Default => drop(record.remove(DEFAULT_HOLD)),
                HoldChoice::None => drop(record.insert(DEFAULT_HOLD.into(), Value::Null)),
                HoldChoice::Hold(hold) => drop(record.insert(DEFAULT_HOLD.into(), json!(hold.did()))),
            }
        };
        let written = self.repos.rewrite(login, account, nsid::SAILOR_PROFILE, &self_key(), &now, edit).await;
        self.profiles.remove(&account.did);
        Ok(written?)
    }

    /// Returns the hold for an account's new blobs.
    ///
    /// # Errors
    /// [`HoldsError::None`] when there is none, [`HoldsError::NotAHold`] when the records name something that is no
    /// hold, [`HoldsError::Repos`] when the account's records cannot be read.
    pub async fn of_account(&self, account: &Account) -> Result<HoldId, HoldsError> {
        if let Some(hold) = self.profiles.get(&account.did) {
            return hold.ok_or(HoldsError::None);
        }
        let look_up = self.profiles.begin(&account.did);
        let hold = match self.named(account).await? {
            Some(hold) => Some(self.last_successor(hold).await?),
            None => None,
        };
        self.profiles.keep(account.did.clone(), hold.clone(), look_up);
        hold.ok_or(HoldsError::None)
    }

    /// Returns the hold that the account or the operator names.
    async fn named(&self, account: &Account) -> Result<Option<HoldId>, HoldsError> {
        match self.profile(account).await?.get(DEFAULT_HOLD) {
            // A null means that the account wants no default.
            Some(Value::Null) => Ok(None),
            Some(Value::String(named)) if !named.is_empty() => hold_of(named).map(Some).ok_or(HoldsError::NotAHold),
            _ => Ok(self.repos.legacy_hold(account).await?.or_else(|| self.default_hold())),
        }
    }

    /// Returns the record of the account's profile, or null when there is none.
    async fn profile(&self, account: &Account) -> Result<Value, HoldsError> {
        Ok(self.repos.record(account, nsid::SAILOR_PROFILE, &self_key()).await?.value.unwrap_or_default())
    }

    /// Returns the last successor of `hold` according to the captain records; `hold` itself if it has none.
    async fn last_successor(&self, hold: HoldId) -> Result<HoldId, HoldsError> {
        let mut hold = hold;
        for _ in 0..MAX_SUCCESSORS {
            // A hold that cannot be asked causes an error when it is written to.
            let Ok(url) = self.method_url(&hold, nsid::GET_RECORD).await else { break };
            let parameters = [("repo", hold.did().as_str()), ("collection", &*nsid::CAPTAIN), ("rkey", SELF_KEY)];
            let asked = self.remote.query::<RecordView>(&url, &parameters, Credential::None);
            let Ok(captain) = within(CALL_TIME, asked).await else { break };
            match captain.value.get("successor").and_then(Value::as_str) {
                Some(successor) => hold = hold_of(successor).ok_or(HoldsError::NotAHold)?,
                None => break,
            }
        }
        Ok(hold)
    }
}

/// Returns the hold that a record names by its DID or, in older records, by its URL.
#[must_use]
pub fn hold_of(text: &str) -> Option<HoldId> {
    HoldId::of_record(Some(text), Some(text.trim_end_matches('/')))
}
