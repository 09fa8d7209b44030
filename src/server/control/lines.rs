//! The lines of a response, and the limits that both sides keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Progress;

/// The media type of a response in lines.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// The media type of a response of bytes.
pub(super) const BYTES: &str = "application/octet-stream";
/// The header with the JSON of an import, whose body is the bytes.
pub(super) const ARGUMENTS: &str = "atcr-arguments";
/// Limit of a request's JSON: DIDs, permissions and a few names.
pub(super) const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// Limit of one line of a response. The longest result is a list, such as 100,000 members of 400 bytes.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
/// The shortest time between two lines of progress.
pub(super) const REPORT_EVERY: Duration = Duration::from_millis(100);
/// The longest time between two lines, so that each side notices when the other is gone.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Time-out of a client for the next bytes: three heartbeats.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(30);

/// One line of a response.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line<T> {
    /// The progress of the operation; `None` when it has reported nothing yet.
    Progress(Option<Progress>),
    /// The last line: the result of the operation.
    Result(T),
    /// The last line: the error of the operation.
    Error(Failure),
}

/// The error of an operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// A sentence for the operator.
    pub(super) message: String,
}

impl<T: Serialize> Line<T> {
    /// Returns the line as JSON, with its line feed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Only maps with keys that are not text fail to serialize, and outputs have none.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
