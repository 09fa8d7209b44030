//! A clock that stands still.

/// A clock that stands still until this goes, however long a busy machine takes: nobody waits too long meanwhile.
pub(crate) struct StillClock(tokio::task::JoinHandle<()>);

impl StillClock {
    pub(crate) fn now() -> Self {
        tokio::time::pause();
        // A paused clock runs on by itself when there is nothing to do.
        Self(tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        }))
    }
}

impl Drop for StillClock {
    fn drop(&mut self) {
        self.0.abort();
        tokio::time::resume();
    }
}
