//! Copies inside the container, pinned to the ETag that was verified.
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::Azure;
use crate::objects::bucket::Copied;
use crate::objects::bucket::client::{Call, LONG_TIMEOUT};
use crate::objects::bucket::fault::Fault;

static SOURCE: HeaderName = HeaderName::from_static("x-ms-copy-source");
static SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-ms-source-if-match");
static STATUS: HeaderName = HeaderName::from_static("x-ms-copy-status");
/// Interval of checks of a copy. Inside one account a copy is done when the response arrives, or soon after.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl Azure {
    pub(super) async fn copy_object(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<Copied, Fault> {
        let source = self.client.url(&Call::on(Method::GET, from));
        let etag = format!("\"{}\"", etag.trim_matches('"'));
        let call = Call::on(Method::PUT, to).header(SOURCE.clone(), &source).header(SOURCE_IF_MATCH.clone(), &etag);
        let copying = match self.client.exchange(&call).await {
            Ok(answer) => is_pending(answer.headers()),
            // The response to an earlier attempt was lost.
            Err(fault) if fault.has_code(&["PendingCopyOperation"]) => true,
            Err(fault) if fault.is_missing() || fault.has_status(StatusCode::PRECONDITION_FAILED) => {
                return Ok(Copied::SourceChanged);
            }
            Err(fault) => return Err(fault),
        };
        if copying {
            self.wait_for_copy(to).await?;
        }
        self.client.check_copy(from, &etag, to, size_bytes).await
    }

    async fn wait_for_copy(&self, to: &str) -> Result<(), Fault> {
        let end = Instant::now() + LONG_TIMEOUT;
        while is_pending(self.client.exchange(&Call::on(Method::HEAD, to)).await?.headers()) {
            if Instant::now() > end {
                return Err(Fault::NoAnswer("a copy takes too long".into()));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }
}

fn is_pending(headers: &HeaderMap) -> bool {
    headers.get(&STATUS).is_some_and(|status| status == "pending")
}
