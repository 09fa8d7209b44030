//! Quotas: the usage of an account, and its limit.

use super::{Images, ImagesError, Tiers};
use crate::blobs::{self, QuotaLimits};
use crate::crew::{CrewError, MemberChange, Membership};
use crate::pds::{PdsError, Records};
use atproto::lexicon;
use atproto::syntax::Did;
use server::sqlite::Read;
use server::storage::StorageError;

impl Images {
    /// Returns the usage of `account`, and its limit.
    ///
    /// # Errors
    /// A storage error.
    pub async fn quota(&self, account: &Did) -> Result<lexicon::Quota, ImagesError> {
        let (account, settings) = (account.clone(), self.settings());
        let job = move |records: &Records<'_>| {
            let membership = Membership::read(records, &account)?;
            let usage = blobs::account_usage(records.snapshot(), &account)?;
            let tier = settings.tiers.of(&membership);
            Ok(lexicon::Quota {
                user_did: account,
                unique_blobs: usage.layers,
                total_size: usage.total_bytes(),
                limit: tier.map(|tier| tier.limit.bytes),
                tier: tier.map(|tier| tier.name.clone()),
            })
        };
        self.inner.pds.read(job).await
    }

    /// Returns the tiers of the configuration.
    #[must_use]
    pub fn tiers(&self) -> Tiers {
        self.settings().tiers.clone()
    }

    /// Whether this account is a registry front end that may put members into tiers.
    #[must_use]
    pub fn is_appview(&self, account: &Did) -> bool {
        self.settings().appviews.contains(account)
    }

    /// Assigns the tier of this rank to a member who joined at run time. Returns the tier's name. `now_us` is in
    /// microseconds since 1970.
    ///
    /// # Errors
    /// [`ImagesError::NoTiers`]; [`PdsError::RecordNotFound`] when it is no member; [`CrewError::Declared`].
    pub async fn set_tier(&self, member: &Did, rank: u64, now_us: u64) -> Result<String, ImagesError> {
        let settings = self.settings();
        let name = settings.tiers.ranked(rank).ok_or(ImagesError::NoTiers)?.name.clone();
        let change = MemberChange { role: None, permissions: None, tier: Some(name.clone()) };
        self.inner.crew.set_member(member, change, now_us).await?;
        Ok(name)
    }
}

impl QuotaLimits for Images {
    fn is_any(&self) -> bool {
        !self.settings().tiers.all.is_empty()
    }

    fn limit_bytes(&self, read: &Read<'_>, account: &Did) -> Result<Option<u64>, StorageError> {
        let settings = self.settings();
        if settings.tiers.all.is_empty() {
            return Ok(None);
        }
        let membership = Membership::read(&Records::new(read), account);
        let membership = membership.map_err(|error| StorageError::failed(error.to_string()))?;
        Ok(settings.tiers.of(&membership).map(|tier| tier.limit.bytes))
    }
}

impl ImagesError {
    /// Whether the error is that the account is no member.
    #[must_use]
    pub fn is_no_member(&self) -> bool {
        matches!(self, Self::Crew(CrewError::Pds(PdsError::RecordNotFound)))
    }
}
