//! Periodic tasks of the registry: delivery of notices to holds and webhooks, the index, and removal of what has
//! expired.

use std::sync::Arc;
use std::time::Duration;

use crate::oci::OciState;
use server::daemon::{Background, now_us};
use server::metrics::Gauge;

/// Interval of the notice queue, and of the removal of stale uploads and sign-ins.
const OFTEN: Duration = Duration::from_secs(30);
/// Interval of the removal of unused sessions, files without an upload and old catalog entries.
const SELDOM: Duration = Duration::from_secs(60 * 60);

/// Times of the last success of each task, in microseconds since 1970; 0 before the first.
#[derive(Debug, Default)]
pub(super) struct LastDone {
    notices_us: Gauge,
    uploads_us: Gauge,
    sessions_us: Gauge,
}

impl LastDone {
    /// Returns the name of each task with the time of its last success.
    pub(super) fn all(&self) -> [(&'static str, u64); 3] {
        [("notices", self.notices_us.get()), ("uploads", self.uploads_us.get()), ("sessions", self.sessions_us.get())]
    }
}

/// Starts the tasks, which run as long as the registry does.
pub(super) fn spawn(background: &mut Background, state: &Arc<OciState>, last_done: &Arc<LastDone>) {
    let both = (Arc::clone(state), Arc::clone(last_done));
    background.keep("notices to holds", both.clone(), |(state, last_done)| deliver(state, last_done));
    background.keep("sweep", both.clone(), |(state, last_done)| often(state, last_done));
    background.keep("ends of sessions", Arc::clone(state), end_sessions);
    background.keep("hourly sweep", both, |(state, last_done)| seldom(state, last_done));
    background.keep("network events", Arc::clone(state), follow);
    // It ends at once where there can be none.
    if state.webhooks.is_on() {
        background.keep("webhooks", Arc::clone(state), deliver_to_webhooks);
    }
}

/// Delivers due notices to holds, as long as the registry runs. Holds that stall make a round long.
async fn deliver(state: Arc<OciState>, last_done: Arc<LastDone>) {
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

/// Has sessions that have ended here end at their servers, as long as the registry runs.
async fn end_sessions(state: Arc<OciState>) {
    let mut ticks = tokio::time::interval(OFTEN);
    loop {
        ticks.tick().await;
        if let Err(error) = state.sessions.end_due().await {
            tracing::warn!(%error, "accounts' servers cannot be told of sessions that have ended");
        }
    }
}

/// Delivers events to webhooks, as long as the registry runs.
async fn deliver_to_webhooks(state: Arc<OciState>) {
    state.webhooks.keep_delivering().await;
}

/// Keeps the index up to date, as long as the registry runs.
async fn follow(state: Arc<OciState>) {
    let follow = &state.follow;
    tokio::join!(follow.keep_looking_up(), follow.keep_listing(), follow.seed(), follow.keep_following());
}

/// Removes stale uploads, expired sign-ins, old browser sessions and excess repositories of the index, as long as the
/// registry runs.
async fn often(state: Arc<OciState>, last_done: Arc<LastDone>) {
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

/// Removes unused sessions, files without an upload, excess repositories of the catalog, and old webhook deliveries and
/// refusals of holds, as long as the registry runs.
async fn seldom(state: Arc<OciState>, last_done: Arc<LastDone>) {
    let mut ticks = tokio::time::interval(SELDOM);
    loop {
        ticks.tick().await;
        match state.web.end_unused_sessions().await {
            Ok(0) => {}
            Ok(sessions) => tracing::info!(sessions, "sessions that nothing used any more were ended"),
            Err(error) => tracing::warn!(%error, "sessions that nothing uses any more cannot be ended"),
        }
        match state.sessions.sweep().await {
            Ok(sessions) => {
                last_done.sessions_us.set(now_us());
                if sessions > 0 {
                    tracing::info!(sessions, "sessions that nobody used were forgotten");
                }
            }
            Err(error) => tracing::warn!(%error, "sessions that nobody uses cannot be forgotten"),
        }
        match state.uploads.sweep_files().await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "files of uploads that are gone were removed"),
            Err(error) => tracing::warn!(%error, "files of uploads that are gone cannot be removed"),
        }
        if let Err(error) = state.catalog.sweep().await {
            tracing::warn!(%error, "the oldest repositories of the catalog cannot be forgotten");
        }
        if let Err(error) = state.webhooks.sweep().await {
            tracing::warn!(%error, "deliveries of long ago cannot be forgotten");
        }
        if let Err(error) = state.images.sweep().await {
            tracing::warn!(%error, "what holds refused long ago cannot be forgotten");
        }
    }
}
