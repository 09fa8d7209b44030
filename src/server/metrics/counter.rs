//! Counters and gauges that many tasks change at once.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Makes a counter at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Subtracts one. Only after [`Gauge::inc`].
    pub fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A label of a metric: an enum whose variants are all its values. Implemented by [`label!`](crate::label).
pub trait Label: Copy {
    /// The texts of the values, in the order of the variants.
    const VALUES: &'static [&'static str];

    /// Returns the index in [`Label::VALUES`].
    fn index(self) -> usize;
}

/// Declares an enum as a [`Label`]: each variant with its text.
#[macro_export]
macro_rules! label {
    ($(#[$about:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $crate::metrics::Label for $name {
            const VALUES: &'static [&'static str] = &[$($text),+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// A counter for each value of a label.
#[derive(Debug)]
pub struct CounterBy<L> {
    counts: Box<[Counter]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> CounterBy<L> {
    /// Adds one to the counter of this value.
    pub fn inc(&self, value: L) {
        self.counts[value.index()].inc();
    }

    /// Returns every value with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        L::VALUES.iter().copied().zip(self.counts.iter().map(Counter::get))
    }
}

impl<L: Label> Default for CounterBy<L> {
    fn default() -> Self {
        Self { counts: L::VALUES.iter().map(|_| Counter::new()).collect(), label: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::CounterBy;

    crate::label! {
        /// A label with two values.
        enum Letter {
            A = "a",
            B = "b",
        }
    }

    #[test]
    fn each_value_has_its_count() {
        let counts = CounterBy::default();
        [Letter::B, Letter::A, Letter::B].into_iter().for_each(|letter| counts.inc(letter));
        assert_eq!(counts.iter().collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
    }
}
