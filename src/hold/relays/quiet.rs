//! Detects the commits at which relays get a new request: the first one after a quiet time, or after a long time
//! without a request.
//!
//! It watches for new events, so that commits do not depend on it.

use tokio::sync::watch;
use tokio::time::Instant;

use super::RetryPolicy;

/// Sends a wish at the first event after each quiet time, and at the first one so long after the last wish that the
/// request is repeated, until the events end. The start counts as an event and as a wish.
pub(super) async fn wish_at_events<E>(
    mut newest_event: watch::Receiver<E>,
    policy: RetryPolicy,
    wish: watch::Sender<()>,
) {
    let (mut last, mut wished) = (Instant::now(), Instant::now());
    while newest_event.changed().await.is_ok() {
        if last.elapsed() >= policy.quiet || wished.elapsed() >= policy.repeat {
            wish.send_replace(());
            wished = Instant::now();
        }
        last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{Instant, sleep_until};

    use super::wish_at_events;
    use crate::relays::RetryPolicy;

    #[tokio::test(start_paused = true)]
    async fn the_first_event_after_a_quiet_time_ends_it_and_no_other() {
        let ((events, newest), (wish, mut wishes)) = (watch::channel(7), watch::channel(()));
        let start = Instant::now();
        tokio::spawn(wish_at_events(newest, RetryPolicy::default(), wish));
        // Seconds since the start, and whether the event at that time ends a quiet time.
        for (at_s, expected) in [(599, false), (1_198, false), (1_798, true), (1_799, false), (2_999, true)] {
            sleep_until(start + Duration::from_secs(at_s)).await;
            assert!(!wishes.has_changed().unwrap(), "without an event before {at_s}");
            events.send_modify(|seq| *seq += 1);
            sleep_until(start + Duration::from_millis(at_s * 1000 + 500)).await;
            assert_eq!(wishes.has_changed().unwrap(), expected, "{at_s}");
            wishes.mark_unchanged();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_without_a_quiet_time_cause_a_wish_now_and_then() {
        let ((events, newest), (wish, mut wishes)) = (watch::channel(7), watch::channel(()));
        let start = Instant::now();
        tokio::spawn(wish_at_events(newest, RetryPolicy::default(), wish));
        let mut wished_at = Vec::new();
        for minute in 1..=50 {
            sleep_until(start + Duration::from_secs(minute * 60)).await;
            events.send_modify(|seq| *seq += 1);
            sleep_until(start + Duration::from_secs(minute * 60 + 1)).await;
            if wishes.has_changed().unwrap() {
                wished_at.push(minute);
            }
            wishes.mark_unchanged();
        }
        assert_eq!(wished_at, [20, 40]);
    }
}
