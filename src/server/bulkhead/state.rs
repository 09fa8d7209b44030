//! The state of a bulkhead: slots held, waiters, and which caller is next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use tokio::sync::oneshot;

use super::{Admission, BulkheadLimits, Overload};

/// The state of a bulkhead. Small: at most `slots` and `queue` entries.
pub(super) struct State<K> {
    limits: BulkheadLimits,
    inside: usize,
    /// Slots taken, by caller; a caller without a slot has no entry.
    held: HashMap<K, usize>,
    /// The waiters of each caller, the oldest first; a caller without waiters has no entry.
    queues: HashMap<K, VecDeque<Waiter>>,
    /// Callers with a queue, the one that gets the next slot first.
    ring: VecDeque<K>,
    /// Slots given but not taken yet: their waiters may be dropped before they take them.
    granted: HashSet<u64>,
    waiting: usize,
    next_id: u64,
}

struct Waiter {
    id: u64,
    admission: oneshot::Sender<()>,
}

/// The answer to a request for a slot.
pub(super) enum Verdict {
    /// The request has a slot.
    Inside,
    /// The request waits for a slot.
    Waits {
        /// The id of the waiter.
        id: u64,
        /// Resolves with a slot counted for it, or with an error when it must give way.
        admission: Admission,
    },
    /// No slot is free, and the queue is full.
    Refused(Overload),
}

impl<K: Hash + Eq + Clone> State<K> {
    pub(super) fn new(limits: BulkheadLimits) -> Self {
        Self {
            limits,
            inside: 0,
            held: HashMap::new(),
            queues: HashMap::new(),
            ring: VecDeque::new(),
            granted: HashSet::new(),
            waiting: 0,
            next_id: 0,
        }
    }

    /// Gives a slot at once where one is free and no waiter could have it; else a position in the queue.
    pub(super) fn ask(&mut self, caller: &K) -> Verdict {
        // Callers that wait although a slot is free are at their share, so they are passed over.
        if self.inside < self.limits.slots && !self.is_at_its_share(caller) {
            self.admit(caller);
            return Verdict::Inside;
        }
        let own = self.queues.get(caller).map_or(0, VecDeque::len);
        if own >= self.limits.queue_per_caller {
            return Verdict::Refused(Overload::Caller);
        }
        if self.waiting >= self.limits.queue && !self.shorten_the_longest(own + 1) {
            return Verdict::Refused(if own > 0 { Overload::Caller } else { Overload::Server });
        }
        let (sender, admission) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        let queue = self.queues.entry(caller.clone()).or_default();
        if queue.is_empty() {
            self.ring.push_back(caller.clone());
        }
        queue.push_back(Waiter { id, admission: sender });
        self.waiting += 1;
        Verdict::Waits { id, admission }
    }

    /// Whether `caller` holds all that one caller may.
    pub(super) fn is_at_its_share(&self, caller: &K) -> bool {
        self.held.get(caller).is_some_and(|held| *held >= self.limits.slots_per_caller)
    }

    /// Frees a slot of `caller`.
    pub(super) fn leave(&mut self, caller: &K) {
        self.inside -= 1;
        if let Some(held) = self.held.get_mut(caller) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(caller);
            }
        }
        self.call_in();
    }

    /// Removes the waiter `id` of `caller`; a slot that it got meanwhile goes to the next waiter.
    pub(super) fn give_up(&mut self, caller: &K, id: u64) {
        if self.granted.remove(&id) {
            self.leave(caller);
        } else if let Some(queue) = self.queues.get_mut(caller)
            && let Some(at) = queue.iter().position(|waiter| waiter.id == id)
        {
            queue.remove(at);
            self.waiting -= 1;
            self.forget_empty(caller);
        }
    }

    fn admit(&mut self, caller: &K) {
        self.inside += 1;
        *self.held.entry(caller.clone()).or_default() += 1;
    }

    /// Gives free slots to the waiters, round robin by caller.
    fn call_in(&mut self) {
        let mut passed_over = 0;
        while self.inside < self.limits.slots && passed_over < self.ring.len() {
            let Some(caller) = self.ring.pop_front() else { return };
            self.ring.push_back(caller.clone());
            if self.is_at_its_share(&caller) {
                passed_over += 1;
                continue;
            }
            passed_over = 0;
            let Some(waiter) = self.queues.get_mut(&caller).and_then(VecDeque::pop_front) else { return };
            self.waiting -= 1;
            self.forget_empty(&caller);
            // Counted before the waiter is told. A waiter dropped at this moment gives the slot back by `give_up`.
            self.admit(&caller);
            self.granted.insert(waiter.id);
            let _ = waiter.admission.send(());
        }
    }

    /// Notes that the waiter `id` has taken the slot that it was given.
    pub(super) fn take(&mut self, id: u64) {
        self.granted.remove(&id);
    }

    /// Shortens the queue by refusing the newest waiter of the longest queue, if that is longer than `than`.
    fn shorten_the_longest(&mut self, than: usize) -> bool {
        let longest = self.queues.iter().max_by_key(|(_, queue)| queue.len());
        let Some((caller, length)) = longest.map(|(caller, queue)| (caller.clone(), queue.len())) else { return false };
        if length <= than {
            return false;
        }
        // Dropping its sender tells the waiter.
        self.queues.get_mut(&caller).and_then(VecDeque::pop_back);
        self.waiting -= 1;
        self.forget_empty(&caller);
        true
    }

    fn forget_empty(&mut self, caller: &K) {
        if self.queues.get(caller).is_some_and(VecDeque::is_empty) {
            self.queues.remove(caller);
            self.ring.retain(|waiting| waiting != caller);
        }
    }
}
