//! Copies inside the container, pinned to the ETag that was verified.
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::Azure;
use crate::objects::bucket::client::{Call, LONG_TIMEOUT};
use crate::objects::bucket::fault::{Fault, word};
use crate::objects::bucket::{Copied, CopySource};

static SOURCE: HeaderName = HeaderName::from_static("x-ms-copy-source");
static SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-ms-source-if-match");
static STATUS: HeaderName = HeaderName::from_static("x-ms-copy-status");
/// The reason of a status: `404 BlobNotFound "Copy failed when reading the source."`
static REASON: HeaderName = HeaderName::from_static("x-ms-copy-status-description");
/// Interval of checks of a copy. Inside one account a copy is done when the response arrives, or soon after.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl Azure {
    pub(super) async fn copy_object(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault> {
        let url = self.client.url(&Call::on(Method::GET, source.key));
        let etag = source.quoted_etag();
        let call = Call::on(Method::PUT, to).header(SOURCE.clone(), &url).header(SOURCE_IF_MATCH.clone(), &etag);
        let ended = match self.client.exchange(&call).await {
            Ok(answer) if is_pending(answer.headers())? => self.wait_for_copy(to).await,
            Ok(_) => Ok(()),
            // The response to an earlier attempt was lost.
            Err(fault) if fault.has_code(&["PendingCopyOperation"]) => self.wait_for_copy(to).await,
            Err(fault) => Err(fault),
        };
        match ended {
            Ok(()) => self.client.check_copy(source, to).await,
            Err(fault) if fault.is_missing() || fault.has_status(StatusCode::PRECONDITION_FAILED) => {
                Ok(Copied::SourceChanged)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn wait_for_copy(&self, to: &str) -> Result<(), Fault> {
        let end = Instant::now() + LONG_TIMEOUT;
        loop {
            let answer = self.client.exchange(&Call::on(Method::HEAD, to)).await;
            // Without a target there is no copy any more.
            let answer = answer.map_err(|fault| if fault.is_missing() { failure(None) } else { fault })?;
            if !is_pending(answer.headers())? {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Fault::NoAnswer("a copy takes too long".into()));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// Whether a copy is under way.
///
/// # Errors
/// The reason why it failed. A copy that failed leaves an object of no bytes.
fn is_pending(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get(&STATUS).map_or(&b""[..], |status| status.as_bytes()) {
        b"pending" => Ok(true),
        b"failed" | b"aborted" => Err(failure(headers.get(&REASON))),
        _ => Ok(false),
    }
}

/// Returns the fault of a copy that failed: its status and code. The text after them is not shown.
fn failure(reason: Option<&HeaderValue>) -> Fault {
    let mut words = reason.and_then(|reason| reason.to_str().ok()).unwrap_or("").split(' ');
    match words.next().and_then(|status| status.parse().ok()) {
        Some(status) => Fault::Answered { status, code: word(words.next().unwrap_or("").to_owned()) },
        None => Fault::Answered { status: StatusCode::INTERNAL_SERVER_ERROR, code: "CopyFailed".into() },
    }
}
