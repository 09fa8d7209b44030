//! The state that all handlers share.

use std::sync::Arc;

use super::admission::Admission;
use super::policy::Policy;
use super::refusal::OciError;
use crate::accounts::{Login, Owners, Sessions};
use crate::catalog::Catalog;
use crate::devices::Devices;
use crate::follow::Follow;
use crate::gate::Tokens;
use crate::holds::Holds;
use crate::images::Images;
use crate::index::Index;
use crate::names::RepositoryName;
use crate::uploads::{UploadId, Uploads};
use crate::web::Web;
use crate::webhooks::Webhooks;
use server::bulkhead::Caller;
use server::identity::Account;
use server::sqlite::{Database, DatabaseHealth};
use server::xrpc::Front;

/// The state of an opened front end: its rooms and settings, for handlers and operations.
pub struct OciState {
    /// Rate limits, request metrics and trusted proxies.
    pub front: Front,
    /// Base URL of the registry.
    pub base_url: String,
    /// Host and port of the registry: the `service` that tokens are for.
    pub service: String,
    /// Settings that a reload may change.
    pub policy: Policy,
    /// Bulkheads before shared resources.
    pub admission: Admission,
    /// Issues and verifies tokens.
    pub tokens: Tokens,
    /// Resolves owners to accounts.
    pub owners: Arc<Owners>,
    /// Sessions of accounts at their PDSes.
    pub sessions: Arc<Sessions>,
    /// Devices that act for accounts.
    pub devices: Arc<Devices>,
    /// The web pages and their API.
    pub web: Web,
    /// Client of the holds.
    pub holds: Arc<Holds>,
    /// Open uploads of blobs.
    pub uploads: Arc<Uploads>,
    /// Manifests and tags.
    pub images: Arc<Images>,
    /// Webhooks of repositories.
    pub webhooks: Arc<Webhooks>,
    /// Repositories and images as web pages show them.
    pub catalog: Arc<Catalog>,
    /// The search index.
    pub index: Arc<Index>,
    /// Keeps the search index up to date.
    pub follow: Follow,
    /// The database of all rooms.
    pub database: Database,
    /// Health check of the database.
    pub health: DatabaseHealth,
    /// Returns the time in microseconds since 1970.
    pub clock: fn() -> u64,
    /// Returns a random id for an upload; `None` when the system has no random numbers.
    pub fresh_id: fn() -> Option<UploadId>,
}

impl OciState {
    /// Returns the time in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.clock)() / 1_000_000
    }

    /// Returns the account that owns a repository, if it is the one that signed in: a handle may have gone to another
    /// account since the token was issued.
    pub(super) async fn owner_of(&self, name: &RepositoryName, login: &Login) -> Result<Arc<Account>, OciError> {
        let owner = self.owners.find(&name.owner, &Caller::Account(login.account.clone())).await?;
        if owner.did == login.account { Ok(owner) } else { Err(OciError::denied("this is another account's")) }
    }
}
