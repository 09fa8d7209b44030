//! One request to a relay. The operator chose the relays, so their addresses are not questioned.

use std::io;
use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::json;
use server::egress::{AnswerLimits, ClientPolicy, EgressError, HttpClient, Reach, system_dns};

use atproto::lexicon::nsid;

const LIMITS: AnswerLimits = AnswerLimits {
    // From the look-up of the name to the last byte. A relay may call the hold back before it answers.
    time: Duration::from_secs(30),
    // An error has a name and a sentence.
    body_bytes: 16 * 1024,
};
/// One a relay, and few have more than this.
const DNS_THREADS: usize = 4;

/// Why a relay did not take the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it cannot be reached: {0}")]
    Unreachable(EgressError),
    #[error("it did not answer within {} s", LIMITS.time.as_secs())]
    Silent,
}

/// Asks relays.
pub(super) struct Client {
    http: HttpClient,
}

impl Client {
    pub(super) fn new(plain_http: bool) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Any,
            plain_http,
            connect_limit: LIMITS.time,
            // Requests are minutes apart.
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
            Ok(answer) => Err(Refusal::Status(answer.status())),
            Err(EgressError::TimedOut(_)) => Err(Refusal::Silent),
            Err(error) => Err(Refusal::Unreachable(error)),
        }
    }
}
