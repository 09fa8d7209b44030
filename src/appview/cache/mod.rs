//! Caches of what other servers answered. An answer that was looked up before a change is not kept after it.

use std::borrow::Borrow;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter, Weighter};
use tokio::time::Instant;

use server::nonpoison::Mutex;

/// Number of counters of changes, each for keys with the same hash.
const COUNTERS: usize = 64;

/// A cache whose values are good for some time.
pub struct TimedCache<K, V, W = UnitWeighter> {
    cache: Cache<K, Timed<V>, ByValue<W>>,
    good_for: Duration,
    /// Numbers of removals of keys.
    removals: [Mutex<u64>; COUNTERS],
}

#[derive(Clone)]
struct Timed<V> {
    value: V,
    until: Instant,
}

#[derive(Clone)]
struct ByValue<W>(W);

impl<K, V, W: Weighter<K, V>> Weighter<K, Timed<V>> for ByValue<W> {
    fn weight(&self, key: &K, timed: &Timed<V>) -> u64 {
        self.0.weight(key, &timed.value)
    }
}

/// The beginning of a look-up: its value is as old.
#[derive(Clone, Copy)]
pub struct LookUp {
    at: Instant,
    removals: u64,
}

impl<K: Hash + Eq, V: Clone> TimedCache<K, V> {
    /// Makes a cache of about `items` values.
    #[must_use]
    pub fn new(items: usize, good_for: Duration) -> Self {
        Self::of(Cache::with_weighter(items, items as u64, ByValue(UnitWeighter)), good_for)
    }
}

impl<K: Hash + Eq, V: Clone, W: Weighter<K, V> + Clone> TimedCache<K, V, W> {
    /// Makes a cache for about `items` values with the total weight `weight`. One value may have nearly all of it.
    #[must_use]
    pub fn weighted(items: usize, weight: u64, weighter: W, good_for: Duration) -> Self {
        Self::of(undivided(items, weight, ByValue(weighter)), good_for)
    }

    fn of(cache: Cache<K, Timed<V>, ByValue<W>>, good_for: Duration) -> Self {
        Self { cache, good_for, removals: std::array::from_fn(|_| Mutex::new(0)) }
    }

    /// Returns the value of a key, unless it is too old.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.cache.get(key).filter(|timed| Instant::now() < timed.until).map(|timed| timed.value)
    }

    /// Returns the value of a key, however old.
    pub fn last(&self, key: &K) -> Option<V> {
        self.cache.get(key).map(|timed| timed.value)
    }

    /// Notes that the value of a key is being looked up.
    pub fn begin(&self, key: &K) -> LookUp {
        LookUp { at: Instant::now(), removals: *self.removals_of(key).lock() }
    }

    /// Stores the value of a key that was looked up, unless it was removed since the look-up began.
    pub fn keep(&self, key: K, value: V, look_up: LookUp) {
        self.keep_for(key, value, look_up, self.good_for);
    }

    /// Does [`TimedCache::keep`] for a value that is good for another time.
    pub fn keep_for(&self, key: K, value: V, look_up: LookUp, good_for: Duration) {
        let removals = self.removals_of(&key).lock();
        if *removals == look_up.removals {
            self.cache.insert(key, Timed { value, until: look_up.at + good_for });
        }
    }

    /// Stores the value of a key, which is good from now on.
    pub fn insert(&self, key: K, value: V) {
        self.cache.insert(key, Timed { value, until: Instant::now() + self.good_for });
    }

    /// Removes the value of a key; one that is being looked up is not kept.
    pub fn remove(&self, key: &K) {
        let mut removals = self.removals_of(key).lock();
        *removals += 1;
        self.cache.remove(key);
    }

    /// Removes all values; those that are being looked up are not kept.
    pub fn clear(&self) {
        self.removals.iter().for_each(|removals| *removals.lock() += 1);
        self.cache.clear();
    }

    fn removals_of(&self, key: &K) -> &Mutex<u64> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        &self.removals[usize::try_from(hash % COUNTERS as u64).unwrap_or(0)]
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

    #[tokio::test(start_paused = true)]
    async fn a_value_that_was_looked_up_before_a_change_is_not_kept_after_it() {
        let (cache, key) = (TimedCache::<String, u32>::new(8, Duration::from_secs(10)), "a".to_owned());
        for change in [TimedCache::remove, |cache: &TimedCache<_, _>, _: &String| cache.clear()] {
            let before = cache.begin(&key);
            change(&cache, &key);
            let after = cache.begin(&key);
            cache.keep(key.clone(), 1, before);
            assert_eq!((cache.get("a"), cache.last(&key)), (None, None));
            tokio::time::advance(Duration::from_secs(9)).await;
            cache.keep(key.clone(), 2, after);
            assert_eq!(cache.get("a"), Some(2));
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!((cache.get("a"), cache.last(&key)), (None, Some(2)), "it is as old as its look-up");
        }
    }

    /// Each value weighs what it is.
    #[derive(Clone)]
    struct BySize;

    impl Weighter<&'static str, u64> for BySize {
        fn weight(&self, _: &&'static str, value: &u64) -> u64 {
            *value
        }
    }

    #[test]
    fn one_value_may_have_most_of_the_cache_however_many_cores_there_are() {
        let cache = TimedCache::weighted(1024, 1000, BySize, Duration::from_secs(10));
        for (key, weight) in [("a", 900), ("b", 901)] {
            cache.insert(key, weight);
            assert_eq!(cache.get(&key), Some(weight), "it is kept");
        }
        assert!(cache.cache.weight() <= 1000);
    }
}
