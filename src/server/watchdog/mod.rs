//! The watchdog of a daemon with a database: pings the service manager while the database works.

use std::time::Duration;

use crate::daemon::{Background, notify};
use crate::sqlite::{Database, DatabaseHealth};

/// The longest interval between probes of an idle database: half of [`DatabaseHealth::MAX_STALL`].
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// Probes the database, and sends watchdog pings where the service manager wants them, for as long as the daemon runs.
pub fn keep(background: &mut Background, database: &Database) {
    let waits = notify::watchdog();
    // The interval of the pings is a third of the time-out.
    let max_stall = waits.map(|waits| waits / 3);
    let probe_every = max_stall.map_or(PROBE_EVERY, |max_stall| PROBE_EVERY.min(max_stall / 2));
    let (probed, health) = (database.clone(), database.health());
    background.spawn("probe of the database", async move { probed.probe(probe_every).await });
    if let (Some(waits), Some(max_stall)) = (waits, max_stall) {
        background.spawn("watchdog", notify::keep_alive(waits, move || is_alive(health.clone(), max_stall)));
    }
}

/// Whether the runtime's threads and timers work, and readers and writer of the database make progress.
async fn is_alive(health: DatabaseHealth, max_stall: Duration) -> bool {
    let round_trip = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        health.check(max_stall)
    });
    match round_trip.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!("{error}; the service manager gets no sign of life");
            false
        }
        Err(_) => false,
    }
}
