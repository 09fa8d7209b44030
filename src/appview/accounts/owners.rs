//! Resolution of the first part of an image's name, a DID or a handle, to the account that owns the image.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::TimedCache;
use crate::names::Owner;
use atproto::syntax::{Did, Handle};
use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Locks};
use server::egress::wait_for;
use server::identity::{Account, Asker, LookUpResult, Pool, ResolveError, Resolver};
use server::metrics::CounterBy;

/// How long a handle's DID is cached.
const TTL: Duration = Duration::from_mins(5);
/// Number of handles in each cache; at about 200 bytes each, 1 MiB.
const MAX_HANDLES: usize = 4096;
/// How long a failed look-up of a handle is cached.
const NOWHERE_FOR: Duration = Duration::from_mins(1);
/// Look-ups of handles at once. Eight threads do DNS, and a silent domain takes ten seconds: six look-ups for one
/// address, as of documents.
const LOOK_UPS: BulkheadLimits = BulkheadLimits {
    slots: 16,
    slots_per_caller: 6,
    queue: 256,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(10),
};

/// Finds accounts by DID and by handle. A handle is valid if its own domain (or the configured resolver) names the DID
/// and the DID's document names the handle.
pub struct Owners {
    resolver: Resolver,
    handle_resolver: Option<String>,
    handles: TimedCache<Handle, Did>,
    /// Errors of failed look-ups.
    nowhere: TimedCache<Handle, ResolveError>,
    /// Lock of each handle: one look-up at a time.
    locks: Locks<Handle>,
    look_ups: Bulkhead<Caller>,
}

impl Owners {
    /// Resolves handles at `handle_resolver`, a base URL, if given; else at their own domains.
    #[must_use]
    pub fn new(resolver: Resolver, handle_resolver: Option<String>) -> Self {
        Self {
            resolver,
            handle_resolver,
            handles: TimedCache::new(MAX_HANDLES, TTL),
            nowhere: TimedCache::new(MAX_HANDLES, NOWHERE_FOR),
            locks: Locks::default(),
            look_ups: Bulkhead::new(LOOK_UPS),
        }
    }

    /// Returns the metrics of the queues before look-ups of handles and of documents.
    #[must_use]
    pub fn bulkheads(&self) -> Vec<(&'static str, &BulkheadCounts)> {
        [("handles", self.look_ups.counts())].into_iter().chain(self.resolver.bulkheads()).collect()
    }

    /// Returns the account of `owner`. The look-up counts against the share of `caller`.
    ///
    /// # Errors
    /// [`ResolveError::NotFound`] when there is no such account, or its handle is not valid; else as
    /// [`Resolver::resolve`].
    pub async fn find(&self, owner: &Owner, caller: &Caller) -> Result<Arc<Account>, ResolveError> {
        match owner {
            Owner::Did(did) => self.resolver.resolve(did, asker(caller)).await,
            Owner::Handle(handle) => match self.known(handle) {
                Some(known) => self.resolver.resolve(&known?, asker(caller)).await,
                None => wait_for(self.by_handle(handle, caller)).await.unwrap_or(Err(ResolveError::Unreachable)),
            },
        }
    }

    /// Returns the handle of an account's document if its domain names the account.
    ///
    /// # Errors
    /// [`ResolveError`] when the handle cannot be checked at present.
    pub async fn proven_handle(&self, account: &Account, caller: &Caller) -> Result<Option<Handle>, ResolveError> {
        let Some(handle) = account.handle.clone() else { return Ok(None) };
        proven(&account.did, handle.clone(), self.find(&Owner::Handle(handle), caller).await)
    }

    /// Returns the handle of an account if its domain names the account. The domain is asked now, and so is the source
    /// of the document, unless that was read again in the last minute.
    ///
    /// # Errors
    /// As [`Owners::proven_handle`]; [`ResolveError::Unreachable`] when the document cannot be read again: an older one may
    /// have another handle.
    pub async fn current_handle(&self, did: &Did, caller: &Caller) -> Result<Option<Handle>, ResolveError> {
        let account = self.resolver.reread(did, asker(caller)).await?;
        let Some(handle) = account.handle.clone() else { return Ok(None) };
        let _slot = self.look_ups.enter(caller).await.map_err(ResolveError::Busy)?;
        let _guard = self.locks.lock(&handle).await;
        proven(did, handle.clone(), self.look_up(&handle, caller).await)
    }

    /// Returns the counters of look-ups of documents by result.
    #[must_use]
    pub fn look_ups(&self) -> &CounterBy<LookUpResult> {
        self.resolver.look_ups()
    }

    /// Returns the cached result of a look-up.
    fn known(&self, handle: &Handle) -> Option<Result<Did, ResolveError>> {
        match self.handles.get(handle) {
            Some(did) => Some(Ok(did)),
            None => self.nowhere.get(handle).map(Err),
        }
    }

    async fn by_handle(&self, handle: &Handle, caller: &Caller) -> Result<Arc<Account>, ResolveError> {
        let _slot = self.look_ups.enter(caller).await.map_err(ResolveError::Busy)?;
        let _guard = self.locks.lock(handle).await;
        // Another caller may have looked it up meanwhile.
        if let Some(known) = self.known(handle) {
            return self.resolver.resolve(&known?, asker(caller)).await;
        }
        self.look_up(handle, caller).await
    }

    /// Looks a handle up, and caches the result.
    async fn look_up(&self, handle: &Handle, caller: &Caller) -> Result<Arc<Account>, ResolveError> {
        let asked = self.handle_resolver.as_deref();
        let outcome = self.resolver.account_of_handle(handle, asked, asker(caller)).await;
        match &outcome {
            Ok(account) => self.handles.insert(handle.clone(), account.did.clone()),
            Err(ResolveError::Busy(_)) => {}
            Err(error) => {
                if matches!(error, ResolveError::NotFound) {
                    self.handles.remove(handle);
                }
                self.nowhere.insert(handle.clone(), *error);
            }
        }
        outcome
    }
}

/// Returns the handle if the look-up of it found the account.
fn proven(
    did: &Did,
    handle: Handle,
    found: Result<Arc<Account>, ResolveError>,
) -> Result<Option<Handle>, ResolveError> {
    match found {
        Ok(found) => Ok((found.did == *did).then_some(handle)),
        Err(ResolveError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the asker of a look-up for an image: always a stranger, with the share of the caller's address.
fn asker(caller: &Caller) -> Asker {
    Asker { pool: Pool::Strangers, caller: caller.clone() }
}
