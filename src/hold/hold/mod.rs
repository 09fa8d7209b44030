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

/// An opened hold: its rooms, its identity and its clock.
pub struct Hold {
    /// Its public URL.
    pub url: ServiceUrl,
    /// Its DID document; it does not change while the process lives.
    pub did_document: Value,
    /// The public half of its signing key.
    pub key: PublicKey,
    /// The file of the signing key.
    pub key_file: PathBuf,
    /// The repository.
    pub pds: Pds,
    /// Captain and crew.
    pub crew: Crew,
    /// The captain, crew and profile that the configuration declares; a reload changes them.
    pub declared: RwLock<Declared>,
    /// The blobs.
    pub blobs: Blobs,
    /// Verification, garbage collection and migration of the blobs.
    pub upkeep: Upkeep,
    /// The records of images.
    pub images: Images,
    /// Resolves accounts, and asks their PDSes.
    pub resolver: Resolver,
    /// What the resolver keeps of members for the next start, for as long as it is here.
    pub documents: Arc<dyn KeptDocuments>,
    /// Returns the time, in microseconds since 1970.
    pub clock: fn() -> u64,
}

impl Hold {
    /// Returns the time, in microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// Returns the time, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        i64::try_from(self.now_us() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Returns the captain, crew and profile that the configuration declares.
    #[must_use]
    pub fn declared(&self) -> Declared {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what the configuration declares.
    pub fn declare(&self, declared: Declared) {
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = declared;
    }
}
