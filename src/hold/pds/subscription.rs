//! Follows the events: those stored after a cursor, then each new one once its commit is on disk.
//!
//! A subscription reads the database by itself, a page at a time, and is only notified that there is more; a reader
//! that lacks only the newest event gets it as it was stored. So no event is sent before it is stored, memory does not
//! grow with the delay of a reader, and readers do not wait for each other. <https://atproto.com/specs/event-stream>

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::{Pds, PdsError, events};
use crate::pds::tables;
use atproto::lexicon::error as name;
use server::daemon::ClockSteps;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Time that events are kept for consumers that were disconnected: 24 hours, as on other hosts.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Events deleted in one transaction, so that it delays other writers only shortly.
const PRUNE_BATCH: u32 = 500;
/// Lag, in events, at which a reader is disconnected that was up to date, while its connection is full.
const TOO_FAR_BEHIND: u32 = 500;
/// Limits of a page, in events and bytes: 64 subscribers hold 16 MiB, and one event each of at most 2 MB.
const PAGE_EVENTS: u32 = 100;
const PAGE_BYTES: usize = 256 * 1024;
/// Name of the value in `meta` with the sequence number of the last deleted event.
const PRUNED: &str = "events_pruned_through";

/// The newest event that this process has stored on disk.
#[derive(Clone, Debug, Default)]
pub struct NewestEvent {
    /// Its sequence number; 0 before the first.
    pub(super) seq: i64,
    /// The sequence number of the event before it.
    pub(super) after: i64,
    pub(super) frame: Bytes,
}

/// The subscription of one reader.
pub struct Subscription {
    pds: Pds,
    newest: watch::Receiver<NewestEvent>,
    /// The sequence number up to which all events were returned, or not requested.
    position: i64,
    /// The position, shared with the metrics.
    place: Arc<AtomicI64>,
    /// Whether the reader has been up to date.
    live: bool,
    opening: Opening,
}

/// The frame before the first event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Nothing,
    OutdatedCursor,
    FutureCursor,
}

/// The next frames for a reader.
#[derive(Debug)]
pub enum Step {
    /// Frames, in order.
    Frames(Vec<Bytes>),
    /// The last frame, an error with the reason of the end.
    End(Vec<u8>),
}

impl Pds {
    /// Subscribes to the events after `cursor`: `None` means new events only, 0 all that are kept.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn subscribe(&self, cursor: Option<i64>) -> Result<Subscription, PdsError> {
        let newest = self.newest_event();
        let (last_seq, pruned) =
            self.inner.database.read(|read| Ok::<_, PdsError>((last_seq(read)?, pruned(read)?))).await?;
        let opening = match cursor {
            Some(cursor) if cursor > last_seq => Opening::FutureCursor,
            Some(1..) if cursor < Some(pruned) => Opening::OutdatedCursor,
            _ => Opening::Nothing,
        };
        let position = cursor.unwrap_or(last_seq).max(pruned);
        let place = self.inner.subscribers.add(position);
        Ok(Subscription { pds: self.clone(), newest, position, place, live: cursor.is_none(), opening })
    }

    /// Returns the size of all events that are kept, in bytes.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn event_bytes(&self) -> Result<u64, PdsError> {
        self.inner.database.read(|read| Ok(tables::event_bytes(read)?)).await
    }

    /// Returns a receiver of the last event of each commit.
    #[must_use]
    pub fn newest_event(&self) -> watch::Receiver<NewestEvent> {
        self.inner.newest_event.subscribe()
    }

    /// Deletes events that are older than 24 hours, and the oldest above the limit of bytes, but never the newest.
    /// Returns their number. `now_us` is in microseconds since 1970; `steps` has looked at the clock then.
    ///
    /// # Errors
    /// [`PdsError::Storage`]; what was deleted until then stays deleted.
    pub async fn prune_events(&self, now_us: u64, steps: &ClockSteps) -> Result<usize, PdsError> {
        let (before_us, max_bytes) = (steps.before_us(now_us, WINDOW), self.inner.limits().event_bytes);
        let batch = move |write: &Write<'_>| {
            let (mut count, mut last) = tables::delete_events_before(write, before_us, now_us, PRUNE_BATCH)?;
            if count == 0 {
                (count, last) = tables::delete_events_beyond(write, max_bytes, PRUNE_BATCH)?;
                if count > 0 {
                    tracing::info!(events = count, "events deleted: all together they had more than {max_bytes} bytes");
                }
            }
            if let Some(last) = last {
                record_pruned(write, last)?;
            }
            Ok::<_, PdsError>(count)
        };
        let mut total = 0;
        loop {
            match self.inner.database.write(batch).await? {
                0 => return Ok(total),
                count => total += count,
            }
        }
    }
}

impl Subscription {
    /// Returns the next frames; waits until there are some. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn next(&mut self) -> Result<Step, PdsError> {
        match std::mem::replace(&mut self.opening, Opening::Nothing) {
            Opening::Nothing => {}
            Opening::OutdatedCursor => {
                let message = "events after the cursor are no longer kept; those that are follow";
                return Ok(Step::Frames(vec![events::info(name::OUTDATED_CURSOR, message)?.into()]));
            }
            Opening::FutureCursor => {
                return Ok(Step::End(events::error(name::FUTURE_CURSOR, "the cursor is beyond the newest event")?));
            }
        }
        loop {
            // Marked before the read: a commit in between ends the wait below.
            let newest = self.newest.borrow_and_update().clone();
            if self.live && self.position >= newest.seq {
                self.newest.changed().await.map_err(|_| database_ended())?;
                continue;
            }
            if self.position == newest.after && self.position < newest.seq {
                self.live = true;
                self.advance(newest.seq);
                return Ok(Step::Frames(vec![newest.frame]));
            }
            let position = self.position;
            let read = move |read: &Read<'_>| {
                let page = tables::events_after(read, position, PAGE_EVENTS, PAGE_BYTES)?;
                Ok::<_, PdsError>((page, last_seq(read)?, pruned(read)?))
            };
            let (page, last_seq, pruned) = self.pds.inner.database.read(read).await?;
            if position < pruned {
                return Ok(Step::End(too_slow()?));
            }
            self.advance(page.last_seq.unwrap_or(position));
            self.live |= self.position >= last_seq;
            if !page.frames.is_empty() {
                return Ok(Step::Frames(page.frames.into_iter().map(Bytes::from).collect()));
            }
            self.newest.changed().await.map_err(|_| database_ended())?;
        }
    }

    fn advance(&mut self, position: i64) {
        self.position = position;
        self.place.store(position, Ordering::Relaxed);
    }

    /// Waits until a reader that was up to date lags so far that it must be disconnected. Returns its last frame.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn left_behind(&self) -> Result<Vec<u8>, PdsError> {
        if !self.live {
            return std::future::pending().await;
        }
        let mut newest = self.newest.clone();
        loop {
            newest.mark_unchanged();
            let position = self.position;
            let read =
                move |read: &Read<'_>| Ok::<_, PdsError>(tables::count_events_after(read, position, TOO_FAR_BEHIND)?);
            if self.pds.inner.database.read(read).await? >= TOO_FAR_BEHIND {
                return too_slow();
            }
            newest.changed().await.map_err(|_| database_ended())?;
        }
    }
}

fn too_slow() -> Result<Vec<u8>, PdsError> {
    let message = "too far behind; come back with the last sequence number as cursor";
    Ok(events::error(name::CONSUMER_TOO_SLOW, message)?)
}

pub(super) fn last_seq(read: &Read<'_>) -> Result<i64, StorageError> {
    Ok(tables::repo_head(read)?.map_or(0, |head| head.last_seq))
}

/// Records the sequence number of the last event that was deleted.
pub(super) fn record_pruned(write: &Write<'_>, last: i64) -> Result<(), StorageError> {
    tables::put_meta(write, PRUNED, &last.to_string())
}

/// Returns the sequence number of the last deleted event; 0 when none was deleted.
fn pruned(read: &Read<'_>) -> Result<i64, StorageError> {
    let Some(text) = tables::meta(read, PRUNED)? else { return Ok(0) };
    text.parse().map_err(|e: std::num::ParseIntError| StorageError::Damaged(e.into()))
}

fn database_ended() -> PdsError {
    PdsError::Storage(StorageError::Failed("the database thread has ended".into()))
}
