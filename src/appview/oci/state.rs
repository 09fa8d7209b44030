//! What every handler may use.

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

/// The rooms of a front end that requests need.
pub struct OciState {
    /// What every request passes first.
    pub front: Front,
    /// Base URL of the registry.
    pub base_url: String,
    /// Host and port: the service that tokens are for.
    pub service: String,
    /// What a reload may change.
    pub policy: Policy,
    /// The bulkheads before what many share.
    pub admission: Admission,
    /// Makes and verifies tokens.
    pub tokens: Tokens,
    /// Finds accounts.
    pub owners: Arc<Owners>,
    /// Sessions at their PDSes.
    pub sessions: Arc<Sessions>,
    /// Devices that act for accounts.
    pub devices: Arc<Devices>,
    /// What people see in a browser.
    pub web: Web,
    /// Calls holds.
    pub holds: Arc<Holds>,
    /// Blobs on their way.
    pub uploads: Arc<Uploads>,
    /// Manifests.
    pub images: Arc<Images>,
    /// Whom owners want told of pushes.
    pub webhooks: Arc<Webhooks>,
    /// What repositories and images there are.
    pub catalog: Arc<Catalog>,
    /// What can be searched for.
    pub index: Arc<Index>,
    /// Keeps that up.
    pub follow: Follow,
    /// The database of all rooms.
    pub database: Database,
    /// How the database is.
    pub health: DatabaseHealth,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
    /// A random name for an upload; `None` when the system has no random numbers.
    pub fresh_id: fn() -> Option<UploadId>,
}

impl OciState {
    /// Now, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.clock)() / 1_000_000
    }

    /// The account that a permit to write is for: its name may have gone to another one since the token was made.
    pub(super) async fn owner_of(&self, name: &RepositoryName, login: &Login) -> Result<Arc<Account>, OciError> {
        let owner = self.owners.find(&name.owner, &Caller::Account(login.account.clone())).await?;
        if owner.did == login.account { Ok(owner) } else { Err(OciError::denied("this is another account's")) }
    }
}
