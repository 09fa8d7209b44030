//! Verifies handles in both directions. A DID document only claims a handle; the claim holds when the handle's own
//! domain names the DID in return.
//!
//! The domain is asked over HTTPS. The other method, a TXT record in the DNS, is not supported: the system's resolver
//! looks up addresses only. So a handle that is verified only by DNS stays a claim here.
//! <https://atproto.com/specs/handle#handle-resolution>

use std::sync::Arc;

use serde::Deserialize;

use super::fetch::FetchError;
use super::location::Location;
use super::{Account, Asker, Pool, ResolveError, Resolver};
use crate::egress::EgressError;
use atproto::lexicon::nsid;
use atproto::syntax::{Did, Handle};

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
        let location = self.locator.locate_handle(&handle, account.pds.as_deref())?;
        match self.fetcher.get(location, pool).await {
            Ok(body) => Ok((body.trim_ascii() == did.as_str().as_bytes()).then_some(handle)),
            Err(error) => match of_handle(error) {
                ResolveError::NotFound
                | ResolveError::Invalid(_)
                | ResolveError::Unsupported(_)
                | ResolveError::Refused(_) => Ok(None),
                error @ (ResolveError::Unreachable | ResolveError::Busy(_)) => Err(error),
            },
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
                let body = self.fetcher.get(location, pool).await.map_err(|error| match ResolveError::from(error) {
                    // `resolveHandle` answers 400 for a handle that it cannot find.
                    ResolveError::Refused(_) => ResolveError::NotFound,
                    other => other,
                })?;
                serde_json::from_slice::<NamedDid>(&body).map_err(|_| ResolveError::NotFound)?.did
            }
            None => {
                let location = self.locator.locate_handle(handle, None)?;
                let body = self.fetcher.get(location, pool).await.map_err(of_handle)?;
                let text = std::str::from_utf8(body.trim_ascii()).map_err(|_| ResolveError::NotFound)?;
                Did::parse(text).map_err(|_| ResolveError::NotFound)?
            }
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
}

/// Converts the error of a handle's domain: one that is not in the DNS confirms nothing.
fn of_handle(error: FetchError) -> ResolveError {
    match error {
        FetchError::Egress(EgressError::NoSuchName(_)) => ResolveError::NotFound,
        error => error.into(),
    }
}
