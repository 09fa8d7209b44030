//! `images reconcile`, `delete`: arguments and output.

use clap::Subcommand;

use super::crew::did;
use super::target::Target;
use crate::images::{Reconciled, UnaskedAccount};
use crate::operations::{ImagesDelete, ImagesReconcile};
use atproto::lexicon::DeletedUserData;
use atproto::syntax::Did;
use server::console::{CommandError, output};
use server::text::with_noun;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Ask the repositories of all accounts that may push for their images here, and record missing ones.
    ///
    /// A push whose notification to the hold was lost or refused is in its owner's repository only. This records it, so
    /// that garbage collection keeps its blobs. `gc` does this itself before it removes anything. Exits 1 when an
    /// account could not be asked.
    #[command(after_help = "Example: atcr-hold images reconcile --dry-run")]
    Reconcile {
        /// Print what would be recorded; change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete all records of an account: layers, statistics, posts, and its membership.
    ///
    /// Its images cannot be pulled any more once `gc` has removed their blobs. Ban the account first, so that it does not
    /// join again, and its images are not recorded again.
    #[command(after_help = "Example: atcr-hold images delete did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Delete {
        /// The account.
        #[arg(value_parser = did)]
        did: Did,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Reconcile { dry_run } => {
                let reconciled = target.run(ImagesReconcile { dry_run }).await?;
                output::findings(json, &reconciled, || shown(&reconciled))?;
                match reconciled.unasked.len() {
                    0 => Ok(()),
                    unasked => {
                        let unasked = with_noun(unasked as u64, "account");
                        Err(CommandError::failed(format!("{unasked} could not be asked: see above")))
                    }
                }
            }
            Self::Delete { did } => {
                let deleted = target.run(ImagesDelete { did: did.clone() }).await?;
                output::result(json, &deleted, || shown_deleted(&did, &deleted))
            }
        }
    }
}

fn shown_deleted(did: &Did, deleted: &DeletedUserData) -> String {
    let DeletedUserData { crew_deleted, layers_deleted, stats_deleted, .. } = deleted;
    let layers = with_noun(*layers_deleted as u64, "layer record");
    let membership = if *crew_deleted { ", and its membership" } else { "" };
    format!(
        "Of {did} {layers} and the statistics of {} are deleted{membership}. gc removes the blobs that nothing else needs.\n",
        with_noun(*stats_deleted as u64, "image")
    )
}

fn shown(reconciled: &Reconciled) -> String {
    let Reconciled { accounts, manifests, recorded, layers, incomplete, invalid, earlier_address, .. } = reconciled;
    let mut text: String = reconciled.listed.iter().map(|manifest| format!("{manifest}\n")).collect();
    text += &unasked_lines(&reconciled.unasked);
    let done = if reconciled.dry_run { "would be recorded" } else { "recorded" };
    let asked = with_noun(accounts.saturating_sub(reconciled.unasked.len() as u64), "account");
    text += &format!("{asked} asked, {manifests} manifests name this hold\n");
    text += &format!("{recorded} {done}, with {layers} layers\n");
    if *incomplete > 0 {
        text += &format!("{incomplete} need blobs that are not here: push them again\n");
    }
    if *invalid > 0 {
        text += &format!("{invalid} make no sense: see the log\n");
    }
    if *earlier_address > 0 {
        text += &format!(
            "{earlier_address} name an address that this hold had: their blobs are kept, nothing is recorded\n"
        );
    }
    text
}

/// Returns a line for each account that could not be asked.
pub(super) fn unasked_lines(unasked: &[UnaskedAccount]) -> String {
    unasked.iter().map(|account| format!("{}  not asked: {}\n", account.did, account.reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Reconciled, UnaskedAccount, shown};
    use atproto::syntax::Did;

    #[test]
    fn who_could_not_be_asked_is_not_said_to_be_asked() {
        let did = Did::parse("did:web:a.example").unwrap();
        let unasked = vec![UnaskedAccount { did, reason: "away".into() }];
        let shown = shown(&Reconciled { accounts: 2, unasked, ..Reconciled::default() });
        assert!(shown.starts_with("did:web:a.example  not asked: away\n1 account asked, "), "{shown}");
    }
}
