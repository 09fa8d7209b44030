//! A cache of answers of other servers, with one request for concurrent callers. A failure is cached as well, so that a
//! server that is slow or down is not asked again for each view of a page.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use tokio::time::timeout;

use crate::accounts::Inactive;
use crate::cache::TimedCache;
use crate::repos::ReposError;
use server::bulkhead::Locks;
use server::egress::{carried, wait_for};

/// Error of a look-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// It failed for this reason, a sentence for people.
    #[error("{0}")]
    Failed(String),
    /// What was looked up is not there, or is nothing of its kind: an answer, not a failure.
    #[error("{0}")]
    Absent(&'static str),
    /// There is nothing to be found: the account is not active.
    #[error(transparent)]
    Inactive(#[from] Inactive),
}

impl LookUpError {
    /// Makes the error of a look-up that another one ended.
    pub(super) fn of(error: impl std::error::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ReposError> for LookUpError {
    fn from(error: ReposError) -> Self {
        match error {
            ReposError::Inactive(why) => Self::Inactive(why),
            error => Self::of(error),
        }
    }
}

/// The result of a look-up.
pub type Answer<V> = Result<V, LookUpError>;

/// Cache times, and the time-out of a look-up.
#[derive(Clone, Copy)]
pub struct CacheTimes {
    /// How long a result is cached.
    pub fresh: Duration,
    /// How long a failure is cached.
    pub failed: Duration,
    /// Time-out of a look-up.
    pub time_out: Duration,
}

/// A cache of look-ups by key.
pub struct AnswerCache<K, V, W> {
    cache: TimedCache<K, Answer<V>, W>,
    locks: Locks<K>,
    times: CacheTimes,
}

impl<K, V, W> AnswerCache<K, V, W>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    W: Weighter<K, Answer<V>> + Clone + Send + Sync + 'static,
{
    /// Makes a cache for about `items` entries with the total weight `weight`. One entry may have nearly all of it.
    #[must_use]
    pub fn new(items: usize, weight: u64, weighter: W, times: CacheTimes) -> Arc<Self> {
        let cache = TimedCache::weighted(items, weight, weighter, times.fresh);
        Arc::new(Self { cache, locks: Locks::default(), times })
    }

    /// Returns the cached value of `key`, however old.
    pub(super) fn last(&self, key: &K) -> Option<V> {
        self.cache.last(key)?.ok()
    }

    /// Returns the cached result for `key`, or that of `ask`. A started look-up is completed even if the caller is
    /// dropped.
    ///
    /// # Errors
    /// [`LookUpError`], which is cached as well.
    pub async fn get(self: &Arc<Self>, key: K, ask: impl Future<Output = Answer<V>> + Send + 'static) -> Answer<V> {
        if let Some(known) = self.cache.get(&key) {
            return known;
        }
        let this = Arc::clone(self);
        let asked = tokio::spawn(carried(async move {
            let _guard = this.locks.lock(&key).await;
            // Another caller may have looked it up meanwhile.
            if let Some(known) = this.cache.get(&key) {
                return known;
            }
            let look_up = this.cache.begin(&key);
            let late = |_| LookUpError::Failed(format!("no answer came within {} s", this.times.time_out.as_secs()));
            let value = timeout(this.times.time_out, ask).await.map_err(late).flatten();
            let good_for = if value.is_ok() { this.times.fresh } else { this.times.failed };
            this.cache.keep_for(key, value.clone(), look_up, good_for);
            value
        }));
        let failed = |_| Err(LookUpError::Failed("the registry failed".into()));
        wait_for(asked).await.map_err(LookUpError::of)?.unwrap_or_else(failed)
    }

    /// Removes the cached result of `key`; that of a look-up under way is not cached.
    pub(super) fn forget(&self, key: &K) {
        self.cache.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use quick_cache::UnitWeighter;
    use server::egress::{ClientPolicy, Dns, HttpClient, Reach, answer_within, empty_body, with_slowest};

    use super::*;

    const POLICY: ClientPolicy = ClientPolicy {
        reach: Reach::Any,
        plain_http: true,
        connect_limit: Duration::from_secs(60),
        idle_connections: 0,
        idle_limit: Duration::from_secs(1),
        buffer_bytes: 16 * 1024,
    };

    const TIMES: CacheTimes = CacheTimes {
        fresh: Duration::from_millis(400),
        failed: Duration::from_millis(600),
        time_out: Duration::from_millis(200),
    };

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all_and_a_failure_is_kept() {
        let (kept, asked) = (AnswerCache::new(8, 8, UnitWeighter, TIMES), Arc::new(AtomicU32::new(0)));
        let ask = |wait_ms: u64| {
            let asked = Arc::clone(&asked);
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                Ok::<_, LookUpError>(7)
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
        // The caller that began the look-up is dropped.
        assert!(timeout(Duration::from_millis(5), kept.get("b", ask(50))).await.is_err());
        assert_eq!(kept.get("b", ask(60_000)).await, Ok(7));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_before_a_change_is_not_kept_after_it() {
        let kept = AnswerCache::new(8, 8, UnitWeighter, TIMES);
        let ask = |value: u32| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, LookUpError>(value)
        };
        let change = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            kept.forget(&"a");
            kept.get("a", ask(2)).await
        };
        let (before, after) = tokio::join!(kept.get("a", ask(1)), change);
        assert_eq!((before, after), (Ok(1), Ok(2)));
        assert_eq!(kept.get("a", ask(3)).await, Ok(2), "what was asked for since then is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_look_up_counts_for_the_answer_that_waits_for_it() {
        let kept = AnswerCache::new(8, 8, UnitWeighter, CacheTimes { time_out: Duration::from_secs(60), ..TIMES });
        let dns: Dns = Arc::new(|_| Box::pin(std::future::pending()));
        let client = HttpClient::new(&POLICY, dns).unwrap();
        let silent = async move {
            let request = http::Request::get("https://silent.example/").body(empty_body());
            client.send(request.unwrap()).await.map(|_| 7).map_err(LookUpError::of)
        };
        let said = answer_within(Duration::from_secs(9), async {
            kept.get("a", silent).await.unwrap_err();
            with_slowest("it is away".into())
        });
        assert_eq!(said.await, "silent.example took 9 s of the 9 s for an answer: it is away");
    }
}
