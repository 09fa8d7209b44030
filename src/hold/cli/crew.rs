//! `crew list`, `add`, `set`, `remove`, `ban`, `unban`, `bans`.

use clap::{Args, Subcommand};

use super::target::Target;
use crate::operations::{
    BannedAccount, CrewAdd, CrewBan, CrewBans, CrewList, CrewRemove, CrewSet, CrewUnban, Member, Source,
};
use atproto::lexicon::{Permission, ROLE_MEMBER};
use atproto::syntax::Did;
use server::console::{CommandError, NONE, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List all members, the oldest first.
    ///
    /// SOURCE is `declared` for the owner and members in the configuration, `joined` for all others.
    #[command(after_help = "Example: atcr-hold crew list --json | jq -r '.[].did'")]
    List,
    /// Add an account to the crew.
    #[command(after_help = "Example: atcr-hold crew add did:plc:ewvi7nxzyoun6zhxrhs64oiz --permission blob:read")]
    Add {
        /// The account.
        #[arg(value_parser = did)]
        did: Did,
        /// The member's role, for display; it grants nothing.
        #[arg(long, default_value = ROLE_MEMBER)]
        role: String,
        /// blob:read, blob:write (implies read) or crew:admin (implies all); repeat it for more. Default: blob:read and
        /// blob:write.
        #[arg(long = "permission", value_name = "PERMISSION", value_parser = permission)]
        permissions: Vec<Permission>,
        /// Quota tier.
        #[arg(long)]
        tier: Option<String>,
    },
    /// Change a member who joined at run time. Options not given keep their values.
    #[command(after_help = "Example: atcr-hold crew set did:plc:ewvi7nxzyoun6zhxrhs64oiz --role mate --tier ''")]
    Set {
        /// The member.
        #[arg(value_parser = did)]
        did: Did,
        #[command(flatten)]
        change: Change,
    },
    /// Remove a member who joined at run time.
    #[command(after_help = "Example: atcr-hold crew remove did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Remove {
        /// The member.
        #[arg(value_parser = did)]
        did: Did,
    },
    /// Ban an account: it is removed from the crew, and cannot join again.
    ///
    /// Remove a declared member from the configuration first. After `crew remove` alone an account can join an open
    /// hold again.
    #[command(after_help = "Example: atcr-hold crew ban did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Ban {
        /// The account.
        #[arg(value_parser = did)]
        did: Did,
    },
    /// Lift the ban of an account. It may ask to join again.
    #[command(after_help = "Example: atcr-hold crew unban did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Unban {
        /// The account.
        #[arg(value_parser = did)]
        did: Did,
    },
    /// List bans and restrictions: banned accounts, and accounts that deleted a membership without write access.
    #[command(after_help = "Example: atcr-hold crew bans")]
    Bans,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct Change {
    /// The member's role, for display; it grants nothing.
    #[arg(long)]
    role: Option<String>,
    /// All permissions of the member from now on; repeat it for more.
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = permission)]
    permissions: Vec<Permission>,
    /// Quota tier; '' for none.
    #[arg(long)]
    tier: Option<String>,
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let members = target.run(CrewList {}).await?;
                output::result(json, &members, || shown(&members))
            }
            Self::Add { did, role, permissions, tier } => {
                let default = || vec![Permission::BlobRead, Permission::BlobWrite];
                let permissions = if permissions.is_empty() { default() } else { permissions };
                let member = target.run(CrewAdd { did, role, permissions, tier }).await?;
                done(json, &member, "is a member now")
            }
            Self::Set { did, change } => {
                let Change { role, permissions, tier } = change;
                let permissions = (!permissions.is_empty()).then_some(permissions);
                let member = target.run(CrewSet { did, role, permissions, tier }).await?;
                done(json, &member, "is set")
            }
            Self::Ban { did } => {
                target.run(CrewBan { did: did.clone() }).await?;
                output::result(json, &did, || format!("{did} is banned\n"))
            }
            Self::Unban { did } => {
                let was_banned = target.run(CrewUnban { did: did.clone() }).await?;
                let what = if was_banned { "is not banned any more" } else { "was not banned" };
                output::result(json, &was_banned, || format!("{did} {what}\n"))
            }
            Self::Bans => {
                let bans = target.run(CrewBans {}).await?;
                output::result(json, &bans, || shown_bans(&bans))
            }
            Self::Remove { did } => {
                let member = target.run(CrewRemove { did }).await?;
                done(json, &member, "is no longer a member")
            }
        }
    }
}

fn shown(members: &[Member]) -> String {
    let rows = members.iter().map(|member| {
        let source = match member.source {
            Source::Declared => "declared",
            Source::Joined => "joined",
        };
        [
            member.did.to_string(),
            member.role.clone(),
            member.permissions.join(","),
            member.tier.clone().unwrap_or_else(|| NONE.into()),
            member.added_at.to_string(),
            source.to_owned(),
        ]
    });
    table(["MEMBER", "ROLE", "PERMISSIONS", "TIER", "ADDED", "SOURCE"], rows)
}

fn shown_bans(bans: &[BannedAccount]) -> String {
    let rows = bans.iter().map(|ban| {
        let left: Vec<_> = ban.permissions.iter().map(|permission| permission.as_str()).collect();
        let left = if left.is_empty() { NONE.into() } else { left.join(",") };
        [ban.did.to_string(), left, ban.since.to_string()]
    });
    table(["ACCOUNT", "MAY STILL ASK FOR", "SINCE"], rows)
}

fn done(json: bool, member: &Member, what: &str) -> Result<(), CommandError> {
    let Member { did, role, permissions, tier, .. } = member;
    let tier = tier.as_ref().map(|tier| format!(", tier {tier}")).unwrap_or_default();
    output::result(json, member, || format!("{did} {what}: {role}, {}{tier}\n", permissions.join(",")))
}

/// Parses the DID of an account.
pub(super) fn did(text: &str) -> Result<Did, String> {
    if !text.starts_with("did:") {
        return Err("members are named by DID, like did:plc:ewvi7nxzyoun6zhxrhs64oiz, not by handle".into());
    }
    Did::parse(text).map_err(|error| error.to_string())
}

fn permission(text: &str) -> Result<Permission, String> {
    Permission::parse(text).ok_or_else(|| "it is blob:read, blob:write or crew:admin".into())
}
