//! One opened hold: what requests and commands work on.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::blobs::Blobs;
use crate::crew::{Crew, Declared};
use crate::images::Images;
use crate::pds::Pds;
use crate::upkeep::Upkeep;
use atproto::keys::PublicKey;
use atproto::syntax::ServiceUrl;
use server::identity::{KeptDocuments, Resolver};

/// An opened hold: its rooms, who it is, and its clock.
pub struct Hold {
    /// Where the world reaches it.
    pub url: ServiceUrl,
    /// Its DID document; it does not change while the process lives.
    pub did_document: Value,
    /// The public half of its signing key.
    pub key: PublicKey,
    /// Where the signing key lies.
    pub key_file: PathBuf,
    /// The repository.
    pub pds: Pds,
    /// Captain and crew.
    pub crew: Crew,
    /// What the configuration says of them; a reload changes it.
    pub declared: RwLock<Declared>,
    /// The blobs.
    pub blobs: Blobs,
    /// What looks after them.
    pub upkeep: Upkeep,
    /// What is recorded of images.
    pub images: Images,
    /// Finds accounts and asks their servers.
    pub resolver: Resolver,
    /// What the resolver keeps of members for the next start, for as long as it is here.
    pub documents: Arc<dyn KeptDocuments>,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
}

impl Hold {
    /// Now, in microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// Now, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        i64::try_from(self.now_us() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// What the configuration says of captain, crew and profile.
    #[must_use]
    pub fn declared(&self) -> Declared {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says anew what the configuration says.
    pub fn declare(&self, declared: Declared) {
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = declared;
    }
}
