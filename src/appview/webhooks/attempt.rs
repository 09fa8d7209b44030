//! Deliveries, attempts at them, and the time of the next attempt.

use std::time::Duration;

use super::event::WebhookEvent;
use atproto::syntax::micros;

/// Pause after the first failed attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause; pauses double up to it.
const LONGEST_PAUSE: Duration = Duration::from_hours(2);
/// Time after which an event is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(24);
/// Largest random extension of a pause, as a fraction of it: a receiver that recovers does not get all attempts at
/// once.
const JITTER: f64 = 0.25;

/// The result of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Time of its end, microseconds since 1970.
    pub at_us: u64,
    /// Duration of the attempt, in milliseconds.
    pub took_ms: u64,
    /// Status of the response, if there was one.
    pub status: Option<u16>,
    /// The error, if the attempt failed.
    pub problem: Option<String>,
    /// How long its receiver takes nothing, as it says.
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// Until when its receiver takes nothing, as it says, microseconds since 1970; never for longer than between two
    /// attempts.
    pub(super) fn quiet_until_us(&self) -> Option<u64> {
        self.retry_after.map(|asked| self.at_us.saturating_add(micros(asked.min(LONGEST_PAUSE))))
    }
}

/// A delivery, as the webhook's owner sees it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The delivery's id.
    pub id: i64,
    /// The id that the receiver gets in `X-Atcr-Delivery`.
    pub event: String,
    /// The kind of the event.
    pub kind: WebhookEvent,
    /// The tag that was pushed; empty for other events.
    pub tag: String,
    /// Time when it was queued, microseconds since 1970.
    pub queued_us: u64,
    /// Time of the next attempt, microseconds since 1970; `None` when there is none.
    pub due_us: Option<u64>,
    /// Number of attempts.
    pub attempts: u32,
    /// Time of the last attempt, microseconds since 1970.
    pub tried_us: Option<u64>,
    /// Duration of the last attempt, in milliseconds.
    pub took_ms: Option<u64>,
    /// Status of the response, if there was one.
    pub status: Option<u16>,
    /// The error of the last attempt, or the reason why the delivery was given up.
    pub problem: Option<String>,
}

impl Delivery {
    /// Whether the receiver accepted the delivery.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.due_us.is_none() && self.problem.is_none()
    }
}

/// When an event that waits since `queued_us` is tried again, after `attempts` that failed, of which `last` was the last one;
/// `chance` is from 0 to 1. `None`: not any more.
pub(super) fn next_us(queued_us: u64, attempts: u32, last: &Attempt, chance: f64) -> Option<u64> {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let pause = doubled.max(last.retry_after.unwrap_or_default()).min(LONGEST_PAUSE).mul_f64(1.0 + JITTER * chance);
    let next_us = last.at_us.saturating_add(micros(pause));
    (next_us <= queued_us.saturating_add(micros(GIVEN_UP_AFTER))).then_some(next_us)
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Duration, next_us};

    fn failed(at_us: u64, retry_after_s: Option<u64>) -> Attempt {
        let retry_after = retry_after_s.map(Duration::from_secs);
        Attempt { at_us, took_ms: 1, status: Some(503), problem: Some(String::new()), retry_after }
    }

    #[test]
    fn pauses_grow_from_ten_seconds_to_two_hours_and_end_after_a_day() {
        let (mut now_us, mut pauses_s) = (7_000_000, Vec::new());
        let next = |now_us, attempts| next_us(7_000_000, attempts, &failed(now_us, None), 0.0);
        while let Some(next) = next(now_us, u32::try_from(pauses_s.len()).unwrap() + 1) {
            pauses_s.push((next - now_us) / 1_000_000);
            now_us = next;
        }
        assert_eq!(pauses_s[..4], [10, 20, 40, 80]);
        assert_eq!(pauses_s.last(), Some(&7200));
        assert!(pauses_s.is_sorted() && pauses_s.iter().sum::<u64>() <= 86_400, "{pauses_s:?}");
        assert!(pauses_s.len() > 15, "{pauses_s:?}");
        assert_eq!(next_us(0, 1, &failed(0, None), 1.0), Some(12_500_000), "and a quarter more, by chance");
        assert_eq!(next_us(0, u32::MAX, &failed(u64::MAX, None), 1.0), None);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_pauses_and_not_for_shorter_ones() {
        let pause_s =
            |attempts, asked_s| next_us(0, attempts, &failed(0, Some(asked_s)), 0.0).map(|next_us| next_us / 1_000_000);
        assert_eq!([pause_s(1, 3), pause_s(1, 60), pause_s(4, 60)], [Some(10), Some(60), Some(80)]);
        assert_eq!(pause_s(1, u64::MAX), Some(7_200), "two hours at most");
        assert_eq!(failed(5, Some(u64::MAX)).quiet_until_us(), Some(7_200_000_005));
        assert_eq!(failed(5, None).quiet_until_us(), None);
    }
}
