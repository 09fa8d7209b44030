//! Single flight: a question of one caller is asked once at a time, whoever waits for its answer.
//!
//! A bounded number of questions runs, and another one waits for its turn; both in shares for each caller, so that whoever
//! asks much waits behind itself. Two callers with the same question each ask it: nobody's answer waits in the queue of
//! another one. Knows nothing of what is asked, and remembers no answer: [`SingleFlight::join`] is told what is cached.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload, Place};

/// A question takes 5 s where nobody answers, so with what waits for its turn a caller has its answer after 10 s. One that
/// floods leaves two places at once, and as many that wait, to others; the next that is free goes to each in turn.
const LIMITS: BulkheadLimits = BulkheadLimits {
    places: 8,
    places_per_caller: 6,
    queue: 64,
    queue_per_caller: 48,
    max_wait: Duration::from_secs(5),
};

/// What is asked, and by whom.
type Question<K> = (K, Caller);

/// The questions of one kind that are under way, by key.
pub(super) struct SingleFlight<K: Eq + Hash + Clone, A> {
    under_way: Mutex<HashMap<Question<K>, Waiter<A>>>,
    turns: Bulkhead<Caller>,
}

/// The duty to ask a question, alone. Dropping it lets the next caller ask.
pub(super) struct Leader<K: Eq + Hash + Clone, A> {
    group: Arc<SingleFlight<K, A>>,
    question: Question<K>,
    answer: watch::Sender<Option<A>>,
}

/// Waits for the answer to a question that another caller asks.
pub(super) struct Waiter<A>(watch::Receiver<Option<A>>);

/// How a caller gets its answer.
pub(super) enum Joined<K: Eq + Hash + Clone, A> {
    /// It is cached.
    Cached(A),
    /// By a question; the first of a caller's requests leads, the others only wait.
    Wait(Waiter<A>, Option<Leader<K, A>>),
}

impl<K: Eq + Hash + Clone, A: Clone> SingleFlight<K, A> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { under_way: Mutex::default(), turns: Bulkhead::new(LIMITS) })
    }

    /// Decides how `key` is answered to `caller`; `cached` looks the answer up where answers are remembered.
    pub(super) fn join(self: &Arc<Self>, key: &K, caller: &Caller, cached: impl Fn() -> Option<A>) -> Joined<K, A> {
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let question = (key.clone(), caller.clone());
        let mut under_way = self.under_way();
        if let Some(waiter) = under_way.get(&question) {
            return Joined::Wait(waiter.clone(), None);
        }
        // Once more under the lock: a question may have been completed in between.
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let (answer, waiting) = watch::channel(None);
        let waiter = Waiter(waiting);
        under_way.insert(question.clone(), waiter.clone());
        Joined::Wait(waiter, Some(Leader { group: self.clone(), question, answer }))
    }

    /// Who has a turn, who waits for one, and who got none.
    pub(super) fn counts(&self) -> &BulkheadCounts {
        self.turns.counts()
    }
}

impl<K: Eq + Hash + Clone, A> SingleFlight<K, A> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Question<K>, Waiter<A>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, A> Leader<K, A> {
    /// Returns the key of the question.
    pub(super) fn key(&self) -> &K {
        &self.question.0
    }

    /// Waits for the question's turn, which lasts as long as the place.
    ///
    /// # Errors
    /// [`Overload`] when it does not come in time, or too many wait already.
    pub(super) async fn turn(&self) -> Result<Place<Caller>, Overload> {
        self.group.turns.enter(&self.question.1).await
    }

    /// Gives the answer to all who wait. An answer that is to be cached must be in the cache before.
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
        Self(self.0.clone())
    }
}

impl<A: Clone> Waiter<A> {
    /// Waits for the answer. Returns `None` when the runtime ends first.
    pub(super) async fn answer(mut self) -> Option<A> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
