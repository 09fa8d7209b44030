//! The status line that `systemctl status` shows.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::notify;
use crate::nonpoison::Mutex;

/// Interval at which the facts are refreshed.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// The status line of a running daemon: what it serves, a problem, facts, a remark, the reason of a refused reload.
pub struct StatusLine {
    /// The part that never changes.
    serving: String,
    facts: Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    trouble: Option<String>,
    facts: String,
    remark: Option<String>,
    refused: Option<String>,
    /// The line composed last.
    shown: String,
}

impl Parts {
    fn compose(&self, serving: &str) -> String {
        let refused = self.refused.as_ref().map(|text| format!("reload refused: {text}"));
        let parts =
            [Some(serving.to_owned()), self.trouble.clone(), Some(self.facts.clone()), self.remark.clone(), refused];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

impl StatusLine {
    /// Creates a line that begins with `serving`. `facts` returns the part that changes while the daemon runs.
    pub fn new<F>(serving: String, facts: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        Self { serving, facts: Box::new(move || facts().boxed()), parts: Mutex::default() }
    }

    /// Reports that the start or a reload is finished, with the line.
    pub async fn ready(&self) {
        let facts = (self.facts)().await;
        notify::ready(&self.change(|parts| parts.facts = facts).0);
    }

    /// Refreshes the facts every minute, without end.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REFRESH_EVERY).await;
            let facts = (self.facts)().await;
            self.tell(|parts| parts.facts = facts);
        }
    }

    /// Sets the problem; `None` when there is none.
    pub fn trouble(&self, trouble: Option<String>) {
        self.tell(|parts| parts.trouble = trouble);
    }

    /// Sets the remark.
    pub fn remark(&self, remark: String) {
        self.tell(|parts| parts.remark = Some(remark));
    }

    /// Sets the reason of a refused reload; `None` when none was refused. The next line shows it.
    pub fn refused(&self, reason: Option<String>) {
        self.change(|parts| parts.refused = reason);
    }

    fn tell(&self, change: impl FnOnce(&mut Parts)) {
        if let (line, true) = self.change(change) {
            notify::status(&line);
        }
    }

    /// Changes the parts. Returns the line, and whether it differs from the last one.
    fn change(&self, change: impl FnOnce(&mut Parts)) -> (String, bool) {
        let mut parts = self.parts.lock();
        change(&mut parts);
        let line = parts.compose(&self.serving);
        let differs = line != parts.shown;
        parts.shown.clone_from(&line);
        (line, differs)
    }
}

#[cfg(test)]
mod tests {
    use super::StatusLine;

    #[tokio::test]
    async fn the_line_has_what_there_is_to_say_in_this_order() {
        let line = StatusLine::new("serving".into(), || async { "3 uploads".to_owned() });
        line.ready().await;
        let shown = || line.change(|_| {}).0;
        assert_eq!(shown(), "serving; 3 uploads");
        line.remark("relays: fine".into());
        line.trouble(Some("no disk".into()));
        line.refused(Some("a mistake".into()));
        assert_eq!(shown(), "serving; no disk; 3 uploads; relays: fine; reload refused: a mistake");
        line.trouble(None);
        line.refused(None);
        assert_eq!(shown(), "serving; 3 uploads; relays: fine");
    }
}
