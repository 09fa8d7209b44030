//! A start that waits for what may come by itself: a store that is away, a name that the DNS does not know yet, a clock
//! that is not set, a database that a command has.

use std::fmt::Display;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::notify;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// More than any attempt takes.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);

/// Runs one step of the start, and runs it again after a growing pause while its error `is_transient`. Tells the service
/// manager what the start waits for; without one the first error is final: whoever started the program sees it, and may
/// start it again. Returns `None` when `shutdown` came first. An attempt may take at most 60 seconds.
///
/// # Errors
/// The error of the last attempt.
pub async fn retry_start<T, E: Display, F: Future<Output = Result<T, E>>>(
    shutdown: &CancellationToken,
    mut attempt: impl FnMut() -> F,
    is_transient: impl Fn(&E) -> bool,
) -> Result<Option<T>, E> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        if !is_transient(&error) || !notify::is_listening() {
            return Err(error);
        }
        tracing::warn!("not started yet, trying again in {} s: {error}", pause.as_secs());
        notify::waiting(&format!("waiting to start: {error}"), pause + ATTEMPT_LIMIT);
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
