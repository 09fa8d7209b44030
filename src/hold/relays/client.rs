//! Sends requestCrawl to a relay. The operator chose the relays, so they may have any address.

use std::io;
use std::time::Duration;

use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use server::egress::{AnswerLimits, ClientPolicy, EgressError, HttpClient, Reach, system_dns};

use atproto::lexicon::nsid;

const LIMITS: AnswerLimits = AnswerLimits {
    // Time from the DNS look-up to the last byte. A relay may call the hold back before it responds.
    time: Duration::from_secs(30),
    // An error has a name and a message.
    body_bytes: 16 * 1024,
};
/// Limit of the characters of a relay's reason; the rest is cut off.
const MAX_REASON_CHARS: usize = 200;
/// One thread a relay, and few holds have more relays.
const DNS_THREADS: usize = 4;

/// Errors of a request to a relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The relay responded with an error. The reason is the relay's, like `HostBanned: the host was banned`; often
    /// empty.
    #[error("it answered {status}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Status { status: StatusCode, reason: String },
    #[error("it cannot be reached: {0}")]
    Unreachable(EgressError),
    #[error("it did not answer within {} s", LIMITS.time.as_secs())]
    Silent,
}

/// The HTTP client for relays.
pub(super) struct RelayClient {
    http: HttpClient,
}

impl RelayClient {
    pub(super) fn new(plain_http: bool) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Any,
            plain_http,
            connect_limit: LIMITS.time,
            // No idle connection is kept: requests are minutes apart.
            idle_connections: 0,
            idle_limit: Duration::ZERO,
            buffer_bytes: 16 * 1024,
        };
        Ok(Self { http: HttpClient::new(&policy, system_dns(DNS_THREADS))? })
    }

    /// Asks `relay` (its base URL) to crawl the host.
    pub(super) async fn request_crawl(&self, relay: &str, hostname: &str) -> Result<(), Refusal> {
        let request = Request::post(format!("{relay}/xrpc/{}", nsid::REQUEST_CRAWL));
        match self.http.exchange_json(request, &json!({ "hostname": hostname }), LIMITS).await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(Refusal::Status { status: answer.status(), reason: reason(answer.body()) }),
            Err(EgressError::TimedOut(_)) => Err(Refusal::Silent),
            Err(error) => Err(Refusal::Unreachable(error)),
        }
    }
}

/// The body of an XRPC error.
#[derive(Deserialize)]
struct XrpcError {
    error: String,
    #[serde(default)]
    message: String,
}

/// Returns the reason in a response, as one line: the name and message of an XRPC error, else the text itself.
fn reason(body: &[u8]) -> String {
    let text = match serde_json::from_slice(body) {
        Ok(XrpcError { error, message }) if message.is_empty() => error,
        Ok(XrpcError { error, message }) => format!("{error}: {message}"),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    line.collect::<Vec<_>>().join(" ").chars().take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::{MAX_REASON_CHARS, reason};

    #[test]
    fn a_reason_is_one_short_line() {
        for (body, expected) in [
            (r#"{"error":"HostBanned","message":"the host is\nbanned"}"#, "HostBanned: the host is banned"),
            (r#"{"error":"InvalidRequest"}"#, "InvalidRequest"),
            ("domain is temporarily disabled\n", "domain is temporarily disabled"),
            ("a\u{1b}[31mb", "a [31mb"),
            ("", ""),
        ] {
            assert_eq!(reason(body.as_bytes()), expected);
        }
        assert_eq!(reason("é".repeat(1000).as_bytes()).chars().count(), MAX_REASON_CHARS);
    }
}
