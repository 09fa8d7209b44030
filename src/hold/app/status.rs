//! The one line that `systemctl status` shows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::api::ApiState;
use server::daemon::notify;

/// How often the line is refreshed.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// The status line of the running hold.
pub(super) struct Status {
    state: Arc<ApiState>,
    /// The part that never changes.
    serving: String,
    line: Mutex<StatusLine>,
}

/// The parts of the line.
#[derive(Default)]
struct StatusLine {
    facts: String,
    storage: Option<String>,
    relays: Option<String>,
    refused: Option<String>,
    /// The line that was composed last.
    shown: String,
}

impl StatusLine {
    fn compose(&self, serving: &str) -> String {
        let relays = self.relays.as_ref().map(|text| format!("relays: {text}"));
        let refused = self.refused.as_ref().map(|text| format!("reload refused: {text}"));
        let parts = [Some(serving.to_owned()), self.storage.clone(), Some(self.facts.clone()), relays, refused];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

impl Status {
    pub(super) fn new(state: Arc<ApiState>, serving: String) -> Self {
        Self { state, serving, line: Mutex::default() }
    }

    /// Reports that requests are answered, or that a reload is over.
    pub(super) async fn ready(&self) {
        let facts = self.facts().await;
        notify::ready(&self.change(|line| line.facts = facts).0);
    }

    /// Refreshes the line every minute.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REFRESH_EVERY).await;
            let facts = self.facts().await;
            self.tell(|line| line.facts = facts);
        }
    }

    /// Why blobs cannot be served; `None` when they can.
    pub(super) fn storage_is(&self, trouble: Option<String>) {
        self.tell(|line| line.storage = trouble);
    }

    pub(super) fn relays_said(&self, text: &str) {
        self.tell(|line| line.relays = Some(text.to_owned()));
    }

    /// Sets why a reload was refused; `None` when it was not. The next line shows it.
    pub(super) fn refused(&self, reason: Option<String>) {
        self.change(|line| line.refused = reason);
    }

    fn tell(&self, change: impl FnOnce(&mut StatusLine)) {
        if let (line, true) = self.change(change) {
            notify::status(&line);
        }
    }

    /// Changes the parts. Returns the line, and whether it differs from the last one.
    fn change(&self, change: impl FnOnce(&mut StatusLine)) -> (String, bool) {
        let mut parts = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let line = parts.compose(&self.serving);
        let differs = line != parts.shown;
        parts.shown.clone_from(&line);
        (line, differs)
    }

    async fn facts(&self) -> String {
        let (crew, uploads) = (self.state.hold.crew.summary().await, self.state.hold.blobs.open_uploads().await);
        match (crew, uploads) {
            (Ok(crew), Ok(uploads)) => {
                let head = self.state.hold.pds.head().await.ok().flatten();
                let ahead_s = head.and_then(|head| head.ahead_s(self.state.hold.now_us()));
                let clock = ahead_s.map(|seconds| {
                    format!("; the newest revision is {seconds} s ahead of this machine's clock: relays refuse it")
                });
                let clock = clock.unwrap_or_default();
                format!("captain {}; crew {}; open uploads {uploads}{clock}", crew.captain, crew.members)
            }
            _ => "the database does not answer".into(),
        }
    }
}
