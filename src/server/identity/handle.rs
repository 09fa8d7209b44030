//! Verifies handles in both directions. A DID document only claims a handle; the claim holds when the handle's own
//! domain names the DID in return: in a TXT record of the DNS, or over HTTPS. Both are asked at once, and what the DNS
//! says comes first.
//! <https://atproto.com/specs/handle#handle-resolution>

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;

use super::fetch::FetchError;
use super::location::Location;
use super::{Account, Asker, Pool, ResolveError, Resolver};
use crate::egress::EgressError;
use atproto::lexicon::nsid;
use atproto::syntax::{Did, Handle};

/// How long the DNS may take to answer.
const DNS_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take yet when the answer over HTTPS is there, with which it seldom disagrees.
const DNS_GRACE: Duration = Duration::from_secs(1);

/// The output of `resolveHandle`.
#[derive(Deserialize)]
struct NamedDid {
    did: Did,
}

impl Resolver {
    /// Returns the verified handle of `did`, in lower case; `None` when it claims none, or one whose domain names
    /// another DID. The document is cached, the domain's answer is not.
    ///
    /// # Errors
    /// As [`Resolver::resolve`]; [`ResolveError::Unreachable`] when the handle's domain, or the DNS, does not answer.
    pub async fn proven_handle(&self, did: &Did, pool: Pool) -> Result<Option<Handle>, ResolveError> {
        let account = self.resolve(did, pool).await?;
        let claimed = account.handle.as_ref().map(|handle| Handle::parse(&handle.as_str().to_ascii_lowercase()));
        let Some(Ok(handle)) = claimed else { return Ok(None) };
        match self.named_by_domain(&handle, account.pds.as_deref(), pool).await {
            Ok(named) => Ok((named == *did).then_some(handle)),
            Err(
                ResolveError::NotFound
                | ResolveError::Invalid(_)
                | ResolveError::Unsupported(_)
                | ResolveError::Refused(_),
            ) => Ok(None),
            Err(error @ (ResolveError::Unreachable | ResolveError::Busy(_))) => Err(error),
        }
    }

    /// Returns the account that `handle` names and whose document claims it back. `resolver` is the base URL of a
    /// service whose `resolveHandle` is asked for the DID; without it the handle's own domain is asked.
    ///
    /// # Errors
    /// [`ResolveError::NotFound`] when it names none, or one whose document has another handle; else as
    /// [`Resolver::resolve`].
    pub async fn account_of_handle(
        &self,
        handle: &Handle,
        resolver: Option<&str>,
        asker: impl Into<Asker>,
    ) -> Result<Arc<Account>, ResolveError> {
        let asker = asker.into();
        let pool = asker.pool;
        let did = match resolver {
            Some(base) => {
                let url = format!("{base}/xrpc/{}?handle={handle}", nsid::RESOLVE_HANDLE);
                let location =
                    Location::Directory(url.parse().map_err(|_| ResolveError::Unsupported("it makes no address"))?);
                let body = self.fetcher.get(location, pool).await.map_err(|error| match error {
                    // `resolveHandle` answers it for a handle that it cannot find.
                    FetchError::Status(StatusCode::BAD_REQUEST) => ResolveError::NotFound,
                    other => other.into(),
                })?;
                serde_json::from_slice::<NamedDid>(&body).map_err(|_| ResolveError::NotFound)?.did
            }
            None => self.named_by_domain(handle, None, pool).await?,
        };
        let claims = |account: &Account| {
            account.handle.as_ref().is_some_and(|claimed| claimed.as_str().eq_ignore_ascii_case(handle.as_str()))
        };
        let mut account = self.resolve(&did, asker.clone()).await?;
        if !claims(&account) {
            // The account may have got this handle since its document was cached.
            account = self.refresh(&did, asker).await?;
        }
        if claims(&account) { Ok(account) } else { Err(ResolveError::NotFound) }
    }

    /// Returns the DID that the domain of `handle`, which an account at `pds` claims, names.
    async fn named_by_domain(&self, handle: &Handle, pds: Option<&str>, pool: Pool) -> Result<Did, ResolveError> {
        let location = self.locator.locate_handle(handle, pds)?;
        let Some(name) = self.locator.txt_name(handle) else { return self.named_by_web(location, pool).await };
        let dns = std::pin::pin!(self.named_by_dns(name));
        let web = std::pin::pin!(self.named_by_web(location, pool));
        let (dns, web) = match select(dns, web).await {
            Either::Left((Ok(Some(did)), _)) => return Ok(did),
            Either::Left((dns, web)) => (dns, web.await),
            Either::Right((Ok(did), dns)) => (timeout(DNS_GRACE, dns).await.unwrap_or(Ok(None)), Ok(did)),
            Either::Right((error, dns)) => (dns.await, error),
        };
        match dns {
            Ok(Some(did)) => Ok(did),
            Ok(None) => web,
            // The record may be there.
            Err(error) => web.map_err(|_| error),
        }
    }

    /// Returns the DID that the TXT record at `name` names; `None` when there is no such record, or when several disagree.
    async fn named_by_dns(&self, name: String) -> Result<Option<Did>, ResolveError> {
        let late =
            || io::Error::new(io::ErrorKind::TimedOut, format!("no answer came within {} s", DNS_LIMIT.as_secs()));
        let answer = timeout(DNS_LIMIT, (self.txt)(name.clone())).await.unwrap_or_else(|_| Err(late()));
        // A server that says that it failed is there.
        let silence = answer.as_ref().err().filter(|error| error.kind() != io::ErrorKind::Other);
        self.name_servers.observe("the name server that is asked for TXT records of handles", silence);
        let texts = answer.map_err(|error| {
            tracing::debug!(name, "the TXT records of {name} cannot be looked up: {error}");
            ResolveError::Unreachable
        })?;
        let mut named = texts.iter().filter_map(|text| text.trim().strip_prefix("did="));
        let first = named.next();
        if named.any(|other| Some(other) != first) {
            return Ok(None);
        }
        Ok(first.and_then(|did| Did::parse(did).ok()))
    }

    async fn named_by_web(&self, location: Location, pool: Pool) -> Result<Did, ResolveError> {
        let body = self.fetcher.get(location, pool).await.map_err(of_handle)?;
        let text = std::str::from_utf8(body.trim_ascii()).map_err(|_| ResolveError::NotFound)?;
        Did::parse(text).map_err(|_| ResolveError::NotFound)
    }
}

/// Converts the error of a handle's domain: one that is not in the DNS confirms nothing.
fn of_handle(error: FetchError) -> ResolveError {
    match error {
        FetchError::Egress(EgressError::NoSuchName(_)) => ResolveError::NotFound,
        error => error.into(),
    }
}
