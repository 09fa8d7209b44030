//! The queue of pulls to be counted: many in one transaction, so that a flood of them does not hold up writers.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The queue. Whoever adds the first pull has to count all.
#[derive(Default)]
pub(super) struct Pulls {
    waiting: Mutex<Vec<Waiting>>,
}

/// A pull in the queue.
pub(super) struct Waiting {
    /// Of the image's statistics.
    pub(super) key: String,
    tell: oneshot::Sender<bool>,
}

/// A pull that was added to those that wait.
pub(super) struct Added {
    /// Whether nobody counts them yet.
    pub(super) is_first: bool,
    /// Whether it was counted, once that is on disk; an error when it could not be.
    pub(super) answer: oneshot::Receiver<bool>,
}

impl Pulls {
    pub(super) fn add(&self, key: String) -> Added {
        let (tell, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Waiting { key, tell });
        Added { is_first: waiting.len() == 1, answer }
    }

    /// All that wait; who comes from now on is not among them.
    pub(super) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiting {
    pub(super) fn answer(self, counted: bool) {
        // A caller who went away does not mind.
        let _ = self.tell.send(counted);
    }
}
