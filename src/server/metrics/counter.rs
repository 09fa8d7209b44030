//! Numbers that many tasks change at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less. Only after [`Gauge::up`].
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of one thing by the value of one label. All values are known beforehand.
#[derive(Debug)]
pub struct Tally<const N: usize> {
    values: [&'static str; N],
    counts: [Counter; N],
}

impl<const N: usize> Tally<N> {
    /// Nothing counted yet. The last value stands for all that are not among them.
    #[must_use]
    pub const fn new(values: [&'static str; N]) -> Self {
        Self { values, counts: [const { Counter::new() }; N] }
    }

    /// One more with this value.
    pub fn one(&self, value: &str) {
        let index = self.values.iter().position(|known| *known == value);
        if let Some(count) = index.map_or(self.counts.last(), |index| self.counts.get(index)) {
            count.one();
        }
    }

    /// Every value with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.values.into_iter().zip(self.counts.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_value_that_is_not_known_counts_as_the_last() {
        let tally = Tally::new(["a", "b", "other"]);
        ["b", "c", "", "b"].iter().for_each(|value| tally.one(value));
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", 0), ("b", 2), ("other", 2)]);
    }
}
