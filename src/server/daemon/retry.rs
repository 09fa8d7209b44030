//! Retries of the start while an error is transient: a blob store that is down, a name not yet in the DNS, a clock that
//! is not set, a database in use by a command.

use std::fmt::Display;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::notify;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Longest time of an attempt, as announced to the service manager.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);

/// Runs one step of the start, and retries it after a growing pause while its error `is_transient`. Tells the service
/// manager what the start waits for; without a service manager the first error is final. Returns `None` when `shutdown`
/// was cancelled first.
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

/// As [`retry_start`], for an `attempt` that blocks. One under way when `shutdown` is cancelled is left to itself: it
/// must stand that the process ends.
///
/// # Errors
/// The error of the last attempt.
pub async fn retry_blocking<T, E>(
    shutdown: &CancellationToken,
    attempt: impl Fn() -> Result<T, E> + Clone + Send + 'static,
    is_transient: impl Fn(&E) -> bool,
) -> Result<Option<T>, E>
where
    T: Send + 'static,
    E: Display + Send + 'static,
{
    let attempt = || async {
        match shutdown.run_until_cancelled(tokio::task::spawn_blocking(attempt.clone())).await {
            Some(Ok(done)) => done.map(Some),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => Ok(None),
        }
    };
    Ok(retry_start(shutdown, attempt, is_transient).await?.flatten())
}
