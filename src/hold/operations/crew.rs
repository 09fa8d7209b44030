//! Operations on the crew: list, add, change, remove, ban.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crew::{self, CrewError, MemberChange, Terms};
use crate::hold::Hold;
use crate::pds::PdsError;
use atproto::lexicon::Permission;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A member, as commands print it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The account.
    pub did: Did,
    /// The role, for display.
    pub role: String,
    /// The permissions of the record, known or unknown.
    pub permissions: Vec<String>,
    /// The quota tier; `null` without one.
    pub tier: Option<String>,
    /// Time when the account became a member.
    pub added_at: Datetime,
    /// The way in which the account became a member.
    pub source: Source,
}

/// The way in which an account became a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Declared in the configuration when the hold last read it. The owner counts as declared.
    Declared,
    /// By request, by the captain at the API, or by `crew add`.
    Joined,
}

impl From<crew::CrewMember> for Member {
    fn from(member: crew::CrewMember) -> Self {
        let crew::CrewMember { record, declared } = member;
        Self {
            did: record.member,
            role: record.role,
            permissions: record.permissions,
            tier: record.tier,
            added_at: record.added_at,
            source: if declared { Source::Declared } else { Source::Joined },
        }
    }
}

/// Lists all members, the oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewList {}

impl Operation for CrewList {
    const NAME: &'static str = "crew.list";
    type Subject = Hold;
    type Output = Vec<Member>;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Vec<Member>, AdminError> {
        let members = hold.crew.members().await.map_err(admin_error)?;
        Ok(members.into_iter().map(Member::from).collect())
    }
}

/// Adds a member. The account must not be a member yet.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewAdd {
    /// The account.
    pub did: Did,
    /// The role, for display.
    pub role: String,
    /// The permissions, at least one.
    pub permissions: Vec<Permission>,
    /// The quota tier.
    pub tier: Option<String>,
}

impl Operation for CrewAdd {
    const NAME: &'static str = "crew.add";
    type Subject = Hold;
    type Output = Member;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Member, AdminError> {
        let form = hold.resolver.check_form(&self.did);
        form.map_err(|error| AdminError::failed(format!("{}: {error}", self.did)))?;
        check_tier(&hold, self.tier.as_deref())?;
        let terms = Terms { role: self.role, permissions: self.permissions, tier: self.tier };
        let added = hold.crew.add_member(&self.did, terms, hold.now_us()).await;
        added.map(Member::from).map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Refuses a tier that is not configured, where some are: it would mean that of new members. The empty one is none.
fn check_tier(hold: &Hold, tier: Option<&str>) -> Result<(), AdminError> {
    let tiers = hold.images.tiers().all;
    match tier.filter(|tier| !tier.is_empty()) {
        Some(tier) if !tiers.is_empty() && tiers.iter().all(|one| one.name != tier) => {
            let names = tiers.iter().map(|tier| tier.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(AdminError::failed(format!("there is no tier \"{tier}\": it may be {names}")))
        }
        _ => Ok(()),
    }
}

/// Changes a member. Fields that are `None` keep their values.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewSet {
    /// The account.
    pub did: Did,
    /// The role, for display.
    pub role: Option<String>,
    /// The new permissions, in place of all others.
    pub permissions: Option<Vec<Permission>>,
    /// The quota tier; empty for none.
    pub tier: Option<String>,
}

impl Operation for CrewSet {
    const NAME: &'static str = "crew.set";
    type Subject = Hold;
    type Output = Member;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Member, AdminError> {
        check_tier(&hold, self.tier.as_deref())?;
        let change = MemberChange { role: self.role, permissions: self.permissions, tier: self.tier };
        let changed = hold.crew.set_member(&self.did, change, hold.now_us()).await;
        changed.map(Member::from).map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Removes a member. Returns the removed member.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewRemove {
    /// The account.
    pub did: Did,
}

impl Operation for CrewRemove {
    const NAME: &'static str = "crew.remove";
    type Subject = Hold;
    type Output = Member;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Member, AdminError> {
        let removed = hold.crew.remove_member(&self.did, hold.now_us()).await;
        removed.map(Member::from).map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Bans an account: it is removed from the crew, and cannot join again.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewBan {
    /// The account.
    pub did: Did,
}

impl Operation for CrewBan {
    const NAME: &'static str = "crew.ban";
    type Subject = Hold;
    type Output = ();

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<(), AdminError> {
        hold.crew.ban(&self.did, hold.now_us()).await.map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Lifts a ban. Returns whether there was one.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewUnban {
    /// The account.
    pub did: Did,
}

impl Operation for CrewUnban {
    const NAME: &'static str = "crew.unban";
    type Subject = Hold;
    type Output = bool;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<bool, AdminError> {
        hold.crew.unban(&self.did, hold.now_us()).await.map_err(admin_error)
    }
}

/// An account that is banned, or restricted in the permissions that it may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannedAccount {
    /// The account.
    pub did: Did,
    /// The permissions that a request to join may still grant.
    pub permissions: Vec<Permission>,
    /// The time of the ban.
    pub since: Datetime,
}

/// Lists bans and restrictions.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewBans {}

impl Operation for CrewBans {
    const NAME: &'static str = "crew.bans";
    type Subject = Hold;
    type Output = Vec<BannedAccount>;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Vec<BannedAccount>, AdminError> {
        let bans = hold.crew.bans().await.map_err(admin_error)?;
        let shown = |ban: crew::Ban| BannedAccount { did: ban.did, permissions: ban.permissions, since: ban.since };
        Ok(bans.into_iter().map(shown).collect())
    }
}

fn admin_error_of(did: &Did, error: CrewError) -> AdminError {
    AdminError::Failed(match error {
        CrewError::Declared => format!(
            "{did} is declared in the hold's configuration: change [crew.\"{did}\"] there, then reload the hold"
        ),
        CrewError::Pds(PdsError::RecordExists) => format!("{did} is a member already: use crew set to change it"),
        CrewError::Pds(PdsError::RecordNotFound) => format!("{did} is not a member"),
        other => return admin_error(other),
    })
}

fn admin_error(error: CrewError) -> AdminError {
    match error {
        CrewError::Immutable => AdminError::failed(
            "crew is declared in the hold's configuration: change [crew] there, or set mutable_crew = true, then reload \
             the hold",
        ),
        CrewError::NoCaptain => AdminError::failed("this hold has no crew yet: start it once"),
        other => AdminError::Failed(other.to_string()),
    }
}
