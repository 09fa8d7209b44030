//! A queue of pulls to be counted: many in one transaction, so that a flood of them does not delay other writers.

use tokio::sync::oneshot;

use server::nonpoison::Mutex;

/// The queue. The caller that adds the first pull has to count all.
#[derive(Default)]
pub(super) struct Pulls {
    waiting: Mutex<Vec<Waiting>>,
}

/// A pull in the queue.
pub(super) struct Waiting {
    /// The key of the image's statistics record.
    pub(super) key: String,
    tell: oneshot::Sender<bool>,
}

/// The result of adding a pull.
pub(super) struct Added {
    /// Whether the pull is the first in the queue, so that the caller has to count.
    pub(super) is_first: bool,
    /// Receives whether it was counted, once that is on disk; an error when counting failed.
    pub(super) answer: oneshot::Receiver<bool>,
}

impl Pulls {
    pub(super) fn add(&self, key: String) -> Added {
        let (tell, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.push(Waiting { key, tell });
        Added { is_first: waiting.len() == 1, answer }
    }

    /// Takes all pulls of the queue. Pulls added later start a new one.
    pub(super) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting.lock())
    }
}

impl Waiting {
    pub(super) fn answer(self, counted: bool) {
        // The caller may have stopped waiting.
        let _ = self.tell.send(counted);
    }
}
