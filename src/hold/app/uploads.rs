//! Ends uploads that must not stay open: those of accounts without write access any more, and those without any part.

use std::sync::Arc;
use std::time::Duration;

use atproto::lexicon::Permission;
use tokio::time::sleep;

use crate::hold::Hold;

/// Interval of the checks at least.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause between two checks of the accounts, which follow commits: busy holds make many a second.
const REST: Duration = Duration::from_secs(1);

/// Checks once a minute, and the accounts also after commits: a commit may have removed a member.
pub(super) async fn keep(hold: Arc<Hold>) {
    let mut events = hold.pds.newest_event();
    loop {
        match hold.blobs.sweep_empty(hold.look_at_clock(), &hold.clock_steps).await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "uploads without any part dropped"),
            Err(error) => tracing::warn!(%error, "uploads without any part could not be dropped"),
        }
        let next_look = sleep(LOOK_EVERY);
        tokio::pin!(next_look);
        while !next_look.is_elapsed() {
            revoke(&hold).await;
            sleep(REST).await;
            tokio::select! {
                () = &mut next_look => {}
                // Without a repository there is nothing to follow.
                changed = events.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// Asks a bucket at intervals for the sizes of uploads whose parts bypass the hold, and aborts those beyond a limit.
pub(super) async fn measure(hold: Arc<Hold>) {
    loop {
        sleep(hold.blobs.measure_every()).await;
        if let Err(error) = hold.blobs.measure_uploads().await {
            tracing::warn!(%error, "open uploads could not be measured");
        }
    }
}

/// Drops the uploads of accounts that may not write any more.
async fn revoke(hold: &Hold) {
    let accounts = match hold.blobs.uploading_accounts().await {
        Ok(accounts) => accounts,
        Err(error) => return tracing::warn!(%error, "the accounts with open uploads could not be read"),
    };
    let accounts = match hold.crew.without(accounts, Permission::BlobWrite).await {
        Ok(accounts) => accounts,
        Err(error) => return tracing::warn!(%error, "whether accounts with open uploads may write is unknown"),
    };
    for account in accounts {
        match hold.blobs.revoke_uploads(&account).await {
            Ok(0) => {}
            Ok(uploads) => {
                tracing::info!(%account, uploads, "uploads of an account that may not write any more dropped")
            }
            Err(error) => {
                tracing::warn!(%account, %error, "uploads of an account that may not write could not be dropped")
            }
        }
    }
}
