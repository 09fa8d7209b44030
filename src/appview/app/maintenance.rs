//! What the registry does now and then: telling holds what they do not know yet, and forgetting what nobody uses.

use std::sync::Arc;
use std::time::Duration;

use crate::oci::OciState;
use server::daemon::now_us;
use server::metrics::Gauge;

/// How often the queue of notices and stale uploads are looked at.
const OFTEN: Duration = Duration::from_secs(30);
/// How often sessions that nobody uses are looked for.
const SELDOM: Duration = Duration::from_secs(60 * 60);

/// When the tasks last came to a good end, in microseconds since 1970; 0 before the first time.
#[derive(Debug, Default)]
pub(super) struct LastDone {
    notices_us: Gauge,
    uploads_us: Gauge,
    sessions_us: Gauge,
}

impl LastDone {
    /// Returns each task with when that was.
    pub(super) fn all(&self) -> [(&'static str, u64); 3] {
        [("notices", self.notices_us.get()), ("uploads", self.uploads_us.get()), ("sessions", self.sessions_us.get())]
    }
}

/// Delivers notices, as long as the registry runs. Holds that stall make a round of it long.
pub(super) async fn deliver(state: Arc<OciState>, last_done: Arc<LastDone>) {
    let mut ticks = tokio::time::interval(OFTEN);
    loop {
        ticks.tick().await;
        match state.images.deliver_due().await {
            Ok(manifests) => {
                last_done.notices_us.set(now_us());
                if manifests > 0 {
                    tracing::info!(manifests, "holds were told of manifests that they did not know yet");
                }
            }
            Err(error) => tracing::warn!(%error, "holds cannot be told of manifests"),
        }
    }
}

/// Delivers events to webhooks, as long as the registry runs.
pub(super) async fn deliver_to_webhooks(state: Arc<OciState>) {
    state.webhooks.keep_delivering().await;
}

/// Keeps the index up, as long as the registry runs.
pub(super) async fn follow(state: Arc<OciState>) {
    let follow = &state.follow;
    tokio::join!(follow.keep_asking(), follow.keep_listing(), follow.seed(), follow.keep_following());
}

/// Forgets uploads and sign-ins that were given up, as long as the registry runs.
pub(super) async fn often(state: Arc<OciState>, last_done: Arc<LastDone>) {
    let mut ticks = tokio::time::interval(OFTEN);
    loop {
        ticks.tick().await;
        match state.uploads.sweep().await {
            Ok(uploads) => {
                last_done.uploads_us.set(now_us());
                if uploads > 0 {
                    tracing::info!(uploads, "stale uploads swept");
                }
            }
            Err(error) => tracing::warn!(%error, "stale uploads cannot be swept"),
        }
        state.web.sweep().await;
        match state.index.sweep().await {
            Ok(0) => {}
            Ok(repositories) => tracing::info!(repositories, "the oldest repositories left the index"),
            Err(error) => tracing::warn!(%error, "the oldest repositories of the index cannot be forgotten"),
        }
    }
}

/// Forgets sessions that nobody uses, as long as the registry runs.
pub(super) async fn seldom(state: Arc<OciState>, last_done: Arc<LastDone>) {
    let mut ticks = tokio::time::interval(SELDOM);
    loop {
        ticks.tick().await;
        match state.sessions.sweep().await {
            Ok(sessions) => {
                last_done.sessions_us.set(now_us());
                if sessions > 0 {
                    tracing::info!(sessions, "sessions that nobody used were forgotten");
                }
            }
            Err(error) => tracing::warn!(%error, "sessions that nobody uses cannot be forgotten"),
        }
        if let Err(error) = state.catalog.sweep().await {
            tracing::warn!(%error, "the oldest repositories of the catalog cannot be forgotten");
        }
        if let Err(error) = state.webhooks.sweep().await {
            tracing::warn!(%error, "deliveries of long ago cannot be forgotten");
        }
    }
}
