//! One attempt: the request, its signature, and the status of the response.

use std::io;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, response};
use http_body_util::{BodyExt as _, Limited};
use sha2::Sha256;
use tokio::time::{Instant, timeout};

use super::{Attempt, Webhooks};
use crate::webhooks::tables::deliveries::{DueRow, event_at};
use atproto::syntax::millis;
use server::egress::{ClientBody, ClientPolicy, EgressError, HttpClient, Reach, full_body, retry_after, system_dns};

/// Time limit for the head of a receiver's response.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of a response's body that are read before the connection is closed, and the time limit for that.
const BODY_BYTES: usize = 4096;
const BODY_TIME: Duration = Duration::from_secs(1);
/// Threads for DNS look-ups of receivers, separate from those of pushes, so that a silent name server does not delay
/// pushes. A look-up keeps its thread for 40 s, four times as long as its attempt may take, and an account makes four
/// attempts at once.
const DNS_THREADS: usize = 32;

/// Headers of a delivery.
const EVENT: &str = "x-atcr-event";
const DELIVERY: &str = "x-atcr-delivery";
const TIMESTAMP: &str = "x-atcr-timestamp";
const SIGNATURE: &str = "x-atcr-signature-256";
const AGENT: HeaderValue = HeaderValue::from_static(concat!("atcr-appview/", env!("CARGO_PKG_VERSION")));

/// Returns a client that reaches the public internet only, and keeps no idle connection: each attempt looks its host
/// up.
pub(super) fn client(test_mode: bool) -> io::Result<HttpClient> {
    let policy = ClientPolicy {
        reach: Reach::Public { localhost: test_mode },
        plain_http: test_mode,
        connect_limit: Duration::from_secs(4),
        idle_connections: 0,
        idle_limit: Duration::from_secs(1),
        buffer_bytes: 16 * 1024,
    };
    HttpClient::new(&policy, system_dns(DNS_THREADS))
}

/// Returns the value of the signature header: `sha256=` and the HMAC-SHA256 of the body with the secret, in
/// hexadecimal.
fn signature(secret: &str, body: &[u8]) -> Option<String> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    Some(format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
}

impl Webhooks {
    /// Attempts a delivery; returns the result.
    pub(super) async fn attempt(&self, row: &DueRow) -> Attempt {
        let began = Instant::now();
        let outcome = self.send(row).await;
        let took_ms = millis(began.elapsed());
        let at_us = (self.settings.clock)();
        let ended = |status, problem, retry_after| Attempt { at_us, took_ms, status, problem, retry_after };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return ended(None, Some(error.to_string()), None),
        };
        let status = answer.status.as_u16();
        let problem = match answer.status {
            taken if taken.is_success() => None,
            redirect if redirect.is_redirection() => Some(format!("it answered {status}: redirects are not followed")),
            _ => Some(format!("it answered {status}")),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(at_us);
        ended(Some(status), problem, retry_after(answer.status, &answer.headers, now))
    }

    /// Returns the head of the answer.
    async fn send(&self, row: &DueRow) -> Result<response::Parts, EgressError> {
        let failed = |reason: &str| EgressError::Request(reason.into());
        let body = row.payload.clone().into_bytes();
        let signature = signature(&row.secret, &body).ok_or_else(|| failed("it cannot be signed"))?;
        let mut signature = HeaderValue::try_from(signature).map_err(|_| failed("a signature is no header"))?;
        signature.set_sensitive(true);
        let request = Request::post(&row.url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, AGENT)
            .header(EVENT, row.kind.as_str())
            .header(DELIVERY, event_at(&row.event, row.webhook))
            .header(TIMESTAMP, (self.settings.clock)() / 1_000_000)
            .header(SIGNATURE, signature)
            .body(full_body(body))
            .map_err(|error| EgressError::Request(error.to_string()))?;
        let answer = timeout(TIME, self.http.send(request)).await.map_err(|_| EgressError::TimedOut(TIME))??;
        let (head, body) = answer.into_parts();
        discard(body).await;
        Ok(head)
    }
}

/// Takes the beginning of a body from its connection, for receivers that complain when it is closed before. Nobody reads it.
async fn discard(body: ClientBody) {
    drop(timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // The second test of the RFC: https://www.rfc-editor.org/rfc/rfc4231#section-4.3
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?").as_deref(), Some(expected));
    }
}
