//! `sessions list`, `end`.

use clap::Subcommand;

use super::target::Target;
use crate::operations::{Session, SessionsEnd, SessionsList};
use server::console::{CommandError, duration, listed_number, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List sessions at accounts' PDSes, the one that was used last first. PROVEN is when the PDS last confirmed it.
    List,
    /// End a session, here and at the account's PDS: its tokens are good no more, and whoever used it signs in again.
    #[command(after_help = "Example: atcr-appview sessions end 12")]
    End {
        /// The number that `sessions list` shows.
        #[arg(value_name = "ID", value_parser = listed_number("sessions list"))]
        id: i64,
    },
}

/// Returns the text for a session that could not be ended at its PDS.
pub(super) fn left_at_pds(why: &str) -> String {
    format!(
        "it goes on at the account's PDS, which could not end it ({why}), until it runs out or the account ends it there"
    )
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let sessions = target.run(SessionsList {}).await?;
                output::result(json, &sessions, || shown(&sessions))
            }
            Self::End { id } => {
                let ended = target.run(SessionsEnd { id }).await?;
                output::result(json, &ended, || {
                    let left = ended.left.iter().map(|why| format!("{}\n", left_at_pds(why))).collect::<String>();
                    format!("session {} of {} is ended\n{left}", ended.id, ended.account)
                })
            }
        }
    }
}

fn shown(sessions: &[Session]) -> String {
    let rows = sessions.iter().map(|session| {
        let proven = format!("{} ago", duration(session.proven_ago_s));
        let by = if session.by_oauth { "browser" } else { "app password" };
        [session.id.to_string(), session.account.to_string(), by.to_owned(), proven]
    });
    table(["ID", "ACCOUNT", "MADE BY", "PROVEN"], rows)
}
