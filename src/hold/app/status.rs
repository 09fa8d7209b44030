//! The status line that `systemctl status` shows.

use std::sync::Arc;

use crate::api::ApiState;
use server::daemon::StatusLine;

/// Creates the status line of the running hold.
pub(super) fn line(state: &Arc<ApiState>, serving: String) -> StatusLine {
    let state = Arc::clone(state);
    StatusLine::new(serving, move || facts(Arc::clone(&state)))
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
