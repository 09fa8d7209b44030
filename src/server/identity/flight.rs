//! Questions to the network, each asked once at a time, whoever waits for the answer.
//!
//! A bounded number of questions runs, and another one waits for its turn; what comes beyond is turned away. Knows
//! nothing of what is asked, and remembers no answer: [`Flights::board`] is told what is known already.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

const MAX_RUNNING: usize = 8;
const MAX_WAITING: usize = 64;
/// How long a question waits for its turn. With the 5 s of the question itself a caller waits 10 s at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The questions of one kind that are under way, by what they are about.
pub(super) struct Flights<K: Eq + Hash + Clone, A> {
    under_way: Mutex<HashMap<K, Landing<A>>>,
    /// One for each question that runs or waits.
    places: Arc<Semaphore>,
    running: Semaphore,
}

/// A question that this caller must now ask, alone. Dropping it lets the next caller ask.
pub(super) struct Flight<K: Eq + Hash + Clone, A> {
    flights: Arc<Flights<K, A>>,
    key: K,
    landed: watch::Sender<Option<A>>,
    _place: OwnedSemaphorePermit,
}

/// Where an answer will be.
pub(super) struct Landing<A>(watch::Receiver<Option<A>>);

/// How a caller gets its answer.
pub(super) enum Boarding<K: Eq + Hash + Clone, A> {
    /// It is known.
    Known(A),
    /// By a question; the flight is there for the first caller, the others only wait.
    Wait(Landing<A>, Option<Flight<K, A>>),
    /// Not now: too many are under way.
    Full,
}

impl<K: Eq + Hash + Clone, A: Clone> Flights<K, A> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            under_way: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_RUNNING + MAX_WAITING)),
            running: Semaphore::new(MAX_RUNNING),
        })
    }

    /// Decides how `key` is answered; `known` looks the answer up where answers are remembered.
    pub(super) fn board(self: &Arc<Self>, key: &K, known: impl Fn() -> Option<A>) -> Boarding<K, A> {
        if let Some(answer) = known() {
            return Boarding::Known(answer);
        }
        let mut under_way = self.under_way();
        if let Some(landing) = under_way.get(key) {
            return Boarding::Wait(landing.clone(), None);
        }
        // Once more under the lock: a flight may have landed in between.
        if let Some(answer) = known() {
            return Boarding::Known(answer);
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else { return Boarding::Full };
        let (landed, waiting) = watch::channel(None);
        let landing = Landing(waiting);
        under_way.insert(key.clone(), landing.clone());
        Boarding::Wait(landing, Some(Flight { flights: self.clone(), key: key.clone(), landed, _place: place }))
    }
}

impl<K: Eq + Hash + Clone, A> Flights<K, A> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Landing<A>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, A> Flight<K, A> {
    /// What the question is about.
    pub(super) fn key(&self) -> &K {
        &self.key
    }

    /// Waits for the question's turn, which lasts as long as the permit; `None` when it does not come.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(PATIENCE, self.flights.running.acquire()).await.ok()?.ok()
    }

    /// Tells all who wait. What is to be remembered must be remembered before.
    pub(super) fn land(self, answer: A) {
        self.landed.send_replace(Some(answer));
    }
}

impl<K: Eq + Hash + Clone, A> Drop for Flight<K, A> {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.key);
    }
}

impl<A> Clone for Landing<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Clone> Landing<A> {
    /// The answer; `None` when the runtime ends before there is one.
    pub(super) async fn answer(mut self) -> Option<A> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
