//! A histogram of durations.

use std::time::Duration;

use super::Counter;
use atproto::syntax::micros;

/// The upper bounds of the buckets, in seconds: a read from memory, the database, a sync of the disk, a slow client,
/// reading back a large blob.
const ENDS_S: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];
const ENDS_US: [u64; 7] = [5_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000, 60_000_000];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The count of each bucket alone; the last is that of longer durations.
    steps: [Counter; ENDS_S.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Counts a duration.
    pub fn observe(&self, took: Duration) {
        let took_us = micros(took);
        self.steps[ENDS_US.partition_point(|end_us| *end_us < took_us)].inc();
        self.sum_us.add(took_us);
    }

    /// Returns the upper bound of each bucket but the last, in seconds, with the number of durations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.steps.iter().scan(0, |sum, step| {
            *sum += step.get();
            Some(*sum)
        });
        ENDS_S.into_iter().zip(counts)
    }

    /// Returns the number of durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps.iter().map(Counter::get).sum()
    }

    /// Returns the sum of the durations, in seconds.
    #[must_use]
    pub fn sum_s(&self) -> f64 {
        Duration::from_micros(self.sum_us.get()).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ENDS_S, ENDS_US, Histogram};

    #[test]
    fn a_duration_counts_in_its_step_and_all_above() {
        assert_eq!(ENDS_S.map(|end_s| Duration::from_secs_f64(end_s).as_micros() as u64), ENDS_US);
        let histogram = Histogram::default();
        for us in [0, 5_000, 5_001, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let counts: Vec<_> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!((counts, histogram.count()), (vec![2, 3, 3, 3, 3, 3, 4], 5));
        assert!((histogram.sum_s() - 120.010_002).abs() < 1e-9);
    }
}
