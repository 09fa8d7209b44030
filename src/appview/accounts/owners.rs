//! From the first part of an image's name to the account that owns it.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::names::Owner;
use atproto::syntax::{Did, Handle};
use server::identity::{Account, LookUpResult, Pool, ResolveError, Resolver};
use server::metrics::CounterBy;

/// How long a handle leads to the same account without being asked about again.
const TTL: Duration = Duration::from_mins(5);
/// Handles remembered; at about 200 bytes each, 1 MiB.
const MAX_HANDLES: usize = 4096;

/// Finds accounts by DID and by handle. A handle counts when its own domain names the DID and the DID's document has
/// the handle: both ways.
pub struct Owners {
    resolver: Resolver,
    handle_resolver: Option<String>,
    handles: Cache<Handle, (Did, Instant)>,
}

impl Owners {
    /// Handles are asked for at `handle_resolver`, a base URL, if there is one; else at their own domain.
    #[must_use]
    pub fn new(resolver: Resolver, handle_resolver: Option<String>) -> Self {
        Self { resolver, handle_resolver, handles: Cache::new(MAX_HANDLES) }
    }

    /// The account.
    ///
    /// # Errors
    /// [`ResolveError::NotFound`] when there is none, or the handle is not proven; else as [`Resolver::resolve`].
    pub async fn find(&self, owner: &Owner) -> Result<Arc<Account>, ResolveError> {
        match owner {
            Owner::Did(did) => self.resolver.resolve(did, Pool::Strangers).await,
            Owner::Handle(handle) => self.by_handle(handle).await,
        }
    }

    /// Returns how look-ups of documents ended.
    #[must_use]
    pub fn look_ups(&self) -> &CounterBy<LookUpResult> {
        self.resolver.look_ups()
    }

    async fn by_handle(&self, handle: &Handle) -> Result<Arc<Account>, ResolveError> {
        if let Some((did, at)) = self.handles.get(handle)
            && at.elapsed() < TTL
        {
            return self.resolver.resolve(&did, Pool::Strangers).await;
        }
        let asked = self.handle_resolver.as_deref();
        let account = self.resolver.account_of_handle(handle, asked, Pool::Strangers).await?;
        self.handles.insert(handle.clone(), (account.did.clone(), Instant::now()));
        Ok(account)
    }
}
