//! An opened hold, which requests and commands work on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use crate::blobs::Blobs;
use crate::crew::{Crew, Declared};
use crate::images::Images;
use crate::objects::DirectoryLock;
use crate::pds::Pds;
use crate::upkeep::Upkeep;
use atproto::keys::PublicKey;
use server::daemon::ClockSteps;
use server::identity::{KeptDocuments, Resolver};
use server::nonpoison::RwLock;

/// An opened hold: its rooms, its identity and its clock.
pub struct Hold {
    /// The lock of the storage directory, if this process may change what is there.
    pub storage_lock: Option<DirectoryLock>,
    /// The DID document of the hold; it does not change until the process ends.
    pub did_document: Value,
    /// The public half of the signing key.
    pub key: PublicKey,
    /// The file of the signing key; `None` where the key is in the configuration.
    pub key_file: Option<PathBuf>,
    /// The repository.
    pub pds: Pds,
    /// The captain and crew.
    pub crew: Crew,
    /// The captain, crew and profile that the configuration declares; a reload replaces them.
    pub declared: RwLock<Declared>,
    /// The blobs.
    pub blobs: Blobs,
    /// Verification, garbage collection and migration of the blobs.
    pub upkeep: Upkeep,
    /// The records of images.
    pub images: Images,
    /// The resolver of accounts, which also sends requests to their PDSes.
    pub resolver: Resolver,
    /// The table of members' DID documents, which the resolver uses after the next start. The resolver has only a weak
    /// reference.
    pub documents: Arc<dyn KeptDocuments>,
    /// Returns the time, in microseconds since 1970.
    pub clock: fn() -> u64,
    /// The steps of that clock.
    pub clock_steps: Arc<ClockSteps>,
}

impl Hold {
    /// Returns the time, in microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// Looks whether the clock was set, before something is deleted by its age. Returns the time, in microseconds since 1970.
    #[must_use]
    pub fn look_at_clock(&self) -> u64 {
        let now_us = self.now_us();
        self.clock_steps.look(now_us, Instant::now());
        now_us
    }

    /// Returns the time, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        i64::try_from(self.now_us() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Returns the captain, crew and profile that the configuration declares.
    #[must_use]
    pub fn declared(&self) -> Declared {
        self.declared.read().clone()
    }

    /// Replaces the captain, crew and profile that the configuration declares.
    pub fn declare(&self, declared: Declared) {
        *self.declared.write() = declared;
    }
}
