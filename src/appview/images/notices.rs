//! What holds are told of manifests: at once, and else until they have taken it. A hold that does not know of a manifest
//! may remove its blobs, so the queue is on disk before the manifest is.

use std::time::Duration;

use super::{Images, ImagesError, NoticeOutcome};
use crate::accounts::Login;
use crate::holds::HoldsError;
use crate::images::tables::{self, NoticeRow};
use atproto::lexicon::NotifyManifest;
use atproto::syntax::ServiceUrl;

/// Attempts while the client waits.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// When the queue first looks at a notice, in microseconds after it was written: nobody else is at it then.
const FIRST_DUE_US: u64 = 60 * 1_000_000;
/// The longest time between two attempts, in microseconds.
const LONGEST_PAUSE_US: u64 = 60 * 60 * 1_000_000;
/// Attempts until a notice is given up: two weeks of them.
const MAX_ATTEMPTS: u32 = 340;

impl Images {
    /// Writes a notice down.
    pub(super) async fn enqueue(
        &self,
        login: &Login,
        hold: &ServiceUrl,
        notice: &NotifyManifest,
    ) -> Result<i64, ImagesError> {
        let now_us = (self.clock)();
        let row = NoticeRow {
            id: 0,
            login: login.clone(),
            hold: hold.clone(),
            // Its fields are texts and numbers, which is all that could fail.
            notice: serde_json::to_string(notice).unwrap_or_default(),
            attempts: 0,
            due_us: now_us + FIRST_DUE_US,
            queued_us: now_us,
        };
        Ok(self.database.write(move |write| tables::insert(write, &row)).await?)
    }

    /// Tells a hold, and forgets the notice when the hold took it or refused it for good.
    pub(super) async fn deliver(
        &self,
        id: i64,
        login: &Login,
        hold: &ServiceUrl,
        notice: &NotifyManifest,
    ) -> Result<(), HoldsError> {
        let mut attempt = 1;
        loop {
            match self.holds.notify(hold, login, notice).await {
                outcome @ (Ok(()) | Err(HoldsError::Refused { .. })) => {
                    if let Err(error) = self.database.write(move |write| tables::delete(write, id)).await {
                        tracing::error!(%error, "a notice that was delivered stays in the queue");
                    }
                    return outcome;
                }
                Err(error) if attempt == TRIES => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE * attempt).await,
            }
            attempt += 1;
        }
    }

    /// Delivers what is due; answers how many notices holds took.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliver_due(&self) -> Result<usize, ImagesError> {
        let now_us = (self.clock)();
        let due = self.database.read(move |read| tables::due(read, now_us)).await?;
        let mut delivered = 0;
        for row in due {
            let id = row.id;
            match self.deliver_row(&row).await {
                Ok(()) => {
                    delivered += 1;
                    self.outcomes.inc(NoticeOutcome::Delivered);
                }
                Err(HoldsError::Refused { .. }) => self.outcomes.inc(NoticeOutcome::Refused),
                Err(_) if row.attempts >= MAX_ATTEMPTS => self.outcomes.inc(NoticeOutcome::GivenUp),
                Err(error) => {
                    self.outcomes.inc(NoticeOutcome::Failed);
                    let pause_us = (FIRST_DUE_US << row.attempts.min(6)).min(LONGEST_PAUSE_US);
                    let (due_us, problem) = (now_us + pause_us, error.to_string());
                    self.database.write(move |write| tables::put_off(write, id, due_us, &problem)).await?;
                    continue;
                }
            }
            self.database.write(move |write| tables::delete(write, id)).await?;
        }
        Ok(delivered)
    }

    /// Tells a hold what the queue has for it.
    async fn deliver_row(&self, row: &NoticeRow) -> Result<(), HoldsError> {
        let manifest = &row.notice;
        let Ok(notice) = serde_json::from_str::<NotifyManifest>(manifest) else {
            tracing::error!(manifest, "a notice that cannot be read is dropped");
            return Ok(());
        };
        let outcome = self.holds.notify(&row.hold, &row.login, &notice).await;
        if let Err(error) = &outcome
            && (row.attempts >= MAX_ATTEMPTS || matches!(error, HoldsError::Refused { .. }))
        {
            let manifest = &notice.manifest_digest;
            tracing::warn!(manifest, did = %row.login.account, "a hold was not told of a manifest: {error}");
        }
        outcome
    }
}
