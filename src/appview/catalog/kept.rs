//! What others answered a moment ago. Whoever comes first asks, for all; a failure is kept as well, so that a server that is
//! slow or away is not asked again by each who wants to see its page.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use server::bulkhead::Locks;

/// Why something is not known, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub String);

/// What is kept of one thing, and since when.
#[derive(Clone)]
pub struct Answer<V> {
    pub(super) value: Result<V, Unknown>,
    at: Instant,
}

/// For how long.
#[derive(Clone, Copy)]
pub struct Times {
    /// Answers.
    pub fresh: Duration,
    /// Failures.
    pub failed: Duration,
    /// A question, at most.
    pub ask: Duration,
}

/// Remembers answers.
pub struct Kept<K, V, W> {
    cache: Cache<K, Answer<V>, W>,
    turns: Locks<K>,
    times: Times,
}

impl<K, V, W> Kept<K, V, W>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    W: Weighter<K, Answer<V>> + Clone + Send + Sync + 'static,
{
    /// Remembers things of this weight together, about so many.
    #[must_use]
    pub fn new(items: usize, weight: u64, weighter: W, times: Times) -> Arc<Self> {
        Arc::new(Self { cache: Cache::with_weighter(items, weight, weighter), turns: Locks::default(), times })
    }

    fn known(&self, key: &K) -> Option<Result<V, Unknown>> {
        let answer = self.cache.get(key)?;
        let age = if answer.value.is_ok() { self.times.fresh } else { self.times.failed };
        (answer.at.elapsed() < age).then_some(answer.value)
    }

    /// What is kept of `key`, however old.
    pub(super) fn last(&self, key: &K) -> Option<V> {
        self.cache.get(key)?.value.ok()
    }

    /// What is kept of `key`, or what `ask` finds. A question that was begun is asked to its end, whoever goes away.
    ///
    /// # Errors
    /// [`Unknown`], which is kept as well.
    pub async fn get(
        self: &Arc<Self>,
        key: K,
        ask: impl Future<Output = Result<V, Unknown>> + Send + 'static,
    ) -> Result<V, Unknown> {
        if let Some(known) = self.known(&key) {
            return known;
        }
        let this = Arc::clone(self);
        let asked = tokio::spawn(async move {
            let _turn = this.turns.lock(&key).await;
            // Others asked meanwhile.
            if let Some(known) = this.known(&key) {
                return known;
            }
            let late = |_| Unknown(format!("no answer came within {} s", this.times.ask.as_secs()));
            let value = timeout(this.times.ask, ask).await.map_err(late).flatten();
            this.cache.insert(key, Answer { value: value.clone(), at: Instant::now() });
            value
        });
        asked.await.unwrap_or_else(|_| Err(Unknown("the registry failed".into())))
    }

    /// The next one who wants it asks.
    pub(super) fn forget(&self, key: &K) {
        self.cache.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use quick_cache::UnitWeighter;

    use super::*;

    const TIMES: Times = Times {
        fresh: Duration::from_millis(400),
        failed: Duration::from_millis(600),
        ask: Duration::from_millis(200),
    };

    #[tokio::test]
    async fn one_asks_for_all_and_a_failure_is_kept() {
        let (kept, asked) = (Kept::new(8, 8, UnitWeighter, TIMES), Arc::new(AtomicU32::new(0)));
        let ask = |wait_ms: u64| {
            let asked = Arc::clone(&asked);
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                Ok::<_, Unknown>(7)
            }
        };
        let (one, other) = tokio::join!(kept.get("a", ask(20)), kept.get("a", ask(20)));
        assert_eq!((one, other, asked.load(Ordering::Relaxed)), (Ok(7), Ok(7), 1));
        tokio::time::sleep(TIMES.fresh).await;
        assert!(kept.get("a", ask(60_000)).await.is_err(), "it is too slow");
        assert!(kept.get("a", ask(0)).await.is_err(), "and is not asked again");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        tokio::time::sleep(TIMES.failed).await;
        assert_eq!(kept.get("a", ask(0)).await, Ok(7));
        // Whoever began it goes away.
        assert!(timeout(Duration::from_millis(5), kept.get("b", ask(50))).await.is_err());
        assert_eq!(kept.get("b", ask(60_000)).await, Ok(7));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }
}
