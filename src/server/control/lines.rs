//! The lines of an answer, and the limits that both ends keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Progress;

/// The media type of an answer in lines.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// The media type of an answer of bytes.
pub(super) const BYTES: &str = "application/octet-stream";
/// The header that has the JSON of an import, whose body are the bytes.
pub(super) const ARGUMENTS: &str = "atcr-arguments";
/// The JSON of a request: DIDs, permissions and a few names.
pub(super) const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// One line of an answer. The longest result is a list, such as 100,000 members of 400 bytes.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
/// The least time between two lines of progress.
pub(super) const REPORT_EVERY: Duration = Duration::from_millis(100);
/// The longest time between two lines, so that each end notices when the other is gone.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a client waits for the next bytes: three heartbeats.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(30);

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line<T> {
    /// How far the operation is; `None` when it reported nothing yet.
    Progress(Option<Progress>),
    /// The last line: what the operation answered.
    Result(T),
    /// The last line: why the operation was not done.
    Error(Failure),
}

/// Why an operation was not done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// A sentence for the operator.
    pub(super) message: String,
}

impl<T: Serialize> Line<T> {
    /// The line as JSON, with its line feed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Only a map with keys that are no text could fail, and outputs have none.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
