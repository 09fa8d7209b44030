//! Notices of manifests to holds: sent at once, and repeated until the hold accepts them. A hold may remove the blobs
//! of a manifest that it was not notified of, so a notice is on disk before the manifest is.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use tokio::time::Instant;

use super::{Images, ImagesError};
use crate::accounts::{AccountsError, Login, is_open};
use crate::holds::HoldsError;
use crate::images::tables::{self, NoticeRow};
use atproto::lexicon::NotifyManifest;
use atproto::syntax::{Did, HoldId, micros};
use server::sqlite::Write;
use server::storage::StorageError;

/// Number of attempts while the client waits.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Time after which no further attempt begins while the client waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Number of holds that the queue delivers to at once; further ones wait.
pub(super) const HOLDS_AT_ONCE: usize = 16;
/// How long the queue delivers to one hold in a round, while others may wait.
const TIME_OF_HOLD: Duration = Duration::from_secs(20);
/// Time of the queue's first attempt, in microseconds after the notice was written: the request that wrote it has ended
/// by then.
const FIRST_DUE_US: u64 = 60 * 1_000_000;
/// The longest time between two attempts, in microseconds.
const LONGEST_PAUSE_US: u64 = 60 * 60 * 1_000_000;
/// Number of attempts until a notice is given up: two weeks.
const MAX_ATTEMPTS: u32 = 340;

/// Limits of an account's notices in the queue: its hold may never accept one.
const MAX_WAITING: u64 = 1_000;
const MAX_WAITING_BYTES: u64 = 32 * 1024 * 1024;

server::label! {
    /// Result of one attempt of the queue to notify a hold.
    pub enum NoticeOutcome {
        /// The hold accepted it.
        Delivered = "delivered",
        /// The hold refused it for good.
        Refused = "refused",
        /// The hold did not answer; the notice is tried again.
        Failed = "failed",
        /// The attempts of two weeks have failed; the notice is dropped.
        GivenUp = "given_up",
    }
}

impl Images {
    /// Refuses one more notice of an account that has its share of the queue.
    pub(super) async fn check_queue(&self, account: &Did) -> Result<(), ImagesError> {
        let account = account.clone();
        let share = self.database.read(move |read| tables::share_of(read, &account)).await?;
        if share.notices < MAX_WAITING && share.bytes < MAX_WAITING_BYTES {
            Ok(())
        } else {
            Err(ImagesError::QueueFull { waiting: share.notices })
        }
    }

    /// Adds a notice to the queue, if the session of the push has not ended. Returns its number.
    pub(super) async fn enqueue(
        &self,
        login: &Login,
        hold: &HoldId,
        notice: &NotifyManifest,
    ) -> Result<i64, ImagesError> {
        let now_us = (self.clock)();
        let row = NoticeRow {
            id: 0,
            login: login.clone(),
            hold: hold.clone(),
            // Its fields are strings and numbers, whose serialization cannot fail.
            notice: serde_json::to_string(notice).unwrap_or_default(),
            attempts: 0,
            due_us: now_us + FIRST_DUE_US,
            queued_us: now_us,
        };
        let insert = move |write: &Write<'_>| match is_open(write, &row.login)? {
            true => tables::insert(write, &row).map(Some),
            false => Ok(None),
        };
        let id = self.database.write::<_, StorageError, _>(insert).await?;
        id.ok_or_else(|| HoldsError::from(AccountsError::SessionEnded).into())
    }

    /// Sends a notice to a hold, and removes it from the queue when the hold accepts it or refuses it for good.
    pub(super) async fn deliver(
        &self,
        id: i64,
        login: &Login,
        hold: &HoldId,
        notice: &NotifyManifest,
    ) -> Result<(), HoldsError> {
        let (began, mut attempt) = (Instant::now(), 1);
        loop {
            match self.holds.notify(hold, login, notice).await {
                outcome @ (Ok(()) | Err(HoldsError::Refused { .. })) => {
                    let is_told = outcome.is_ok();
                    let end = move |write: &Write<'_>| {
                        if is_told { tables::told(write, id) } else { tables::delete(write, id).map(drop) }
                    };
                    if let Err(error) = self.database.write(end).await {
                        tracing::error!(%error, "a notice that was delivered stays in the queue");
                    }
                    return outcome;
                }
                Err(error) => {
                    // A hold that wants a longer pause gets it: the queue sends the notice later.
                    let pause = (PAUSE * attempt).max(error.retry_after().unwrap_or_default());
                    if attempt == TRIES || began.elapsed().saturating_add(pause) > PATIENCE {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                }
            }
            attempt += 1;
        }
    }

    /// Delivers all due notices, to some holds at once and to each hold one after the other. Returns the number that
    /// holds accepted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliver_due(&self) -> Result<usize, ImagesError> {
        let now_us = (self.clock)();
        // Later than any attempt is put off: of a clock that was ahead.
        let never_us = now_us + 2 * LONGEST_PAUSE_US;
        self.database.write(move |write| tables::bring_forward(write, now_us, never_us)).await?;
        let holds = self.database.read(move |read| tables::due_holds(read, now_us)).await?;
        let deliveries = stream::iter(holds).map(|hold| self.deliver_to(hold, now_us)).buffer_unordered(HOLDS_AT_ONCE);
        deliveries.try_fold(0, async |sum, delivered| Ok(sum + delivered)).await
    }

    /// Delivers due notices to one hold, until that fails or its time in the round is over. Returns the number that it
    /// accepted.
    pub(super) async fn deliver_to(&self, hold: HoldId, now_us: u64) -> Result<usize, ImagesError> {
        let _guard = self.deliveries.lock(hold.did()).await;
        let (began, mut delivered) = (Instant::now(), 0);
        loop {
            let of = hold.clone();
            let due = self.database.read(move |read| tables::due(read, &of, now_us)).await?;
            if due.is_empty() {
                return Ok(delivered);
            }
            for row in due {
                if began.elapsed() > TIME_OF_HOLD {
                    return Ok(delivered);
                }
                match self.deliver_row(&row).await {
                    Ok(()) => {
                        delivered += 1;
                        self.note_delivered(row.id).await?;
                    }
                    Err(Untold::Refused(problem)) => self.note_refused(row.id, problem).await?,
                    Err(Untold::Failed(error)) => {
                        self.put_off(&row, now_us, &error).await?;
                        if error.is_of_hold() {
                            return Ok(delivered);
                        }
                        // The error is the account's: notices of others to this hold go on.
                        break;
                    }
                }
            }
        }
    }

    async fn note_delivered(&self, id: i64) -> Result<(), StorageError> {
        self.outcomes.inc(NoticeOutcome::Delivered);
        self.database.write(move |write| tables::told(write, id)).await
    }

    async fn note_refused(&self, id: i64, problem: String) -> Result<(), StorageError> {
        self.outcomes.inc(NoticeOutcome::Refused);
        let now_us = (self.clock)();
        self.database.write(move |write| tables::refused::put(write, id, &problem, now_us)).await
    }

    /// Postpones all due notices of a hold that does not answer, or those of one account if the error is the account's.
    async fn put_off(&self, row: &NoticeRow, now_us: u64, error: &HoldsError) -> Result<(), ImagesError> {
        self.outcomes.inc(NoticeOutcome::Failed);
        let asked_us = micros(error.retry_after().unwrap_or_default());
        let pause_us = (FIRST_DUE_US << row.attempts.min(6)).max(asked_us).min(LONGEST_PAUSE_US);
        let (until_us, problem, hold) = (now_us + pause_us, error.to_string(), row.hold.clone());
        let account = (!error.is_of_hold()).then(|| row.login.account.clone());
        let change = move |write: &Write<'_>| {
            let due = tables::DueAt { hold: &hold, account: account.as_ref(), now_us };
            let given_up = tables::tried(write, due, MAX_ATTEMPTS)?;
            given_up.iter().try_for_each(|notice| tables::refused::put(write, notice.id, &problem, now_us))?;
            tables::put_off(write, due, until_us, &problem)?;
            Ok::<_, StorageError>(given_up)
        };
        for notice in self.database.write(change).await? {
            self.outcomes.inc(NoticeOutcome::GivenUp);
            let (did, manifest) = (notice.account, notice.manifest);
            tracing::warn!(%did, manifest, "a hold was not told of a manifest: {error}");
        }
        Ok(())
    }

    /// Sends a queued notice to its hold.
    async fn deliver_row(&self, row: &NoticeRow) -> Result<(), Untold> {
        let notice = serde_json::from_str::<NotifyManifest>(&row.notice).map_err(|error| {
            tracing::error!(manifest = row.notice, "a notice that cannot be read is dropped: {error}");
            Untold::Refused(format!("the notice for the hold cannot be read: {error}"))
        })?;
        self.holds.notify_by_any(&row.hold, &row.login, &notice).await.map_err(|error| match error {
            error if is_final(&error) => {
                let manifest = &notice.manifest_digest;
                tracing::warn!(manifest, did = %row.login.account, "a hold was not told of a manifest: {error}");
                Untold::Refused(error.to_string())
            }
            error => Untold::Failed(error),
        })
    }
}

/// The reason why a notice was not delivered.
enum Untold {
    /// It never will be.
    Refused(String),
    /// It is tried again.
    Failed(HoldsError),
}

/// Whether a hold refuses a manifest for good. A 401 is about the token: the account's key, its document or a clock may be
/// put right.
fn is_final(error: &HoldsError) -> bool {
    matches!(error, HoldsError::Refused { status, .. } if *status != StatusCode::UNAUTHORIZED)
}
