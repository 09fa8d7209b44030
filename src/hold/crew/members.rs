//! Lists the members, and changes single ones. Members that the configuration declares are not changed.

use std::collections::BTreeSet;

use super::declared::declared_members;
use super::manage::check_member_change;
use super::{Crew, CrewError, captain, crew_records, declared, decode, encode, member_key, tables};
use crate::pds::{PdsError, Plan, RecordWrite, Records, Repository};
use atproto::lexicon::{self, Permission, PermissionSet, nsid};
use atproto::syntax::{Datetime, Did};

/// A member, and whether the configuration declared it at the last start or reload.
#[derive(Clone, Debug, PartialEq)]
pub struct CrewMember {
    /// The crew record.
    pub record: lexicon::Crew,
    /// Whether the configuration declares it, as it does the owner; otherwise it joined at run time.
    pub declared: bool,
}

/// The role, permissions and tier of a new member.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The role, for display.
    pub role: String,
    /// Its permissions.
    pub permissions: Vec<Permission>,
    /// The quota tier.
    pub tier: Option<String>,
}

/// A change of a member. Fields that are `None` keep their values.
#[derive(Clone, Debug)]
pub struct MemberChange {
    /// The role, for display.
    pub role: Option<String>,
    /// The new permissions, in place of all others.
    pub permissions: Option<Vec<Permission>>,
    /// The quota tier; the empty string removes it.
    pub tier: Option<String>,
}

impl Crew {
    /// Returns all members in one snapshot, the oldest first.
    ///
    /// # Errors
    /// [`CrewError::NoCaptain`] before the first start, or a storage error.
    pub async fn members(&self) -> Result<Vec<CrewMember>, CrewError> {
        let job = |records: &Records<'_>| {
            captain(records)?;
            let declared = declared_members(records)?;
            let mut members: Vec<_> =
                crew_records(records)?.members.into_values().map(|record| with_source(record, &declared)).collect();
            let age = |member: &CrewMember| (member.record.added_at.clone(), member.record.member.clone());
            members.sort_by_key(age);
            Ok(members)
        };
        self.pds.read(job).await
    }

    /// Returns the owner, and all members who may write.
    ///
    /// # Errors
    /// As [`Crew::members`].
    pub fn writers(records: &Records<'_>) -> Result<BTreeSet<Did>, CrewError> {
        let may_write = |member: &lexicon::Crew| {
            PermissionSet::from_record(member.permissions.iter().map(String::as_str)).allows(Permission::BlobWrite)
        };
        let members = crew_records(records)?.members.into_values().filter(may_write).map(|member| member.member);
        Ok(members.chain([captain(records)?.owner]).collect())
    }

    /// Adds `did` to the crew, and lifts its ban or restriction. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`PdsError::RecordExists`]; [`CrewError::Invalid`] or [`CrewError::Protected`].
    pub async fn add_member(&self, did: &Did, terms: Terms, now_us: u64) -> Result<CrewMember, CrewError> {
        let record = lexicon::Crew {
            member: did.clone(),
            role: terms.role,
            permissions: names(&terms.permissions),
            added_at: Datetime::from_micros(now_us),
            tier: terms.tier.filter(|tier| !tier.is_empty()),
            other: serde_json::Map::new(),
        };
        let banned = did.clone();
        let decide = move |repository: &Repository<'_>, _: Option<lexicon::Crew>| {
            // An account that the captain adds is no longer banned or restricted: in the same transaction, so that a refused
            // addition lifts nothing.
            tables::delete_ban(repository.transaction(), &banned)?;
            Ok((RecordWrite::Create(encode(nsid::CREW, &record)?), record))
        };
        self.change_member(did, now_us, decide).await
    }

    /// Changes a member who joined at run time; other fields of the record stay. A change that changes nothing makes no
    /// commit.
    ///
    /// # Errors
    /// [`PdsError::RecordNotFound`], [`CrewError::Declared`]; as [`Crew::add_member`].
    pub async fn set_member(&self, did: &Did, change: MemberChange, now_us: u64) -> Result<CrewMember, CrewError> {
        let decide = move |_: &Repository<'_>, old: Option<lexicon::Crew>| {
            let mut record = old.ok_or(CrewError::Pds(PdsError::RecordNotFound))?;
            record.role = change.role.unwrap_or(record.role);
            record.permissions = change.permissions.as_deref().map_or(record.permissions, names);
            record.tier = change.tier.or(record.tier).filter(|tier| !tier.is_empty());
            Ok((RecordWrite::Update(encode(nsid::CREW, &record)?), record))
        };
        self.change_member(did, now_us, decide).await
    }

    /// Removes a member who joined at run time. Returns the removed member.
    ///
    /// # Errors
    /// As [`Crew::set_member`].
    pub async fn remove_member(&self, did: &Did, now_us: u64) -> Result<CrewMember, CrewError> {
        let decide = |_: &Repository<'_>, old: Option<lexicon::Crew>| {
            let record = old.ok_or(CrewError::Pds(PdsError::RecordNotFound))?;
            Ok((RecordWrite::Delete, record))
        };
        self.change_member(did, now_us, decide).await
    }

    /// Makes the write of `did`'s record that `decide` returns for its current record, in one commit.
    async fn change_member<F>(&self, did: &Did, now_us: u64, decide: F) -> Result<CrewMember, CrewError>
    where
        F: FnOnce(&Repository<'_>, Option<lexicon::Crew>) -> Result<(RecordWrite, lexicon::Crew), CrewError>
            + Send
            + 'static,
    {
        let (did, mutable) = (did.clone(), self.is_mutable());
        let job = move |repository: &Repository<'_>| {
            let records = &repository.records();
            let captain = captain(records)?;
            let rkey = member_key(&did);
            let old = records.get(&nsid::CREW, rkey.as_str())?.map(decode).transpose()?;
            let is_member = old.is_some();
            check_member_change(&captain, &rkey, mutable)?;
            if is_member && declared_members(records)?.contains(&did) {
                return Err(CrewError::Declared);
            }
            let (write, record) = decide(repository, old)?;
            check_record(&record)?;
            repository.commit(Plan::of(vec![declared::change(nsid::CREW, rkey, write)]))?;
            Ok(CrewMember { record, declared: false })
        };
        self.pds.transact(now_us, job).await
    }
}

fn check_record(record: &lexicon::Crew) -> Result<(), CrewError> {
    if record.role == lexicon::ROLE_OWNER {
        return Err(CrewError::Invalid("only the captain has the role owner".into()));
    }
    if record.permissions.is_empty() {
        return Err(CrewError::Invalid("a member has at least one permission".into()));
    }
    record.check_lengths().map_err(|reason| CrewError::Invalid(reason.into()))
}

fn names(permissions: &[Permission]) -> Vec<String> {
    let known: BTreeSet<_> = permissions.iter().collect();
    known.into_iter().map(|permission| permission.as_str().to_owned()).collect()
}

fn with_source(record: lexicon::Crew, declared: &BTreeSet<Did>) -> CrewMember {
    CrewMember { declared: declared.contains(&record.member), record }
}
