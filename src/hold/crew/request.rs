//! Requests to join the crew.

use super::bans::bounded;
use super::{Crew, CrewError, captain, declared, encode, member_key};
use crate::pds::{Plan, RecordWrite};
use atproto::lexicon::{self, Permission, ROLE_MEMBER, nsid};
use atproto::syntax::{AtUri, Datetime, Did};

/// The result of a request to join.
#[derive(Debug)]
pub struct Joined {
    /// Whether the record is new.
    pub created: bool,
    /// The member's record.
    pub uri: AtUri,
    /// Its CID as text.
    pub cid: String,
}

/// The permissions that a request can grant.
const GRANTABLE: [Permission; 2] = [Permission::BlobRead, Permission::BlobWrite];

impl Crew {
    /// Makes `account` a member, or returns its record if it is one. Never grants more than reading and writing blobs.
    /// `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`CrewError::Refused`] for a banned or restricted account;
    /// [`PdsError::CrowdedNode`](crate::pds::PdsError::CrowdedNode); [`CrewError::RegistrationDisabled`] unless
    /// `account` is the captain or any account may join; [`CrewError::Invalid`] when none of the requested permissions
    /// can be granted; limits of growth.
    pub async fn request(&self, account: &Did, input: &lexicon::RequestCrew, now_us: u64) -> Result<Joined, CrewError> {
        let permissions = granted(input)?;
        let rkey = member_key(account);
        let uri = AtUri::record(self.pds.did(), &nsid::CREW.into(), &rkey);
        let (account, mutable) = (account.clone(), self.is_mutable());
        let (key, pds) = (rkey.clone(), self.pds.clone());
        let decide = move |records: &crate::pds::Records<'_>| {
            if records.get(&nsid::CREW, key.as_str())?.is_some() {
                return Ok(Plan::default());
            }
            let captain = captain(records)?;
            if captain.owner != account && !(captain.allow_all_crew && mutable) {
                return Err(CrewError::RegistrationDisabled);
            }
            if captain.owner != account {
                records.keys_beside(&nsid::CREW, key.as_str())?;
                pds.spend(&account, 1, 1, now_us)?;
            }
            let permissions =
                if captain.owner == account { permissions } else { bounded(records, &account, permissions)? };
            let record = lexicon::Crew {
                member: account,
                role: ROLE_MEMBER.into(),
                permissions,
                added_at: Datetime::from_micros(now_us),
                tier: None,
                other: serde_json::Map::new(),
            };
            let write = RecordWrite::Create(encode(nsid::CREW, record)?);
            Ok(Plan::of(vec![declared::change(nsid::CREW, key, write)]))
        };
        let outcome: Result<_, CrewError> = self.pds.commit(now_us, None, decide).await;
        let outcome = outcome.inspect_err(|error| self.count_refused_growth(error))?;
        if let Some(cid) = outcome.cids.first().copied().flatten() {
            return Ok(Joined { created: true, uri, cid: cid.to_string() });
        }
        let existing = self.pds.read(move |records| records.get(&nsid::CREW, rkey.as_str())).await?;
        let cid = existing.ok_or(CrewError::Pds(crate::pds::PdsError::RecordNotFound))?.cid.to_string();
        Ok(Joined { created: false, uri, cid })
    }
}

fn granted(input: &lexicon::RequestCrew) -> Result<Vec<String>, CrewError> {
    let asked = |permission: &Permission| match &input.permissions {
        None => true,
        Some(list) => list.iter().any(|name| name == permission.as_str()),
    };
    let granted: Vec<_> = GRANTABLE.into_iter().filter(asked).map(|p| p.as_str().to_owned()).collect();
    if granted.is_empty() {
        return Err(CrewError::Invalid("only blob:read and blob:write can be asked for".into()));
    }
    Ok(granted)
}
