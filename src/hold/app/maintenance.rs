//! Periodic tasks of the hold: uploads, garbage, and what grows old in the database.

use std::sync::Arc;
use std::time::Duration;

use super::metrics::Tasks;
use super::{clock, gc, now_us, uploads};
use crate::api::ApiState;
use crate::config::Config;
use crate::images::Images;
use server::daemon::Background;

/// Interval of deleting stale uploads, unreferenced blobs of records and old events.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Interval of commits of pulls, and of pushes that add nothing: relays tolerate 2,500 events an hour of a host.
const WRITE_COUNTS_EVERY: Duration = Duration::from_secs(60);

/// Starts the tasks, which run as long as the hold does.
pub(super) fn spawn(background: &mut Background, state: &Arc<ApiState>, tasks: &Arc<Tasks>, config: &Config) {
    let hold = &state.hold;
    background.keep("sweep", (Arc::clone(state), Arc::clone(tasks)), |(state, tasks)| sweep(state, tasks));
    background.keep("ends of uploads", Arc::clone(hold), uploads::keep);
    background.keep("sizes of uploads", Arc::clone(hold), uploads::measure);
    background.keep("garbage collection", (Arc::clone(hold), config.gc.clone()), |(hold, gc)| gc::keep(hold, gc));
    background.keep("counts of pulls", hold.images.clone(), write_counts);
}

/// Deletes stale uploads, blobs without a record and old events, every ten minutes.
async fn sweep(state: Arc<ApiState>, tasks: Arc<Tasks>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let mut failed = false;
        let mut warn = |error: &dyn std::error::Error, what| {
            tracing::warn!(error = %error, "{what}");
            failed = true;
        };
        let (hold, now_us) = (&state.hold, state.hold.look_at_clock());
        if let Err(error) = clock::store(hold, now_us).await {
            warn(&error, "the time could not be stored");
        }
        match hold.blobs.sweep(now_us, &hold.clock_steps).await {
            Ok(swept) if swept.uploads + swept.orphans > 0 => {
                tracing::info!(uploads = swept.uploads, orphans = swept.orphans, "stale uploads swept");
            }
            Ok(_) => {}
            Err(error) => warn(&error, "stale uploads could not be swept"),
        }
        match hold.pds.sweep_blobs(now_us, &hold.clock_steps).await {
            Ok(0) => {}
            Ok(blobs) => tracing::info!(blobs, "blobs that no record refers to deleted"),
            Err(error) => warn(&error, "blobs that no record refers to could not be deleted"),
        }
        match hold.pds.prune_events(now_us, &hold.clock_steps).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events deleted"),
            Err(error) => warn(&error, "old events could not be deleted"),
        }
        if !failed {
            tasks.swept_us.set(hold.now_us());
        }
    }
}

/// Commits the counts of pulls and pushes to the records every minute; the next start commits what a stop left.
async fn write_counts(images: Images) {
    let mut ticks = tokio::time::interval(WRITE_COUNTS_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = images.write_counts(now_us()).await {
            tracing::warn!(%error, "pulls and pushes could not be brought into the records");
        }
    }
}
