//! Single flight: a question is asked once at a time, whoever waits for its answer.
//!
//! A bounded number of questions runs, and another one waits for its turn; what comes beyond is turned away. Knows
//! nothing of what is asked, and remembers no answer: [`SingleFlight::join`] is told what is cached.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

const MAX_RUNNING: usize = 8;
const MAX_QUEUED: usize = 64;
/// How long a question waits for its turn. With the 5 s of the question itself a caller waits 10 s at most.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The questions of one kind that are under way, by what they are about.
pub(super) struct SingleFlight<K: Eq + Hash + Clone, A> {
    under_way: Mutex<HashMap<K, Waiter<A>>>,
    /// A permit for each question that runs or is queued.
    admitted: Arc<Semaphore>,
    running: Semaphore,
}

/// The duty to ask a question, alone. Dropping it lets the next caller ask.
pub(super) struct Leader<K: Eq + Hash + Clone, A> {
    group: Arc<SingleFlight<K, A>>,
    key: K,
    answer: watch::Sender<Option<A>>,
    _admitted: OwnedSemaphorePermit,
}

/// The right to an answer that somebody asks for.
pub(super) struct Waiter<A>(watch::Receiver<Option<A>>);

/// How a caller gets its answer.
pub(super) enum Joined<K: Eq + Hash + Clone, A> {
    /// It is cached.
    Cached(A),
    /// By a question; the first caller leads, the others only wait.
    Wait(Waiter<A>, Option<Leader<K, A>>),
    /// Not now: too many are under way.
    Full,
}

impl<K: Eq + Hash + Clone, A: Clone> SingleFlight<K, A> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            under_way: Mutex::default(),
            admitted: Arc::new(Semaphore::new(MAX_RUNNING + MAX_QUEUED)),
            running: Semaphore::new(MAX_RUNNING),
        })
    }

    /// Decides how `key` is answered; `cached` looks the answer up where answers are remembered.
    pub(super) fn join(self: &Arc<Self>, key: &K, cached: impl Fn() -> Option<A>) -> Joined<K, A> {
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let mut under_way = self.under_way();
        if let Some(waiter) = under_way.get(key) {
            return Joined::Wait(waiter.clone(), None);
        }
        // Once more under the lock: a question may have been completed in between.
        if let Some(answer) = cached() {
            return Joined::Cached(answer);
        }
        let Ok(admitted) = self.admitted.clone().try_acquire_owned() else { return Joined::Full };
        let (answer, waiting) = watch::channel(None);
        let waiter = Waiter(waiting);
        under_way.insert(key.clone(), waiter.clone());
        Joined::Wait(waiter, Some(Leader { group: self.clone(), key: key.clone(), answer, _admitted: admitted }))
    }
}

impl<K: Eq + Hash + Clone, A> SingleFlight<K, A> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Waiter<A>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, A> Leader<K, A> {
    /// What the question is about.
    pub(super) fn key(&self) -> &K {
        &self.key
    }

    /// Waits for the question's turn, which lasts as long as the permit; `None` when it does not come in time.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(QUEUE_TIMEOUT, self.group.running.acquire()).await.ok()?.ok()
    }

    /// Tells all who wait. What is to be remembered must be remembered before.
    pub(super) fn complete(self, answer: A) {
        self.answer.send_replace(Some(answer));
    }
}

impl<K: Eq + Hash + Clone, A> Drop for Leader<K, A> {
    fn drop(&mut self) {
        self.group.under_way().remove(&self.key);
    }
}

impl<A> Clone for Waiter<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Clone> Waiter<A> {
    /// The answer; `None` when the runtime ends before there is one.
    pub(super) async fn answer(mut self) -> Option<A> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
