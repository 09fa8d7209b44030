//! The membership of one account: whether it is captain or crew, and its permissions.

use super::{Crew, CrewError, captain, decode, member_key};
use crate::pds::Records;
use atproto::lexicon::{self, Permission, PermissionSet, nsid};
use atproto::syntax::Did;

/// The membership of an account, read in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether the account owns the hold.
    pub captain: bool,
    /// Whether the account has a crew record.
    pub member: bool,
    /// Whether anyone may read blobs.
    pub public: bool,
    /// Whether the captain enabled posts about pushes.
    pub posts: bool,
    /// The quota tier in its crew record.
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
        let crew = records.get(&nsid::CREW, member_key(account).as_str())?.map(decode::<lexicon::Crew>).transpose()?;
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

    /// Whether the account has `permission`. The captain has all.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.captain || self.permissions.allows(permission)
    }

    /// Returns the permissions of its crew record.
    #[must_use]
    pub fn permissions(&self) -> &PermissionSet {
        &self.permissions
    }

    /// Whether the account is captain or crew.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.captain || self.member
    }
}

impl Crew {
    /// Returns the current membership of `account`.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub async fn membership(&self, account: &Did) -> Result<Membership, CrewError> {
        let account = account.clone();
        self.pds.read(move |records| Membership::read(records, &account)).await
    }

    /// Returns those of `accounts` that do not have the permission `wanted` now.
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
