//! Deliveries and attempts at them: when another one follows.

use std::time::Duration;

use super::event::WebhookEvent;

/// After a first attempt that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Pauses double until they are this long.
const LONGEST_PAUSE: Duration = Duration::from_hours(2);
/// How long an event is tried to be delivered.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(24);
/// How much longer a pause may be, by chance: receivers that came back are not asked for all at once.
const JITTER: f64 = 0.25;

/// How an attempt to deliver ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When, microseconds since 1970.
    pub at_us: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

/// A delivery as its owner sees it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// What its receiver knows it by.
    pub event: String,
    /// What it tells of.
    pub kind: WebhookEvent,
    /// The tag that was pushed; empty for other events.
    pub tag: String,
    /// Since when it waits, or waited, microseconds since 1970.
    pub queued_us: u64,
    /// When it is tried next; `None`: it is not any more.
    pub due_us: Option<u64>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub tried_us: Option<u64>,
    /// How long that took, in milliseconds.
    pub took_ms: Option<u64>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed.
    pub problem: Option<String>,
}

impl Delivery {
    /// Whether its receiver took it.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.due_us.is_none() && self.problem.is_none()
    }
}

/// When an event that waits since `queued_us` is tried again, after `attempts` that failed, the last one at `now_us`; `chance`
/// is from 0 to 1. `None`: not any more.
pub(super) fn next_us(queued_us: u64, now_us: u64, attempts: u32, chance: f64) -> Option<u64> {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let pause = doubled.min(LONGEST_PAUSE).mul_f64(1.0 + JITTER * chance);
    let next_us = now_us.saturating_add(micros(pause));
    (next_us <= queued_us.saturating_add(micros(GIVEN_UP_AFTER))).then_some(next_us)
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::next_us;

    #[test]
    fn pauses_grow_from_ten_seconds_to_two_hours_and_end_after_a_day() {
        let (mut now_us, mut pauses_s) = (7_000_000, Vec::new());
        while let Some(next) = next_us(7_000_000, now_us, u32::try_from(pauses_s.len()).unwrap() + 1, 0.0) {
            pauses_s.push((next - now_us) / 1_000_000);
            now_us = next;
        }
        assert_eq!(pauses_s[..4], [10, 20, 40, 80]);
        assert_eq!(pauses_s.last(), Some(&7200));
        assert!(pauses_s.is_sorted() && pauses_s.iter().sum::<u64>() <= 86_400, "{pauses_s:?}");
        assert!(pauses_s.len() > 15, "{pauses_s:?}");
        assert_eq!(next_us(0, 0, 1, 1.0), Some(12_500_000), "and a quarter more, by chance");
        assert_eq!(next_us(0, u64::MAX, u32::MAX, 1.0), None);
    }
}
