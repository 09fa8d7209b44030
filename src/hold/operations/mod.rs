//! What an operator may do to a hold from the shell, and the local socket over which a running hold does it.
//!
//! An [`Operation`] is one function over an opened [`Hold`]: the daemon runs it for whoever may open its socket file
//! ([`serve`] is the table), and a command runs the same one in its own process when no daemon is there. [`Client`]
//! is the other end of the socket. Who may connect is the file's mode (0600); there is no token.
//!
//! The wire is HTTP/1.1: `POST /<name>` with the operation as JSON. The answer is `application/x-ndjson`: lines of
//! progress, then exactly one of a result or an error; an answer without that last line was cut off. An [`Export`]
//! answers bytes instead; an [`Import`] is sent bytes, and its JSON in a header.
//!
//! This room knows no command line, no configuration and no terminal.

mod client;
mod crew;
mod error;
mod gc;
mod identity;
mod images;
mod operation;
mod repo;
mod socket;
mod storage;
mod successor;
mod uploads;
mod wire;

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use crate::blobs::Blobs;
use crate::crew::{Crew, Declared};
use crate::images::Images;
use crate::pds::Pds;
use crate::upkeep::Upkeep;
use atproto::keys::PublicKey;
use atproto::syntax::ServiceUrl;
use server::identity::Resolver;

pub use client::{Client, Connection};
pub use crew::{BannedAccount, CrewAdd, CrewBan, CrewBans, CrewList, CrewRemove, CrewSet, CrewUnban, Member, Source};
pub use error::AdminError;
pub use gc::{GcRun, collect_garbage};
pub use identity::{Head, Identity, IdentityShow, Service};
pub use images::ImagesReconcile;
pub use operation::{ByteStream, Export, Import, Operation, Progress, Reporter};
pub use repo::{Found, RepoExport, RepoImport, RepoImported, RepoVerified, RepoVerify};
pub use socket::serve;
pub use storage::{StorageAdopt, StorageMigrate, StorageUsage, StorageVerify};
pub use successor::{SuccessorExport, SuccessorImport, SuccessorImported};
pub use uploads::{Upload, UploadAborted, UploadsAbort, UploadsList};

/// An opened hold, as operations see it.
pub struct Hold {
    /// Where the world reaches it.
    pub url: ServiceUrl,
    /// Its DID document.
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
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
}

impl Hold {
    /// Now, in microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
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
