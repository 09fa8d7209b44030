//! Caches of what other servers answered.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::time::Instant;

/// A cache whose values are good for some time.
pub struct TimedCache<K, V> {
    cache: Cache<K, (V, Instant)>,
    good_for: Duration,
}

impl<K: Hash + Eq, V: Clone> TimedCache<K, V> {
    /// Makes a cache of about `items` values.
    #[must_use]
    pub fn new(items: usize, good_for: Duration) -> Self {
        Self { cache: Cache::new(items), good_for }
    }

    /// Returns the value of a key, unless it is too old.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (value, at) = self.cache.get(key)?;
        (at.elapsed() < self.good_for).then_some(value)
    }

    /// Stores the value of a key, which is good from now on.
    pub fn insert(&self, key: K, value: V) {
        self.cache.insert(key, (value, Instant::now()));
    }

    /// Removes the value of a key.
    pub fn remove(&self, key: &K) {
        self.cache.remove(key);
    }

    /// Removes all values.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

/// Makes a cache of one shard for about `items` entries with the total weight `weight`: a shard takes no entry that is
/// heavier than itself, and there would be more of them the more cores there are.
#[must_use]
pub fn undivided<K: Hash + Eq, V: Clone, W: Weighter<K, V> + Clone>(
    items: usize,
    weight: u64,
    weighter: W,
) -> Cache<K, V, W> {
    let mut options = OptionsBuilder::new();
    options.estimated_items_capacity(items).weight_capacity(weight).shards(1);
    let options = options.build().unwrap_or_else(|error| unreachable!("all that is required is set: {error}"));
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_is_good_for_its_time_and_a_new_one_for_as_long_again() {
        let cache = TimedCache::<String, u32>::new(8, Duration::from_secs(10));
        cache.insert("a".into(), 1);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!((cache.get("a"), cache.get("b")), (Some(1), None));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cache.get("a"), None);
        cache.insert("a".into(), 2);
        assert_eq!(cache.get("a"), Some(2));
        cache.remove(&"a".to_owned());
        assert_eq!(cache.get("a"), None);
    }
}
