//! The deadline of an answer. One answer may need calls to several servers, one after the other; each has a time-out of
//! its own, and together they must not take longer than the client waits.
//!
//! [`answer_within`] sets the deadline for all that its future awaits in the same task, however deep: `exchange` of the
//! HTTP client ends by it. Spawned tasks have none. Work whose result others share, or which must not be cut off, does
//! not know of it: [`wait_for`] only stops waiting. When it has passed, [`with_slowest`] names the host that took the time.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::EgressError;
use super::asked::Asked;

tokio::task_local! {
    static DEADLINE: Option<Deadline>;
}

#[derive(Clone)]
struct Deadline {
    at: Instant,
    /// The time from the begin of the answer.
    whole: Duration,
    asked: Asked,
}

fn current() -> Option<Deadline> {
    DEADLINE.try_with(Clone::clone).ok().flatten()
}

fn deadline() -> Option<Instant> {
    current().map(|deadline| deadline.at)
}

/// Runs `work`, whose calls all end within `time`; sooner where a deadline is set already.
pub fn answer_within<T>(time: Duration, work: impl Future<Output = T>) -> impl Future<Output = T> {
    // The future of a whole answer is large: it is moved once.
    let work = Box::pin(work);
    async move {
        let own = Instant::now() + time;
        let deadline = match current().filter(|outer| outer.at <= own) {
            Some(outer) => outer,
            None => Deadline { at: own, whole: time, asked: Asked::part() },
        };
        let asked = deadline.asked.clone();
        asked.count(DEADLINE.scope(Some(deadline), work)).await
    }
}

/// Returns `message`, the error of an answer. If the deadline of the answer has passed, it begins with the host that took
/// most of the time, unless that is less than half of it: the server that the error is about may only have been asked last.
#[must_use]
pub fn with_slowest(message: String) -> String {
    let used_up = current().filter(|deadline| deadline.at <= Instant::now());
    let slowest = used_up.and_then(|deadline| Some((deadline.asked.slowest()?, deadline.whole)));
    match slowest.filter(|((_, took), whole)| *took * 2 >= *whole) {
        Some(((host, took), whole)) => {
            let (took_s, whole_s) = (took.min(whole).as_secs_f64().ceil(), whole.as_secs_f64().ceil());
            format!("{host} took {took_s} s of the {whole_s} s for an answer: {message}")
        }
        None => message,
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

    use super::super::asked::asking;
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

    #[tokio::test(start_paused = true)]
    async fn the_host_that_took_the_time_is_named_and_not_the_one_that_was_asked_last() {
        let ask = async |host: &str, takes_s| {
            let _asking = asking(host);
            tokio::time::sleep(seconds(takes_s)).await;
            with_slowest("b does not answer".into())
        };
        let message = "b does not answer";
        answer_within(seconds(10), async {
            ask("a", 8).await;
            assert_eq!(ask("b", 1).await, message, "there is time left");
            assert_eq!(ask("b", 1).await, format!("a took 8 s of the 10 s for an answer: {message}"));
        })
        .await;
        answer_within(seconds(10), async {
            ask("a", 8).await;
            let part = answer_within(seconds(1), ask("b", 1)).await;
            assert_eq!(part, format!("b took 1 s of the 1 s for an answer: {message}"));
        })
        .await;
        answer_within(seconds(10), async {
            ask("a", 3).await;
            ask("b", 4).await;
            assert_eq!(ask("c", 3).await, message, "none of them alone");
        })
        .await;
        assert_eq!(ask("a", 60).await, message, "without a deadline");
    }
}
