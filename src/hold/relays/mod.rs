//! Asks relays to crawl the hold: the network sees only hosts that a relay crawls.
//!
//! Each relay gets a request at start, and again at the first commit after a quiet time, because relays forget hosts
//! without events for long. A hold that is never quiet repeats it all the same: a relay that could not reach it for some
//! minutes has given up, and does not come back by itself. Neither the start, nor a commit, nor another relay waits for
//! a relay. This room knows when there was a commit, not its content. <https://docs.bsky.app/docs/api/com-atproto-sync-request-crawl>

mod client;
mod quiet;
mod relay;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use atproto::syntax::ServiceUrl;
use client::{Refusal, RelayClient};
use relay::CrawlAnswer;
use server::nonpoison::Mutex;

/// The times at which requests to relays are sent and repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Time without a commit after which the next commit causes a new request.
    pub quiet: Duration,
    /// Time without a request after which the next commit causes a new one.
    pub repeat: Duration,
    /// The wait after the first refusal; the waits after that double.
    pub first_retry: Duration,
    /// The longest wait between attempts.
    pub longest_retry: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            quiet: Duration::from_mins(10),
            // As the reference PDS.
            repeat: Duration::from_mins(20),
            first_retry: Duration::from_secs(30),
            longest_retry: Duration::from_hours(1),
        }
    }
}

/// Asks the relays of a hold to crawl it.
pub struct CrawlRequester {
    client: RelayClient,
    /// The host name of the hold, with its port if there is one.
    hostname: String,
    /// Base URLs of the relays, without a trailing slash.
    relays: Vec<String>,
    policy: RetryPolicy,
}

impl CrawlRequester {
    /// Makes the requester for the hold at `url`; `None` when there is no relay, or the hold is at localhost, which no
    /// relay can reach. In test mode a hold at localhost asks too.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(url: &ServiceUrl, relays: &[String], test_mode: bool, policy: RetryPolicy) -> io::Result<Option<Self>> {
        if relays.is_empty() {
            return Ok(None);
        }
        if url.is_local() && !test_mode {
            tracing::info!(%url, "relays are not asked to crawl this hold: only this machine reaches it");
            return Ok(None);
        }
        let (client, hostname) = (RelayClient::new(test_mode)?, url.authority().to_owned());
        Ok(Some(Self { client, hostname, relays: relays.to_vec(), policy }))
    }

    /// Sends and repeats the requests until the future is dropped. `newest_event` changes with every commit. `tell`
    /// gets a status line with the last response of each relay, whenever one differs from the response before.
    pub async fn run<E>(self, newest_event: watch::Receiver<E>, tell: impl Fn(&str) + Send + Sync) {
        let (wish, wishes) = watch::channel(());
        let said = Mutex::new(BTreeMap::new());
        let asking = self.relays.iter().map(|relay| {
            let ask = || self.client.request_crawl(relay, &self.hostname);
            let heard = |answer: &CrawlAnswer| {
                let answer = answer.as_ref().map_or_else(Refusal::to_string, |()| "it agreed".into());
                let mut said = said.lock();
                said.insert(relay.as_str(), answer);
                let lines: Vec<_> = said.iter().map(|(relay, answer)| format!("{relay}: {answer}")).collect();
                tell(&lines.join("; "));
            };
            relay::keep_asking(relay, self.policy, wishes.clone(), ask, heard)
        });
        tokio::join!(join_all(asking), quiet::wish_at_events(newest_event, self.policy, wish));
    }
}
