//! Listing and changing the crew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crew::{self, CrewError, MemberChange, Terms};
use crate::hold::Hold;
use crate::pds::PdsError;
use atproto::lexicon::Permission;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// One member as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub did: Did,
    /// A word for people.
    pub role: String,
    /// As the record spells them, known or not.
    pub permissions: Vec<String>,
    /// Quota tier; `null` without one.
    pub tier: Option<String>,
    /// When it became a member.
    pub added_at: Datetime,
    /// How it became one.
    pub source: Source,
}

/// How somebody became a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The configuration says so, or did when the hold last read it; the owner is declared too.
    Declared,
    /// By request, by the captain's hand or by `crew add`.
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

/// All members, the oldest first.
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

/// Makes somebody a member, who must not be one.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewAdd {
    /// Who.
    pub did: Did,
    /// A word for people.
    pub role: String,
    /// At least one.
    pub permissions: Vec<Permission>,
    /// Quota tier.
    pub tier: Option<String>,
}

impl Operation for CrewAdd {
    const NAME: &'static str = "crew.add";
    type Subject = Hold;
    type Output = Member;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Member, AdminError> {
        if !matches!(self.did.method(), "plc" | "web") {
            return Err(AdminError::failed(format!("{}: only did:plc and did:web accounts can be resolved", self.did)));
        }
        let terms = Terms { role: self.role, permissions: self.permissions, tier: self.tier };
        let added = hold.crew.add_member(&self.did, terms, hold.now_us()).await;
        added.map(Member::from).map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Changes a member; what is not given stays.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewSet {
    /// Who.
    pub did: Did,
    /// A word for people.
    pub role: Option<String>,
    /// All of the member's permissions from now on.
    pub permissions: Option<Vec<Permission>>,
    /// Quota tier; empty for none.
    pub tier: Option<String>,
}

impl Operation for CrewSet {
    const NAME: &'static str = "crew.set";
    type Subject = Hold;
    type Output = Member;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Member, AdminError> {
        let change = MemberChange { role: self.role, permissions: self.permissions, tier: self.tier };
        let changed = hold.crew.set_member(&self.did, change, hold.now_us()).await;
        changed.map(Member::from).map_err(|error| admin_error_of(&self.did, error))
    }
}

/// Ends a membership. Answers the member that was.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewRemove {
    /// Who.
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

/// Refuses an account: it is no member from now on, and cannot join.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewBan {
    /// Who.
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

/// Refuses an account nothing any more. Answers whether something was refused.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrewUnban {
    /// Who.
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

/// An account that the captain refuses something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannedAccount {
    /// Who.
    pub did: Did,
    /// What a request to join may still grant.
    pub permissions: Vec<Permission>,
    /// Since when.
    pub since: Datetime,
}

/// All accounts that are refused something.
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
