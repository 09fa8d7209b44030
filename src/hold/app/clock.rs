//! The time until which a hold ran, for what is deleted by its age: while the hold is stopped nobody can use anything, and a
//! machine may start with a clock that is ahead.

use std::time::Instant;

use super::now_us;
use crate::hold::Hold;
use crate::pds::{PdsError, Records, Repository};

/// Name of the value in `meta` with the time of the last look at the clock, in microseconds since 1970.
const META_NAME: &str = "clock_seen_us";
/// Least time between two stored looks, in microseconds: five minutes.
const STORED_EVERY_US: u64 = 5 * 60 * 1_000_000;

/// Counts the time since an earlier process looked at the clock as a step of it.
pub(super) async fn resume(hold: &Hold) -> Result<(), PdsError> {
    if let Some(seen_us) = hold.pds.read(stored).await? {
        hold.clock_steps.resume(seen_us, now_us(), Instant::now());
    }
    Ok(())
}

/// Stores the time of a look at the clock, for [`resume`], unless one of a few minutes before is stored: a start writes
/// nothing that is there.
pub(super) async fn store(hold: &Hold, seen_us: u64) -> Result<(), PdsError> {
    let put = move |repository: &Repository<'_>| match stored(&repository.records())? {
        Some(stored_us) if seen_us.abs_diff(stored_us) < STORED_EVERY_US => Ok(()),
        _ => repository.put_meta(META_NAME, &seen_us.to_string()),
    };
    hold.pds.transact(seen_us, put).await
}

fn stored(records: &Records<'_>) -> Result<Option<u64>, PdsError> {
    Ok(records.meta(META_NAME)?.and_then(|text| text.parse().ok()))
}
