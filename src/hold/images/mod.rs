//! The records of images: layers of manifests, pushes and pulls, quotas, and the export and deletion of all records of
//! an account.
//!
//! The records are public and authoritative; tables beside them are an index for quotas and garbage collection, written
//! in the same transactions. This room knows the blobs of a manifest, not how accounts are authenticated.
//! <https://lexicon.garden/identity/did:plc:wfj5kyialpmcv2fzk6uqwsln>

mod account_manifests;
mod error;
mod export;
mod growth;
mod handover;
mod index;
mod manifest;
mod post;
mod pulls;
mod push;
mod quota;
mod reconcile;
mod stats;
pub mod tables;
mod tiers;
mod user_data;

use std::sync::Arc;

use crate::crew::Crew;
use crate::pds::{Pds, PdsError};
use atproto::lexicon::nsid::Collection;
use atproto::repo::cbor::{self, Ipld};
use atproto::syntax::Did;
use server::nonpoison::RwLock;

pub use error::ImagesError;
pub use export::UserDataExport;
pub use growth::GrowthLimits;
pub use handover::{Entry, HandOverCursor, MAX_ENTRIES, TakenOver};
pub use index::rebuild;
pub use manifest::{Image, OwnAddress, Push, PushedBlob, PushedLayer};
pub use push::Pushed;
pub use reconcile::{Reconciled, UnaskedAccount};
pub use stats::{NewStats, stats_key};
// Queries for other rooms, within transactions of their own.
pub use tables::{is_referenced, manifests_without_config};
pub use tiers::{QuotaTier, Tiers};

/// The settings of the room.
#[derive(Clone, Debug, Default)]
pub struct ImagesSettings {
    /// The quota tiers.
    pub tiers: Tiers,
    /// Accounts of the registry front ends that may put members into tiers.
    pub appviews: Vec<Did>,
    /// Whether a push may make a post.
    pub posts: bool,
    /// Limits of the records of one account.
    pub growth: GrowthLimits,
}

/// The records of images; cheap to clone.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    pds: Pds,
    crew: Crew,
    settings: RwLock<Arc<ImagesSettings>>,
    pulls: pulls::Pulls,
}

impl Images {
    /// Opens the records in `pds`, and builds their index if there is none. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// A storage error.
    pub async fn open(pds: Pds, crew: Crew, settings: ImagesSettings, now_us: u64) -> Result<Self, PdsError> {
        index::make(&pds, now_us).await?;
        let settings = RwLock::new(settings.into());
        Ok(Self { inner: Arc::new(Inner { pds, crew, settings, pulls: pulls::Pulls::default() }) })
    }

    /// Replaces the settings.
    pub fn set(&self, settings: ImagesSettings) {
        *self.inner.settings.write() = settings.into();
    }

    fn settings(&self) -> Arc<ImagesSettings> {
        Arc::clone(&self.inner.settings.read())
    }
}

/// Encodes a record with its `$type`, as the repository stores it.
fn encode(collection: Collection, record: impl serde::Serialize) -> Result<Ipld, ImagesError> {
    let mut value = serde_json::to_value(record).map_err(|e| ImagesError::Invalid(e.to_string()))?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("$type".into(), collection.as_str().into());
    }
    cbor::from_json(&value).map_err(|e| ImagesError::Invalid(e.to_string()))
}
