//! Lists the records of an account at its own PDS.
//!
//! # What the answer proves
//! The address comes from the account's DID document, and the answer over TLS from that host. It has no signature: a
//! PDS signs for its accounts, so one that lies about a list could sign the lie as well, and no proof of single records
//! (`com.atproto.sync.getRecord`) shows that a list is complete. The caller may believe what an account says of itself,
//! and no more.
//!
//! The guard of look-ups applies: addresses of the public internet only, no redirects, limits of time and bytes.

use std::time::Duration;

use http::header::ACCEPT;
use http::{Request, StatusCode};

use super::fetch::FetchError;
use super::location::PdsUrl;
use super::{Account, Pool, ResolveError, Resolver};
use crate::egress::{AnswerLimits, EgressError, retry_after_by_date};
use crate::json::{self, JsonError};
use atproto::lexicon::RecordPage;
use atproto::lexicon::nsid::{self, Collection};
use atproto::syntax::Did;

/// The largest page that `listRecords` returns.
pub const MAX_PAGE_RECORDS: u32 = 100;
const PAGE_LIMITS: AnswerLimits = AnswerLimits {
    time: Duration::from_secs(15),
    // A page of small records has some 100 KiB; a single record at most 1,000,000 bytes as DAG-CBOR. One page for each
    // account that is asked at once is in memory.
    body_bytes: 4 * 1024 * 1024,
};

/// Errors of listing an account's records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The account cannot be resolved, or has no usable PDS.
    #[error("its account: {0}")]
    Account(ResolveError),
    /// Its PDS does not answer in time, or answers 5xx or 429.
    #[error("its PDS cannot be reached")]
    Unreachable {
        /// The time for which it takes nothing, if it says so.
        retry_after: Option<Duration>,
    },
    /// Its PDS answers with this status: it has no such account, or refuses.
    #[error("its PDS answers {0}")]
    Refused(StatusCode),
    /// The answer is not a list of records.
    #[error("its PDS does not answer with a list of records")]
    Invalid,
    /// A page with a single record exceeds the limit of bytes, or of memory.
    #[error("a record of it is larger than 4 MiB, or has too many values")]
    TooLarge,
}

impl ListError {
    /// Returns the time for which the PDS takes nothing, as it said; the caller bounds it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after } => *retry_after,
            _ => None,
        }
    }
}

impl Resolver {
    /// Returns one page of the records of `account` in `collection`, after `cursor`. The page has fewer records where
    /// 100 are too large.
    ///
    /// # Errors
    /// [`ListError`]
    pub async fn list_records(
        &self,
        account: &Did,
        collection: Collection,
        cursor: Option<&str>,
    ) -> Result<RecordPage, ListError> {
        let document = self.resolve(account, Pool::Members).await.map_err(ListError::Account)?;
        match self.list_pages(&document, collection, cursor).await {
            // The account may have moved to another PDS since its document was cached.
            Err(error) => match self.moved(&document, Pool::Members).await {
                Some(moved) => self.list_pages(&moved, collection, cursor).await,
                None => Err(error),
            },
            page => page,
        }
    }

    /// Returns the first page of the records that the server at `pds` has of `account`, whatever its DID document says.
    ///
    /// # Errors
    /// [`ListError`]
    pub async fn list_records_at(
        &self,
        pds: &str,
        account: &Did,
        collection: Collection,
    ) -> Result<RecordPage, ListError> {
        let url = self.locator.pds_method(pds, &nsid::LIST_RECORDS).map_err(ListError::Account)?;
        self.list_page(&url, account, collection, MAX_PAGE_RECORDS, None).await
    }

    /// Returns one page of at most 100 records, and of fewer where they are too large.
    async fn list_pages(
        &self,
        account: &Account,
        collection: Collection,
        cursor: Option<&str>,
    ) -> Result<RecordPage, ListError> {
        let url = self.pds_method(account, &nsid::LIST_RECORDS).map_err(ListError::Account)?;
        let mut limit = MAX_PAGE_RECORDS;
        loop {
            match self.list_page(&url, &account.did, collection, limit, cursor).await {
                Err(ListError::TooLarge) if limit > 1 => limit /= 10,
                answer => return answer,
            }
        }
    }

    async fn list_page(
        &self,
        url: &PdsUrl,
        account: &Did,
        collection: Collection,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RecordPage, ListError> {
        let request = Request::get(format!("{url}?{}", query(account, collection, limit, cursor)))
            .header(ACCEPT, "application/json");
        let answer = self.fetcher.ask_within(request, Pool::Members, PAGE_LIMITS).await;
        let answer = answer.map_err(|error| match error {
            EgressError::TooLarge(_) => ListError::TooLarge,
            error => match ResolveError::from(FetchError::from(error)) {
                ResolveError::Unreachable => ListError::Unreachable { retry_after: None },
                problem => ListError::Account(problem),
            },
        })?;
        match answer.status() {
            StatusCode::OK => match json::parse::<RecordPage>(answer.body()) {
                // Some servers have an empty cursor for none.
                Ok(page) => Ok(RecordPage { cursor: page.cursor.filter(|cursor| !cursor.is_empty()), ..page }),
                Err(JsonError::TooManyValues) => Err(ListError::TooLarge),
                Err(JsonError::Form(_)) => Err(ListError::Invalid),
            },
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(ListError::Unreachable { retry_after: retry_after_by_date(status, answer.headers()) })
            }
            status => Err(ListError::Refused(status)),
        }
    }
}

fn query(account: &Did, collection: Collection, limit: u32, cursor: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("repo", account.as_str()).append_pair("collection", &collection);
    query.append_pair("limit", &limit.to_string());
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    query.finish()
}
