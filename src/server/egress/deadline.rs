//! The deadline of an answer. One answer may need calls to several servers, one after the other; each has a time-out of
//! its own, and together they must not take longer than the client waits.
//!
//! [`answer_within`] sets the deadline for all that its future awaits in the same task, however deep: `exchange` of the
//! HTTP client ends by it. Spawned tasks have none. Work whose result others share, or which must not be cut off, does
//! not know of it: [`wait_for`] only stops waiting.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::EgressError;

tokio::task_local! {
    static DEADLINE: Option<Instant>;
}

fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}

/// Runs `work`, whose calls all end within `time`; sooner where a deadline is set already.
pub fn answer_within<T>(time: Duration, work: impl Future<Output = T>) -> impl Future<Output = T> {
    // The future of a whole answer is large: it is moved once.
    let work = Box::pin(work);
    async move {
        let own = Instant::now() + time;
        let deadline = deadline().map_or(own, |outer| outer.min(own));
        DEADLINE.scope(Some(deadline), work).await
    }
}

/// Runs `work` without a deadline: it has time-outs of its own, and is not left half done.
pub fn without_deadline<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    DEADLINE.scope(None, Box::pin(work))
}

/// Waits for `work` until the deadline, then drops it. The calls of `work` do not know of the deadline, so none that it cut
/// off is taken for a failure of its server.
///
/// # Errors
/// [`EgressError::TimedOut`], [`EgressError::NoTime`]
pub async fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, EgressError> {
    let work = without_deadline(work);
    let Some(deadline) = deadline() else { return Ok(work.await) };
    let left = left(Duration::MAX)?;
    timeout_at(deadline, work).await.map_err(|_| EgressError::TimedOut(left))
}

/// Returns the time for a call that may take `time`.
///
/// # Errors
/// [`EgressError::NoTime`]
pub(super) fn left(time: Duration) -> Result<Duration, EgressError> {
    let Some(deadline) = deadline() else { return Ok(time) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(EgressError::NoTime) } else { Ok(time.min(left)) }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn waits_of_one_answer_end_together() {
        let began = Instant::now();
        let waits = answer_within(seconds(10), async {
            tokio::time::sleep(seconds(4)).await;
            let first = left(seconds(5));
            let second = wait_for(pending::<()>()).await;
            (first, second, wait_for(pending::<()>()).await, left(seconds(5)))
        });
        let none = EgressError::NoTime;
        let expected = (Ok(seconds(5)), Err(EgressError::TimedOut(seconds(6))), Err(none.clone()), Err(none));
        assert_eq!((waits.await, began.elapsed()), (expected, seconds(10)));
        assert_eq!(left(seconds(60)), Ok(seconds(60)), "without a deadline");
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_has_no_more_time_than_the_whole_and_what_others_share_knows_of_neither() {
        answer_within(seconds(10), async {
            assert_eq!(answer_within(seconds(20), async { left(seconds(60)) }).await, Ok(seconds(10)));
            assert_eq!(answer_within(seconds(3), async { left(seconds(60)) }).await, Ok(seconds(3)));
            assert_eq!(without_deadline(async { left(seconds(60)) }).await, Ok(seconds(60)));
            assert_eq!(wait_for(async { left(seconds(60)) }).await, Ok(Ok(seconds(60))));
        })
        .await;
    }
}
