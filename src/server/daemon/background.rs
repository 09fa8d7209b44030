//! Tasks that run for as long as the daemon does, each with a name. One that ends before begins anew, or stops the daemon.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt as _, TryFutureExt as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Pause before a task that ended begins anew.
const PAUSE: Duration = Duration::from_secs(60);

/// The tasks that run beside the daemon's requests. Dropping it ends them.
#[derive(Debug, Default)]
pub struct Background(JoinSet<EndedTask>);

/// A task that ended though the daemon was to go on.
#[derive(Debug, thiserror::Error)]
#[error("the task \"{task}\" has to run for as long as the daemon, but {reason}")]
pub struct EndedTask {
    task: &'static str,
    reason: String,
}

impl Background {
    /// Starts `work`, whose end stops the daemon; `task` names it in the log.
    pub fn spawn(&mut self, task: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(catch_panic(work).map(move |outcome| EndedTask { task, reason: reason(outcome) }));
    }

    /// Starts `work` with `state`, which begins anew a minute after its end; `task` names it in the log. This is for work on
    /// what others sent: an item that makes it panic each time must not end the requests each time.
    pub fn keep<S, F>(&mut self, task: &'static str, state: S, work: impl Fn(S) -> F + Send + 'static)
    where
        S: Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(async move {
            loop {
                let reason = reason(catch_panic(work(state.clone())).await);
                tracing::error!("the task \"{task}\" {reason}; it begins anew in {} s", PAUSE.as_secs());
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Runs `serving` until it ends. A task that ends before `shutdown` cancels it: requests in flight are finished, and
    /// no new ones are taken.
    ///
    /// # Errors
    /// Those of `serving`; [`EndedTask`], once `serving` has ended.
    pub async fn beside<T, E: From<EndedTask>>(
        &mut self,
        serving: impl Future<Output = Result<T, E>>,
        shutdown: &CancellationToken,
    ) -> Result<T, E> {
        tokio::pin!(serving);
        let ended = tokio::select! {
            served = &mut serving => return served,
            ended = self.ended_before(shutdown) => ended,
        };
        // At once, for requests in flight may take minutes.
        tracing::error!("{ended}; stopping, so that the next start runs it again");
        shutdown.cancel();
        // The task is why the daemon ends, whatever comes of the requests.
        let _ = serving.await;
        Err(ended.into())
    }

    /// Ends all tasks.
    pub async fn shutdown(mut self) {
        self.0.shutdown().await;
    }

    /// Waits for a task that ends before `shutdown`, for ever if there is none.
    async fn ended_before(&mut self, shutdown: &CancellationToken) -> EndedTask {
        while let Some(outcome) = self.0.join_next().await {
            // Nothing cancels a task but the end of all, and its panic was caught.
            let Ok(ended) = outcome else { continue };
            if !shutdown.is_cancelled() {
                return ended;
            }
        }
        std::future::pending().await
    }
}

fn reason(outcome: Result<(), String>) -> String {
    outcome.map_or_else(|message| format!("panicked: {message}"), |()| "ended".to_owned())
}

/// Returns the output of `work`. It is no `async fn`: that would reserve the memory of `work` twice in every request.
///
/// # Errors
/// The message of a panic in `work`.
pub fn catch_panic<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    AssertUnwindSafe(work).catch_unwind().map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    /// Serves until the shutdown, and says so.
    async fn served(shutdown: CancellationToken) -> Result<&'static str, EndedTask> {
        shutdown.cancelled().await;
        Ok("served")
    }

    #[tokio::test]
    async fn a_task_that_panics_or_returns_stops_the_daemon() {
        for (panics, reason) in [(true, "panicked: no more"), (false, "ended")] {
            let shutdown = CancellationToken::new();
            let mut background = Background::default();
            background.spawn("the other", std::future::pending());
            background.spawn("the sweep", async move { assert!(!panics, "no more") });
            let ended = background.beside(served(shutdown.clone()), &shutdown).await.unwrap_err();
            assert!(shutdown.is_cancelled(), "requests in flight were to end");
            let expected = format!(r#"the task "the sweep" has to run for as long as the daemon, but {reason}"#);
            assert_eq!(ended.to_string(), expected);
            background.shutdown().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_kept_begins_anew_and_the_daemon_goes_on() {
        let (begun, mut begins) = watch::channel(0);
        let mut background = Background::default();
        background.keep("the index", begun, |begun| async move {
            begun.send_modify(|times| *times += 1);
            assert_ne!(*begun.borrow(), 1, "a record of a stranger");
        });
        let shutdown = CancellationToken::new();
        let serving = async {
            begins.wait_for(|times| *times == 3).await.unwrap();
            Ok::<_, EndedTask>("served")
        };
        assert_eq!(background.beside(serving, &shutdown).await.unwrap(), "served");
        assert!(!shutdown.is_cancelled(), "after a panic, and after an end");
    }

    #[tokio::test]
    async fn tasks_may_end_once_the_daemon_stops() {
        let shutdown = CancellationToken::new();
        let mut background = Background::default();
        background.spawn("the relays", shutdown.clone().cancelled_owned());
        let serving = async {
            shutdown.cancel();
            // The task has ended long before.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, EndedTask>("served")
        };
        assert_eq!(background.beside(serving, &shutdown).await.unwrap(), "served");
    }

    #[test]
    fn what_is_guarded_against_panics_takes_no_more_room() {
        let work = async {
            let held = [0_u8; 4096];
            tokio::task::yield_now().await;
            held
        };
        let room_bytes = size_of_val(&work);
        assert!(size_of_val(&catch_panic(work)) <= room_bytes + 64);
    }
}
