//! Bans and restrictions: accounts that may not join, and accounts that may not regain a permission that was taken
//! away.
//!
//! An account may delete its own data with its membership, and request to join again. The captain's decision stays. It
//! is in a table, not in a record: it is private, and no lexicon has it. A backup contains it; a hand-over to a
//! successor does not.

use super::{Crew, CrewError, captain, declared, declared_members, member_key, tables};
use crate::pds::{Plan, RecordWrite, Records, Repository};
use atproto::lexicon::{Permission, PermissionSet, nsid};
use atproto::syntax::{Datetime, Did};

/// A ban or a restriction of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The account.
    pub did: Did,
    /// The permissions that a request to join may still grant; empty for a ban.
    pub permissions: Vec<Permission>,
    /// Time when it began.
    pub since: Datetime,
}

impl Crew {
    /// Bans an account: it is removed from the crew, and cannot join. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`CrewError::Protected`] for the captain, [`CrewError::Declared`], or a storage error.
    pub async fn ban(&self, did: &Did, now_us: u64) -> Result<(), CrewError> {
        let did = did.clone();
        let job = move |repository: &Repository<'_>| {
            let records = repository.records();
            if captain(&records)?.owner == did {
                return Err(CrewError::Protected("the captain cannot be banned"));
            }
            if declared_members(&records)?.contains(&did) {
                return Err(CrewError::Declared);
            }
            tables::put_ban(repository.transaction(), &did, "", now_us)?;
            let rkey = member_key(&did);
            if records.get(&nsid::CREW, rkey.as_str())?.is_some() {
                repository.commit(Plan::of(vec![declared::change(nsid::CREW, rkey, RecordWrite::Delete)]))?;
            }
            Ok(())
        };
        self.pds.transact(now_us, job).await
    }

    /// Lifts a ban or a restriction. Returns whether there was one. The account may ask to join again.
    ///
    /// # Errors
    /// A storage error.
    pub async fn unban(&self, did: &Did, now_us: u64) -> Result<bool, CrewError> {
        let did = did.clone();
        let job = move |repository: &Repository<'_>| Ok(tables::delete_ban(repository.transaction(), &did)?);
        self.pds.transact(now_us, job).await
    }

    /// Whether the account is banned.
    ///
    /// # Errors
    /// A storage error.
    pub fn is_banned(records: &Records<'_>, account: &Did) -> Result<bool, CrewError> {
        Ok(tables::ban(records.snapshot(), account)?.as_deref() == Some(""))
    }

    /// Returns all bans and restrictions.
    ///
    /// # Errors
    /// A storage error.
    pub async fn bans(&self) -> Result<Vec<Ban>, CrewError> {
        let rows = self.pds.read(|records| Ok::<_, CrewError>(tables::bans(records.snapshot())?)).await?;
        let ban = |(did, permissions, since_us): tables::BanRow| {
            Some(Ban {
                did: Did::parse(&did).ok()?,
                permissions: permissions.split(',').filter_map(Permission::parse).collect(),
                since: Datetime::from_micros(since_us),
            })
        };
        Ok(rows.into_iter().filter_map(ban).collect())
    }
}

/// Returns those of the `granted` permissions that no restriction of `account` excludes.
pub(super) fn bounded(records: &Records<'_>, account: &Did, granted: Vec<String>) -> Result<Vec<String>, CrewError> {
    let Some(left) = tables::ban(records.snapshot(), account)? else { return Ok(granted) };
    let granted: Vec<_> = granted.into_iter().filter(|name| left.split(',').any(|left| left == name)).collect();
    if granted.is_empty() { Err(CrewError::Refused) } else { Ok(granted) }
}

/// Records the restrictions of a member who deletes its own membership, so that a new request does not lift them.
///
/// # Errors
/// A storage error.
pub fn remember_limits(
    repository: &Repository<'_>,
    account: &Did,
    permissions: &PermissionSet,
    now_us: u64,
) -> Result<(), CrewError> {
    let of_request = [Permission::BlobRead, Permission::BlobWrite];
    let left: Vec<_> = of_request.into_iter().filter(|permission| permissions.allows(*permission)).collect();
    if left.len() < of_request.len() {
        let left: Vec<_> = left.into_iter().map(Permission::as_str).collect();
        tables::put_ban(repository.transaction(), account, &left.join(","), now_us)?;
    }
    Ok(())
}
