//! Asks relays to crawl the hold: without a relay that does, the network does not see it.
//!
//! Each relay is asked at start, and again at the first commit after a quiet time, for a relay forgets hosts that it
//! has not heard of for long. Nobody waits for a relay: not the start, not a commit, not another relay. This room knows
//! when there was a commit, not what was in it. <https://docs.bsky.app/docs/api/com-atproto-sync-request-crawl>

mod client;
mod quiet;
mod relay;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use atproto::syntax::ServiceUrl;
use client::{Refusal, RelayClient};
use relay::CrawlAnswer;

/// When relays are asked, and when again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// How long without a commit until the next commit makes the hold ask again.
    pub quiet: Duration,
    /// The wait after the first refusal; the waits after that double.
    pub first_retry: Duration,
    /// The longest wait.
    pub longest_retry: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            quiet: Duration::from_mins(10),
            first_retry: Duration::from_secs(30),
            longest_retry: Duration::from_hours(1),
        }
    }
}

/// Asks the relays of a hold to crawl it.
pub struct CrawlRequester {
    client: RelayClient,
    /// The hold's host.
    hostname: String,
    /// Base URLs without a trailing slash.
    relays: Vec<String>,
    policy: RetryPolicy,
}

impl CrawlRequester {
    /// For the hold at `url`; `None` when there is no relay to ask. No relay can reach a hold at localhost: only a
    /// test's own is asked, in test mode.
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

    /// Asks, and asks again, until it is dropped. `newest_event` changes with every commit. `tell` gets a line for
    /// people with what each relay said last, whenever one says something else.
    pub async fn run<E>(self, newest_event: watch::Receiver<E>, tell: impl Fn(&str) + Send + Sync) {
        let (wish, wishes) = watch::channel(());
        let said = Mutex::new(BTreeMap::new());
        let asking = self.relays.iter().map(|relay| {
            let ask = || self.client.request_crawl(relay, &self.hostname);
            let heard = |answer: &CrawlAnswer| {
                let answer = answer.as_ref().map_or_else(Refusal::to_string, |()| "it agreed".into());
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.insert(relay.as_str(), answer);
                let lines: Vec<_> = said.iter().map(|(relay, answer)| format!("{relay}: {answer}")).collect();
                tell(&lines.join("; "));
            };
            relay::keep_asking(relay, self.policy, wishes.clone(), ask, heard)
        });
        tokio::join!(join_all(asking), quiet::wish_after_quiet(newest_event, self.policy.quiet, wish));
    }
}
