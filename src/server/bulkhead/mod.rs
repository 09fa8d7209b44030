//! A bulkhead: a limit of concurrent requests, a bounded queue before it, and round robin among the callers that wait.
//!
//! A caller that floods it fills its own queue, not that of others: slots are given to the callers that wait round
//! robin, no caller holds more than its share, and when the queue is full the longest queue of one caller gives
//! way. A wait is short; after it the caller gets an [`Overload`], and may retry later.

mod caller;
mod locks;
mod share;
mod show;
mod state;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::metrics::{Counter, Gauge};
use crate::nonpoison::{Mutex, MutexGuard};
pub use caller::Caller;
pub use locks::{LockGuard, Locks};
pub use share::has_share;
use state::{State, Verdict};

/// The limits of one bulkhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadLimits {
    /// Number of requests that may run at once.
    pub slots: usize,
    /// Number of these slots that one caller may hold.
    pub slots_per_caller: usize,
    /// Number of requests that may wait, of all callers together.
    pub queue: usize,
    /// Number of requests of one caller that may wait.
    pub queue_per_caller: usize,
    /// Longest wait of a request before it is refused.
    pub max_wait: Duration,
}

/// Reasons why a request got no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// Other callers hold the slots. Answer 503.
    #[error("too much is asked of this server at present")]
    Server,
    /// The caller itself has too many requests under way. Answer 429.
    #[error("too many requests of this caller are under way")]
    Caller,
}

/// The metrics of a bulkhead.
#[derive(Debug, Default)]
pub struct BulkheadCounts {
    /// Slots that are taken now.
    pub inside: Gauge,
    /// Requests that wait now.
    pub waiting: Gauge,
    /// Requests refused because other callers hold the slots.
    pub refused_server: Counter,
    /// Requests refused because their caller has too many.
    pub refused_caller: Counter,
}

/// A bulkhead for callers of type `K`. Cheap to clone.
pub struct Bulkhead<K>(Arc<Shared<K>>);

struct Shared<K> {
    limits: BulkheadLimits,
    state: Mutex<State<K>>,
    counts: BulkheadCounts,
}

/// A slot in the bulkhead; dropping it admits the next waiter.
pub struct Slot<K: Hash + Eq + Clone> {
    shared: Arc<Shared<K>>,
    caller: Option<K>,
}

impl<K> Clone for Bulkhead<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> Bulkhead<K> {
    /// Makes a bulkhead with all slots free.
    #[must_use]
    pub fn new(limits: BulkheadLimits) -> Self {
        let state = Mutex::new(State::new(limits));
        Self(Arc::new(Shared { limits, state, counts: BulkheadCounts::default() }))
    }

    /// Returns its metrics.
    #[must_use]
    pub fn counts(&self) -> &BulkheadCounts {
        &self.0.counts
    }

    /// Waits for a slot, for at most [`BulkheadLimits::max_wait`].
    ///
    /// # Errors
    /// [`Overload`]
    pub async fn enter(&self, caller: &K) -> Result<Slot<K>, Overload> {
        let shared = &self.0;
        // Bound to a variable, so that the lock is not held during the wait.
        let verdict = shared.state().ask(caller);
        let (id, admission) = match verdict {
            Verdict::Inside => return Ok(shared.slot(caller)),
            Verdict::Refused(overload) => return Err(shared.refuse(overload)),
            Verdict::Waits { id, admission } => (id, admission),
        };
        shared.counts.waiting.inc();
        let waiting = Waiting { shared, caller, id, ended: false };
        let outcome = tokio::time::timeout(shared.limits.max_wait, admission).await;
        // A slot given just as the time-out fires is given back by the guard, which checks again.
        match outcome {
            Ok(Ok(())) => {
                waiting.end();
                Ok(shared.slot(caller))
            }
            // This waiter was dropped: its caller had the longest queue.
            Ok(Err(_)) => Err(shared.refuse(Overload::Caller)),
            Err(_) => {
                let own = shared.state().is_at_its_share(caller);
                Err(shared.refuse(if own { Overload::Caller } else { Overload::Server }))
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock()
    }

    /// Makes the guard of a slot that the state has counted already.
    fn slot(self: &Arc<Self>, caller: &K) -> Slot<K> {
        self.counts.inside.inc();
        Slot { shared: Arc::clone(self), caller: Some(caller.clone()) }
    }

    fn refuse(&self, overload: Overload) -> Overload {
        match overload {
            Overload::Server => self.counts.refused_server.inc(),
            Overload::Caller => self.counts.refused_caller.inc(),
        }
        overload
    }
}

impl<K: Hash + Eq + Clone> Drop for Slot<K> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.take() {
            self.shared.counts.inside.dec();
            self.shared.state().leave(&caller);
        }
    }
}

/// Removes a waiter from the queue when it is dropped, or gives back the slot that it got meanwhile.
struct Waiting<'w, K: Hash + Eq + Clone> {
    shared: &'w Arc<Shared<K>>,
    caller: &'w K,
    id: u64,
    ended: bool,
}

impl<K: Hash + Eq + Clone> Waiting<'_, K> {
    /// Ends the wait of a request that got its slot.
    fn end(mut self) {
        self.shared.state().take(self.id);
        self.ended = true;
    }
}

impl<K: Hash + Eq + Clone> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.shared.counts.waiting.dec();
        if !self.ended {
            self.shared.state().give_up(self.caller, self.id);
        }
    }
}

/// Tells a waiter that it has a slot.
type Admission = oneshot::Receiver<()>;

#[cfg(test)]
mod tests {
    use super::*;

    fn bulkhead(slots: usize, share: usize, queue: usize) -> Bulkhead<&'static str> {
        Bulkhead::new(BulkheadLimits {
            slots,
            slots_per_caller: share,
            queue,
            queue_per_caller: queue,
            max_wait: Duration::from_secs(2),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_caller_leaves_room_for_others() {
        let doors = bulkhead(4, 3, 8);
        let mut flood = Vec::new();
        for _ in 0..3 {
            flood.push(doors.enter(&"flood").await.unwrap());
        }
        let refused = doors.enter(&"flood").await;
        assert_eq!(refused.err(), Some(Overload::Caller), "its share is all it gets, after a wait");
        assert!(doors.enter(&"other").await.is_ok());
        assert_eq!(doors.counts().refused_caller.get(), 1);
        assert_eq!((doors.counts().inside.get(), doors.counts().waiting.get()), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_given_round_robin() {
        let doors = bulkhead(1, 1, 8);
        let inside = doors.enter(&"flood").await.unwrap();
        let (order, mut seen) = tokio::sync::mpsc::unbounded_channel();
        for caller in ["flood", "flood", "flood", "other"] {
            let (doors, order) = (doors.clone(), order.clone());
            tokio::spawn(async move {
                let slot = doors.enter(&caller).await;
                order.send(caller).unwrap();
                drop(slot);
            });
            tokio::task::yield_now().await;
        }
        drop(inside);
        let first = [seen.recv().await.unwrap(), seen.recv().await.unwrap()];
        assert!(first.contains(&"other"), "not behind all of the flood: {first:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_takes_from_the_longest() {
        let doors = bulkhead(1, 1, 2);
        let inside = doors.enter(&"a").await.unwrap();
        let wait = |caller: &'static str| {
            let doors = doors.clone();
            tokio::spawn(async move { doors.enter(&caller).await.map(drop) })
        };
        let (first, second) = (wait("flood"), wait("flood"));
        tokio::task::yield_now().await;
        let third = wait("other");
        assert_eq!(second.await.unwrap(), Err(Overload::Caller), "the newest of the longest queue goes");
        drop(inside);
        assert_eq!((first.await.unwrap(), third.await.unwrap()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_takes_no_place_with_it() {
        let doors = bulkhead(1, 1, 8);
        let inside = doors.enter(&"a").await.unwrap();
        let gone = doors.clone();
        let task = tokio::spawn(async move { gone.enter(&"b").await.map(drop) });
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(doors.counts().waiting.get(), 0);
        drop(inside);
        assert!(doors.enter(&"c").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_comes_too_late_goes_to_the_next() {
        let doors = bulkhead(1, 1, 8);
        let inside = doors.enter(&"a").await.unwrap();
        let gone = doors.clone();
        let task = tokio::spawn(async move { gone.enter(&"b").await.map(drop) });
        tokio::task::yield_now().await;
        // It gets the slot, and goes away before it runs again.
        drop(inside);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(doors.enter(&"c").await.is_ok());
        assert_eq!(doors.counts().inside.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends() {
        let doors = bulkhead(1, 1, 8);
        let _inside = doors.enter(&"a").await.unwrap();
        assert_eq!(doors.enter(&"b").await.err(), Some(Overload::Server));
        assert_eq!(doors.counts().refused_server.get(), 1);
    }
}
