//! The status line that `systemctl status` shows.

use std::sync::Arc;

use crate::api::ApiState;
use crate::config::Config;
use server::daemon::{Listener, StatusLine};

/// Says in the log and to the service manager that the hold is ready, and returns its status line.
pub(super) async fn ready(
    config: &Config,
    state: &Arc<ApiState>,
    public: &[Listener],
    metrics: &[Listener],
) -> Arc<StatusLine> {
    let addresses = Listener::describe_all(public);
    tracing::info!(
        url = %config.public_url, did = %config.did, listening = addresses,
        metrics = (!metrics.is_empty()).then(|| Listener::describe_all(metrics)),
        version = env!("CARGO_PKG_VERSION"), "ready"
    );
    let serving = format!("serving {} on {addresses}; blobs in {}", config.public_url, config.storage);
    let state = Arc::clone(state);
    let status = Arc::new(StatusLine::new(serving, move || facts(Arc::clone(&state))));
    status.ready().await;
    status
}

async fn facts(state: Arc<ApiState>) -> String {
    let (crew, uploads) = (state.hold.crew.summary().await, state.hold.blobs.open_uploads().await);
    match (crew, uploads) {
        (Ok(crew), Ok(uploads)) => {
            let head = state.hold.pds.head().await.ok().flatten();
            let ahead_s = head.and_then(|head| head.ahead_s(state.hold.now_us()));
            let clock = ahead_s.map(|seconds| {
                format!("; the newest revision is {seconds} s ahead of this machine's clock: relays refuse it")
            });
            let clock = clock.unwrap_or_default();
            format!("captain {}; crew {}; open uploads {uploads}{clock}", crew.captain, crew.members)
        }
        _ => "the database does not answer".into(),
    }
}
