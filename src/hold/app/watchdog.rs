//! The watchdog check: whether the hold does its work.

use std::time::Duration;

use server::sqlite::Database;

/// Whether the threads of the runtime, its timers, and the database, to write and to read, do their work.
pub(super) async fn check(database: Database) -> bool {
    let round_trip = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        database.ping().await
    });
    match round_trip.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer; the service manager gets no sign of life");
            false
        }
        Err(_) => false,
    }
}
