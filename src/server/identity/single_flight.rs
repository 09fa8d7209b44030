//! Single flight: concurrent requests of one caller for the same key share one answer.
//!
//! A bounded number of questions runs, and more wait for a slot; both with a share for each caller, so that a
//! caller with many questions waits behind itself. Two callers with the same question each ask it: no caller's answer
//! waits in the queue of another one. It does not know what is asked, and caches no answer: [`SingleFlight::join`] is
//! given a look-up of the cache.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload, Slot};
use crate::egress::Asked;
use crate::nonpoison::{Mutex, MutexGuard};

/// A question takes 5 s where nobody answers, so with the wait for its slot a caller has its answer after 10 s. A
/// caller that floods leaves two slots and a quarter of the queue to others; free slots go to the waiting callers round
/// robin.
const LIMITS: BulkheadLimits =
    BulkheadLimits { slots: 8, slots_per_caller: 6, queue: 64, queue_per_caller: 48, max_wait: Duration::from_secs(5) };

/// A question: its key and its caller.
type Question<K> = (K, Caller);

/// The questions of one kind that are under way, by key and caller.
pub(super) struct SingleFlight<K: Eq + Hash + Clone, A> {
    under_way: Mutex<HashMap<Question<K>, Waiter<A>>>,
    bulkhead: Bulkhead<Caller>,
}

/// The leader of a question, which asks it. Dropping it lets the next caller lead.
pub(super) struct Leader<K: Eq + Hash + Clone, A> {
    group: Arc<SingleFlight<K, A>>,
    question: Question<K>,
    answer: watch::Sender<Option<A>>,
    asked: Asked,
}

/// A waiter for the answer to a question under way.
pub(super) struct Waiter<A> {
    answer: watch::Receiver<Option<A>>,
    /// The hosts that are asked, which the answers of all waiters wait for.
    asked: Asked,
}

/// The way in which a caller gets its answer.
pub(super) enum Joined<K: Eq + Hash + Clone, A> {
    /// From the cache.
    Cached(A),
    /// From a question under way; the first of a caller's requests leads, the others only wait.
    Wait(Waiter<A>, Option<Leader<K, A>>),
}

impl<K: Eq + Hash + Clone, A: Clone> SingleFlight<K, A> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { under_way: Mutex::default(), bulkhead: Bulkhead::new(LIMITS) })
    }

    /// Returns how `key` is answered to `caller`; `cached` looks the answer up in the cache.
    pub(super) fn join(self: &Arc<Self>, key: &K, caller: &Caller, cached: impl Fn() -> Option<A>) -> Joined<K, A> {
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let question = (key.clone(), caller.clone());
        let mut under_way = self.under_way();
        if let Some(waiter) = under_way.get(&question) {
            return Joined::Wait(waiter.clone(), None);
        }
        // Checked again under the lock: a question may have been completed in between.
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let (answer, waiting) = watch::channel(None);
        let asked = Asked::default();
        let waiter = Waiter { answer: waiting, asked: asked.clone() };
        under_way.insert(question.clone(), waiter.clone());
        Joined::Wait(waiter, Some(Leader { group: self.clone(), question, answer, asked }))
    }

    /// Returns the metrics of the bulkhead.
    pub(super) fn counts(&self) -> &BulkheadCounts {
        self.bulkhead.counts()
    }
}

impl<K: Eq + Hash + Clone, A> SingleFlight<K, A> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Question<K>, Waiter<A>>> {
        self.under_way.lock()
    }
}

impl<K: Eq + Hash + Clone, A> Leader<K, A> {
    /// Returns the key of the question.
    pub(super) fn key(&self) -> &K {
        &self.question.0
    }

    /// Waits for a slot for the question.
    ///
    /// # Errors
    /// [`Overload`] when none is free in time, or too many wait already.
    pub(super) async fn slot(&self) -> Result<Slot<Caller>, Overload> {
        self.group.bulkhead.enter(&self.question.1).await
    }

    /// Asks the question by `asking`.
    pub(super) async fn ask(&self, asking: impl Future<Output = A>) -> A {
        self.asked.count(asking).await
    }

    /// Gives the answer to all waiters. An answer that is to be cached must be in the cache before.
    pub(super) fn complete(self, answer: A) {
        self.answer.send_replace(Some(answer));
    }
}

impl<K: Eq + Hash + Clone, A> Drop for Leader<K, A> {
    fn drop(&mut self) {
        self.group.under_way().remove(&self.question);
    }
}

impl<A> Clone for Waiter<A> {
    fn clone(&self) -> Self {
        Self { answer: self.answer.clone(), asked: self.asked.clone() }
    }
}

impl<A: Clone> Waiter<A> {
    /// Waits for the answer. Returns `None` when the runtime ends first.
    pub(super) async fn answer(mut self) -> Option<A> {
        self.asked.wait_for(self.answer.wait_for(Option::is_some)).await.ok()?.clone()
    }
}
