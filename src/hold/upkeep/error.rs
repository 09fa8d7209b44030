//! Errors of operations on the storage.

use crate::blobs::PresenceError;
use crate::images::ImagesError;
use crate::objects::ProbeError;
use atproto::syntax::Did;
use server::storage::StorageError;

/// Errors of the room, one variant for each remedy of the operator. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The storage or the database failed: what was done stays done, and the operation may be started again.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The storage is not the hold's own.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The target of a migration failed, or has no space. As for [`UpkeepError::Storage`].
    #[error("the new storage: {0}")]
    Target(#[source] StorageError),
    /// The target of a migration cannot be used as it is configured.
    #[error("the new storage {0}")]
    UnusableTarget(String),
    /// The bucket that is the target of a migration did not pass its probe.
    #[error("the new storage: {0}")]
    Bucket(#[from] ProbeError),
    /// The target of a migration is the storage that the hold uses.
    #[error("the new storage is the one that the hold uses: name another one")]
    SamePlace,
    /// The target of a migration has the marker of another hold, or of another storage of this one.
    #[error(
        "the new storage is that of {hold:?}, whose marker it has, and a hold refuses to start with the storage of another \
         one: name another storage; or, if that hold is to have the blobs, as a successor, give its DID with --for"
    )]
    OtherHold {
        /// The DID in the marker.
        hold: String,
    },
    /// The target of a migration has not the marker of the hold that it is for.
    #[error(
        "the new storage is not that of {0}: it has no marker of that hold, which must have been started with it once"
    )]
    NotOf(Did),
    /// Another migration or garbage collection is running.
    #[error("a migration or a garbage collection is under way: wait for its end")]
    Busy,
    /// Manifests that came with an imported repository, by their number: no record names their configs.
    #[error(
        "{0} manifests came with an imported repository, and which configs they need is not known: nothing is removed \
         until each of them is found in its owner's repository (images reconcile, which gc --run does first), is pushed \
         again, or its layers are deleted"
    )]
    UnknownConfigs(u64),
    /// A collection would remove more than half of the blobs, or of their bytes.
    #[error(
        "{garbage} of {all} blobs would be removed, which is more than half of them or of their bytes: nothing was removed; \
         look at them with gc --dry-run --verbose, and if they are garbage, use gc --run --force"
    )]
    Brake {
        /// The number of blobs that would be removed.
        garbage: u64,
        /// The number of all blobs.
        all: u64,
    },
    /// The records of images could not be reconciled with the repositories of their owners.
    #[error("images could not be reconciled: {0}")]
    Reconcile(#[source] Box<ImagesError>),
    /// The system's random number generator failed.
    #[error("the system gives no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl From<ImagesError> for UpkeepError {
    fn from(error: ImagesError) -> Self {
        Self::Reconcile(Box::new(error))
    }
}
