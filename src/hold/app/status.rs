//! The one line that `systemctl status` shows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::api::State;
use server::daemon::notify;

/// How often what changes by itself is looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// What people are told, and what they were told last.
pub(super) struct Status {
    state: Arc<State>,
    /// What holds as long as the process lives.
    serving: String,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    facts: String,
    relays: Option<String>,
    refused: Option<String>,
    line: String,
}

impl Said {
    fn compose(&self, serving: &str) -> String {
        let relays = self.relays.as_ref().map(|text| format!("relays: {text}"));
        let refused = self.refused.as_ref().map(|text| format!("reload refused: {text}"));
        let parts = [Some(serving.to_owned()), Some(self.facts.clone()), relays, refused];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

impl Status {
    pub(super) fn new(state: Arc<State>, serving: String) -> Self {
        Self { state, serving, said: Mutex::default() }
    }

    /// Says that requests are answered, or that a reload is over.
    pub(super) async fn ready(&self) {
        let facts = self.facts().await;
        notify::ready(&self.change(|said| said.facts = facts).0);
    }

    /// Keeps the line up to date.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REFRESH_EVERY).await;
            let facts = self.facts().await;
            self.tell(|said| said.facts = facts);
        }
    }

    pub(super) fn relays_said(&self, text: &str) {
        self.tell(|said| said.relays = Some(text.to_owned()));
    }

    /// Why the configuration on disk is not the one that is followed; `None` when it is. Told by the next line.
    pub(super) fn refused(&self, reason: Option<String>) {
        self.change(|said| said.refused = reason);
    }

    fn tell(&self, change: impl FnOnce(&mut Said)) {
        if let (line, true) = self.change(change) {
            notify::status(&line);
        }
    }

    /// The line, and whether it is another than before.
    fn change(&self, change: impl FnOnce(&mut Said)) -> (String, bool) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut said);
        let line = said.compose(&self.serving);
        let differs = line != said.line;
        said.line.clone_from(&line);
        (line, differs)
    }

    async fn facts(&self) -> String {
        let (crew, uploads) = (self.state.crew.summary().await, self.state.blobs.open_uploads().await);
        match (crew, uploads) {
            (Ok(crew), Ok(uploads)) => {
                let head = self.state.pds.head().await.ok().flatten();
                let ahead_s = head.and_then(|head| head.ahead_s((self.state.clock)()));
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
