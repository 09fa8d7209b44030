//! The watchdog check: whether the hold works.

use std::time::Duration;

use server::sqlite::Database;

/// Whether the runtime's threads and timers work, and the database can be written and read.
pub(super) async fn check(database: Database) -> bool {
    let round_trip = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        database.ping().await
    });
    match round_trip.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer; the watchdog of the service manager is not notified");
            false
        }
        Err(_) => false,
    }
}
