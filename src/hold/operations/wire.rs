//! The lines of an answer, and the bounds both ends keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Progress;

/// The type of an answer in lines.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// The type of an answer of bytes.
pub(super) const BYTES: &str = "application/octet-stream";
/// The header with an import's JSON, whose body are the bytes.
pub(super) const ARGUMENTS: &str = "atcr-hold-arguments";
/// The JSON of a request; DIDs, permissions and a few names.
pub(super) const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// One line of an answer: a result lists at most what one screenful of operators asks for, 100,000 members of 400 bytes.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
/// Between two lines of progress.
pub(super) const REPORT_EVERY: Duration = Duration::from_millis(100);
/// A line comes at least so often, so that each end notices when the other is gone.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// A client waits so long for the next bytes: three heartbeats.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(30);

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line<T> {
    /// How far it is; `None` when nothing was reported yet.
    Progress(Option<Progress>),
    /// The end: what came of it.
    Result(T),
    /// The end: why nothing came of it.
    Error(Failure),
}

/// Why an operation was not done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// A sentence for the operator.
    pub(super) message: String,
}

impl<T: Serialize> Line<T> {
    /// The line with its end.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Outputs have text keys only, which is all that could fail.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
