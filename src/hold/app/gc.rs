//! Scheduled garbage collection while the hold runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::now_us;
use crate::blobs::Blobs;
use crate::config::{Gc, Schedule};
use crate::hold::Hold;
use crate::operations::{collect_garbage, last_collection, put_last_collection};
use crate::upkeep::UpkeepError;
use atproto::syntax::micros;
use server::control::Reporter;

/// Interval of finishing interrupted removals, and of checking the schedule, as the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const DAY_US: u64 = 86_400_000_000;

/// Finishes interrupted removals, and collects garbage on the schedule of `gc`, without end.
pub(super) async fn keep(hold: Arc<Hold>, gc: Gc) {
    let mut due_us = if gc.enabled { first_due_us(&hold, gc.schedule).await } else { 0 };
    loop {
        match hold.upkeep.finish_removals().await {
            Ok(finished) if finished.count > 0 => {
                tracing::info!(blobs = finished.count, bytes = finished.size_bytes, "removals finished");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "removals could not be finished"),
        }
        due_us = still_due_us(due_us, gc.schedule, now_us());
        if gc.enabled && now_us() >= due_us {
            match collect_garbage(&hold, false, false, Reporter::new().0).await {
                Ok(_) => {}
                Err(error @ UpkeepError::Busy) => tracing::info!(%error, "no garbage was collected"),
                Err(error) => tracing::warn!(%error, "no garbage was collected: {error}"),
            }
            due_us = self::due_us(gc.schedule, now_us());
        }
        let rest = if gc.enabled { Duration::from_micros(due_us.saturating_sub(now_us())) } else { LOOK_EVERY };
        sleep(rest.min(LOOK_EVERY)).await;
    }
}

/// Returns the time of this process's first collection: the next of `schedule` after the last collection of an earlier one,
/// else a hold that restarts more often than that would never collect. Without such a time, or with one of a clock that was
/// ahead, the schedule begins now, and that is stored.
async fn first_due_us(hold: &Hold, schedule: Schedule) -> u64 {
    let now_us = now_us();
    let stored = match last_collection(hold).await {
        Ok(Some(last_us)) if last_us <= now_us => return due_us(schedule, last_us),
        Ok(_) => put_last_collection(hold, now_us).await,
        Err(error) => Err(error),
    };
    if let Err(error) = stored {
        tracing::warn!(%error, "the time of the last garbage collection is not known: the schedule begins now");
    }
    due_us(schedule, now_us)
}

/// Writes the last uses of blobs to the database, at shutdown.
pub(super) async fn flush_last_used(blobs: &Blobs) {
    if let Err(error) = blobs.flush_last_used().await {
        tracing::warn!(%error, "the last uses of blobs could not be written to the database");
    }
}

/// Returns the next time of `schedule` after `now_us`, microseconds since 1970.
fn due_us(schedule: Schedule, now_us: u64) -> u64 {
    match schedule {
        Schedule::Every(interval) => now_us.saturating_add(micros(interval)),
        Schedule::Daily { after_midnight } => {
            let today_us = now_us - now_us % DAY_US + micros(after_midnight);
            if today_us > now_us { today_us } else { today_us + DAY_US }
        }
    }
}

/// Returns when a collection that was due at `due_us` is due now: no later than if the hold began now, for the clock may
/// have been ahead and set back since.
fn still_due_us(due_us: u64, schedule: Schedule, now_us: u64) -> u64 {
    due_us.min(self::due_us(schedule, now_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_in_the_future() {
        let half_past_three = 12_600_000_000;
        let daily = Schedule::Daily { after_midnight: Duration::from_micros(half_past_three) };
        assert_eq!(due_us(daily, 5 * DAY_US), 5 * DAY_US + half_past_three);
        assert_eq!(due_us(daily, 5 * DAY_US + half_past_three), 6 * DAY_US + half_past_three);
        assert_eq!(due_us(daily, 6 * DAY_US - 1), 6 * DAY_US + half_past_three);
        assert_eq!(due_us(Schedule::Every(Duration::from_secs(2)), 5), 2_000_005);
    }

    #[test]
    fn a_clock_that_was_ahead_puts_nothing_off() {
        let daily = Schedule::Daily { after_midnight: Duration::ZERO };
        let every = Schedule::Every(Duration::from_micros(DAY_US));
        for schedule in [daily, every] {
            let due = due_us(schedule, 400 * DAY_US);
            assert_eq!(still_due_us(due, schedule, 5 * DAY_US), 6 * DAY_US);
            assert_eq!(still_due_us(6 * DAY_US, schedule, 6 * DAY_US + 1), 6 * DAY_US, "what is due stays due");
        }
    }
}
