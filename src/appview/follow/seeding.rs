//! The first list of accounts with records, read from a relay once, before events are followed.

use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use serde::Deserialize;

use super::Follow;
use crate::index::{Change, ChangeKind, SourceCursor};
use atproto::lexicon::nsid::{self, Method};
use atproto::syntax::Did;
use server::egress::{AnswerLimits, empty_body, retry_after};
use server::storage::StorageError;

/// Collections whose accounts are listed: an account with a tag has a manifest.
const OWNERS: [nsid::Collection; 3] = [nsid::MANIFEST, nsid::STAR, nsid::SAILOR_PROFILE];
/// Maximum number of pages of one collection, of 500 accounts each at most.
const MAX_PAGES: usize = 200;
/// Maximum number of pages of all accounts that are read from a host that cannot list by collection: it is a PDS, most
/// likely.
const MAX_PAGES_OF_ALL: usize = 2;
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(30), body_bytes: 4 * 1024 * 1024 };
const AGAIN: Duration = Duration::from_secs(300);
/// Longest pause that a relay may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// Prefix of the cursor that records that a relay was read.
const SEEDED: &str = "accounts of ";

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    cursor: Option<String>,
    repos: Vec<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    did: Did,
}

/// Errors of reading the accounts of a host.
#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("{0}")]
    Failed(String),
    /// The host has the method, and answers later.
    #[error("it answers {status}")]
    Later {
        status: StatusCode,
        /// The time for which it takes nothing, if it says so.
        retry_after: Option<Duration>,
    },
    /// The host does not have the method.
    #[error("it answers {0}")]
    Refused(StatusCode),
}

impl SeedError {
    /// Returns the time to the next attempt.
    fn pause(&self) -> Duration {
        match self {
            Self::Later { retry_after: Some(asked), .. } => (*asked).clamp(AGAIN, LONGEST_PAUSE),
            _ => AGAIN,
        }
    }
}

impl Follow {
    /// Has all accounts with records at the relay listed, once, and again after [`Follow::forget_seeds`]. Tries until
    /// the relay answers.
    pub async fn seed(&self) {
        let Some(relay) = self.settings.relay_url.as_deref() else { return };
        let (name, mut wakes) = (format!("{SEEDED}{relay}"), self.index.wakes());
        loop {
            let mut pause = AGAIN;
            match self.index.cursor(&name).await {
                Ok(Some(_)) => {
                    if wakes.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(None) => match self.seed_from(relay, &name).await {
                    Ok(accounts) => {
                        tracing::info!(relay, accounts, "the accounts of the relay are listed");
                        continue;
                    }
                    Err(error) => {
                        pause = error.pause();
                        tracing::warn!(relay, "the relay does not say which accounts there are: {error}");
                    }
                },
                Err(error) => tracing::warn!(%error, "it is not known whether the relay was asked for its accounts"),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Has the accounts of the relay listed again, when the index next wakes its followers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_seeds(&self) -> Result<(), StorageError> {
        match self.settings.relay_url.as_deref() {
            Some(relay) => self.index.forget_cursor(&format!("{SEEDED}{relay}")).await,
            None => Ok(()),
        }
    }

    async fn seed_from(&self, relay: &str, name: &str) -> Result<usize, SeedError> {
        let mut accounts = 0;
        for collection in OWNERS {
            let by = Some(collection.as_str());
            match self.each_page(relay, nsid::SYNC_LIST_REPOS_BY_COLLECTION, by, MAX_PAGES).await {
                Ok(found) => accounts += found,
                Err(SeedError::Refused(status)) => {
                    tracing::debug!(relay, %status, "the relay does not know who has records of a collection");
                    accounts = self.each_page(relay, nsid::SYNC_LIST_REPOS, None, MAX_PAGES_OF_ALL).await?;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let done = Some(SourceCursor { source: name.to_owned(), cursor: (self.clock)() });
        self.index.apply(Vec::new(), done).await.map_err(|error| SeedError::Failed(error.to_string()))?;
        Ok(accounts)
    }

    /// Has the accounts on all pages of an answer listed. Returns their number.
    async fn each_page(
        &self,
        relay: &str,
        method: Method,
        collection: Option<&str>,
        max_pages: usize,
    ) -> Result<usize, SeedError> {
        let (mut cursor, mut accounts) = (None::<String>, 0);
        for _ in 0..max_pages {
            let page = self.page(relay, method, collection, cursor.as_deref()).await?;
            accounts += page.repos.len();
            let list = |repo: Repo| Change { account: repo.did, kind: ChangeKind::List };
            let changes = page.repos.into_iter().map(list).collect();
            self.index.apply(changes, None).await.map_err(|error| SeedError::Failed(error.to_string()))?;
            cursor = page.cursor.filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                break;
            }
        }
        Ok(accounts)
    }

    async fn page(
        &self,
        relay: &str,
        method: Method,
        collection: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Page, SeedError> {
        let fields = [("collection", collection), ("limit", Some("500")), ("cursor", cursor)];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let failed = |error: &dyn std::fmt::Display| SeedError::Failed(error.to_string());
        let request = Request::get(format!("{relay}/xrpc/{method}?{query}")).body(empty_body());
        let answer = self.http.exchange(request.map_err(|error| failed(&error))?, LIMITS).await;
        let answer = answer.map_err(|error| failed(&error))?;
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|error| failed(&error)),
            status
            @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE) => {
                let now = SystemTime::UNIX_EPOCH + Duration::from_micros((self.clock)());
                Err(SeedError::Later { status, retry_after: retry_after(status, answer.headers(), now) })
            }
            status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => {
                Err(SeedError::Refused(status))
            }
            status => Err(failed(&format!("it answers {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_left_alone_for_as_long_as_it_asks_within_bounds() {
        let pause = |asked_s: Option<u64>| {
            let retry_after = asked_s.map(Duration::from_secs);
            SeedError::Later { status: StatusCode::TOO_MANY_REQUESTS, retry_after }.pause().as_secs()
        };
        assert_eq!([pause(None), pause(Some(0)), pause(Some(900)), pause(Some(u64::MAX))], [300, 300, 900, 6 * 3600]);
    }
}
