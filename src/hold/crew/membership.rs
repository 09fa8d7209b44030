//! The membership of one account: whether it is captain or crew, and its permissions.

use super::{Crew, CrewError, captain, member_key};
use crate::pds::Records;
use atproto::lexicon::{self, Permission, PermissionSet, nsid};
use atproto::syntax::Did;

/// The membership of an account, read in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether it owns the hold.
    pub captain: bool,
    /// Whether it has a crew record.
    pub member: bool,
    /// Whether the hold lets anyone read blobs.
    pub public: bool,
    /// Whether the captain wants posts about pushes.
    pub posts: bool,
    /// The quota tier that its crew record names.
    pub tier: Option<String>,
    permissions: PermissionSet,
}

impl Membership {
    /// Reads the membership of `account` in these records.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub fn read(records: &Records<'_>, account: &Did) -> Result<Self, CrewError> {
        let hold = captain(records)?;
        let record = records.get(&nsid::CREW, member_key(account).as_str())?;
        let crew: Option<lexicon::Crew> = record
            .map(|record| serde_json::from_value(record.value))
            .transpose()
            .map_err(|e| CrewError::Unreadable(e.to_string()))?;
        let permissions = crew.iter().flat_map(|crew| crew.permissions.iter().map(String::as_str));
        Ok(Self {
            captain: hold.owner == *account,
            member: crew.is_some(),
            public: hold.public,
            posts: hold.enable_bluesky_posts,
            permissions: PermissionSet::from_record(permissions),
            tier: crew.and_then(|crew| crew.tier),
        })
    }

    /// Whether the account may do what needs `permission`. The captain may do everything.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.captain || self.permissions.allows(permission)
    }

    /// Returns the permissions of its crew record.
    #[must_use]
    pub fn permissions(&self) -> &PermissionSet {
        &self.permissions
    }

    /// Whether it is captain or crew.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.captain || self.member
    }
}

impl Crew {
    /// Returns the membership of `account` now.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub async fn membership(&self, account: &Did) -> Result<Membership, CrewError> {
        let account = account.clone();
        self.pds.read(move |records| Membership::read(records, &account)).await
    }

    /// Returns those of `accounts` that may not do what `wanted` names now.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub async fn without(&self, accounts: Vec<Did>, wanted: Permission) -> Result<Vec<Did>, CrewError> {
        let job = move |records: &Records<'_>| {
            let mut found = Vec::new();
            for account in accounts {
                if !Membership::read(records, &account)?.may(wanted) {
                    found.push(account);
                }
            }
            Ok(found)
        };
        self.pds.read(job).await
    }
}
