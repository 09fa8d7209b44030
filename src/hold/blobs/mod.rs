//! Blobs: uploads in parts, verification of their digests, and reads.
//!
//! A blob is visible when the database has its row. The row is written only after the blob's SHA-256 was computed from
//! the stored bytes and these lie under the blob's key. An upload is a row too. Two stores stage its bytes and make the
//! blob of them: `files`, a storage directory, where a missing or truncated file hides the row; and `bucket`, a
//! bucket, where bytes may bypass the hold. A caller that knows a blob's size from a look at its row, as from a URL
//! signed then, passes the size on, and the row is not read again.
//!
//! The room knows accounts only as owners of uploads. It knows nothing of permissions, records, or how a request is
//! read and answered.
//!
//! # The states of an upload
//! ```text
//!                 upload_part, part_target         complete: wrong digest or parts
//!                        ┌──────┐                        ┌──────┐
//!                        │      ▼                        │      ▼
//!   initiate ──────────▶ open ─────────────────────────▶ open, staged   (a bucket only: the parts are one object)
//!                        │  │  complete: the store        │   │
//!                        │  │  assembled the parts        │   │
//!                        │  └──────────┬──────────────────┼───┘
//!      abort, sweep,     │             │ complete: digest verified, bytes under the blob's key, then in one
//!      a failed fsync    │             ▼ transaction the blob's row and the upload's digest
//!                        │          finished ── complete with the same digest: succeeds again
//!                        ▼             │
//!                      gone ◀──────────┘ sweep, after `stale_upload_s`
//! ```
//! An open upload is `upload.digest IS NULL`, a staged one has `bucket_upload.etag`, a finished one has its digest.
//! Each step is in the database before the next begins, so a process that ends anywhere leaves one of these states.
//!
//! # The locks, in the order in which they are taken
//! ```text
//!   1. UploadGuard   one upload     the upload's rows, and the end of an epoch; never while a client is waited for
//!   2. AppendGuard   one upload     appending to the main file: one part at a time, from its first byte to its row
//!   3. DigestGuard   one digest     what lies under the digest: completion, repair, garbage collection
//!   4. EpochFence    one upload     one write to a staged file, on the blocking pool
//!   5. DeletionClaim some digests   readers wait while garbage collection decides; taken under their DigestGuards
//! ```
//! A part takes the `UploadGuard` twice, to begin and to be recorded, and receives its bytes in between without it; one
//! into a bucket receives them already while the row of its begin gets to the disk. `complete`, `abort` and the sweep hold
//! it all the time and end the epoch: a part that began in an earlier epoch can neither write nor be recorded. What must
//! run under a lock takes its guard as a parameter.

mod bucket;
mod counts;
mod digest_lock;
mod error;
mod files;
mod last_used;
mod list;
mod measure;
mod names;
mod part_request;
mod presence;
mod quotas;
mod read;
mod recent;
mod sessions;
mod settings;
mod size_limit;
mod sweep;
pub mod tables;
mod upload_share;
mod upload_state;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use atproto::syntax::{Did, Digest};
use server::sqlite::Database;
use server::storage::StorageError;

use counts::CompletionResult;
pub use counts::{PassedLimit, UploadCounts};
pub use digest_lock::{DigestGuard, DigestLock, REMOVAL_SETTLED_US};
pub use error::{BlobError, BodyError, OpenBlobsError};
pub use last_used::DeletionClaim;
pub use list::OpenUpload;
pub use names::{BLOBS, ETag, PartNumber, STAGING, UploadId, blob_digest, blob_folder, blob_key, random_hex};
pub use part_request::{PartRequest, PartSizes};
pub use presence::{Presence, PresenceError};
pub use quotas::{QuotaLimits, UnpushedBytes};
pub use read::OpenBlob;
pub use settings::{BlobPlace, BlobSettings, UploadLimits, check_root, last_used_resolution};
pub use sweep::Swept;
pub use upload_share::UploadShare;
// Functions that other rooms call within their own transactions.
pub use tables::{
    AccountUsage, BlobRow, BlobTotals, BlobUseRow, PendingDeletionRow, account_usage, blob_size, blob_totals, blob_use,
    blob_uses_of, blobs_of, bring_back_uses, delete_blob, delete_pending_deletion, has_later_use, open_uploads_total,
    pending_deletion_totals, pending_deletion_us, pending_deletions, put_blob, put_found, put_pending_deletion,
    renew_pending_deletion, uploaders,
};

use bucket::Bucket;
use files::Files;
use recent::Recent;
use sessions::Sessions;

/// The blobs of one hold; cheap to clone. The database's lock makes sure that one daemon alone has a store; a command may
/// open it meanwhile with a copy of the database.
#[derive(Clone)]
pub struct Blobs {
    sessions: Sessions,
    store: Store,
    digests: DigestLock,
    recent: Recent,
    presence: Option<Presence>,
}

#[derive(Clone)]
enum Store {
    Files(Files),
    Bucket(Bucket),
}

/// The address a client sends bytes to, or reads them from.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// This hold.
    Hold,
    /// The store itself, at this presigned URL. The URL grants access: it belongs in a response and never in a log.
    Store(String),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hold => "Hold",
            Self::Store(_) => "Store",
        })
    }
}

impl Blobs {
    /// Opens the store.
    ///
    /// # Errors
    /// [`OpenBlobsError`], with a remedy for the operator.
    pub async fn open(settings: BlobSettings, db: Database) -> Result<Self, OpenBlobsError> {
        let sessions = Sessions::new(db, settings.limits);
        let store = match settings.place {
            BlobPlace::Directory(root) => Store::Files(Files::open(&root, sessions.clone()).await?),
            BlobPlace::Bucket { bucket, presigned } => Store::Bucket(Bucket::new(bucket, presigned, sessions.clone())),
        };
        Ok(Self { sessions, store, digests: DigestLock::default(), recent: Recent::default(), presence: None })
    }

    /// Tries in a storage directory what uploads need, and removes staged bytes there that no open upload owns, which a
    /// killed process left. For the daemon alone, before it serves: the database of a command may be a backup, which does
    /// not know the newest uploads.
    ///
    /// # Errors
    /// As [`Blobs::open`].
    pub async fn recover(&self) -> Result<(), OpenBlobsError> {
        match &self.store {
            Store::Files(files) => {
                files.probe().await?;
                Ok(files.drop_orphans().await?)
            }
            Store::Bucket(_) => Ok(()),
        }
    }

    /// Returns the room with a check of the storage: calls fail with [`BlobError::Unavailable`] while the storage is
    /// not the hold's own.
    #[must_use]
    pub fn with_presence(self, presence: Presence) -> Self {
        Self { presence: Some(presence), ..self }
    }

    fn require_storage(&self) -> Result<(), BlobError> {
        Ok(self.presence.as_ref().map_or(Ok(()), Presence::require)?)
    }

    /// Changes the limits of uploads. A part in flight keeps the limits it began with.
    pub fn set_limits(&self, limits: UploadLimits) {
        self.sessions.set_limits(limits);
    }

    /// Returns the interval at which uploads are to be measured by [`Blobs::measure_uploads`].
    #[must_use]
    pub fn measure_every(&self) -> Duration {
        Duration::from_secs(self.sessions.limits().measure_upload_s)
    }

    /// Begins an upload of `account`, in one of the places that all accounts share.
    ///
    /// # Errors
    /// [`BlobError::QuotaExceeded`] when the account has no space left, [`BlobError::TooManyUploads`], or a storage
    /// error.
    pub async fn initiate(&self, account: &Did, now_us: u64) -> Result<UploadId, BlobError> {
        self.initiate_from(UploadShare::Common, account, now_us).await
    }

    /// Begins an upload of `account`, in one of the places of `share`.
    ///
    /// # Errors
    /// As [`Blobs::initiate`].
    pub async fn initiate_from(&self, share: UploadShare, account: &Did, now_us: u64) -> Result<UploadId, BlobError> {
        self.require_storage()?;
        self.drop_idle_uploads(account, None, 1).await?;
        let id = self.sessions.initiate(share, account, now_us).await?;
        self.sessions.note_use(&id);
        Ok(id)
    }

    /// Returns the sizes that parts may have.
    #[must_use]
    pub fn part_sizes(&self) -> PartSizes {
        match &self.store {
            Store::Files(_) => PartSizes::Any,
            Store::Bucket(bucket) => bucket.part_sizes(),
        }
    }

    /// Returns the account of an open upload.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn session_account(&self, id: &UploadId) -> Result<Did, BlobError> {
        self.sessions.account(id).await
    }

    /// Returns where the client sends a part of an open upload of `account`.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn part_target(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        now_us: u64,
    ) -> Result<Target, BlobError> {
        self.require_storage()?;
        let target = match &self.store {
            Store::Bucket(bucket) if bucket.signs_parts() => bucket.part_url(id, account, number, now_us).await?,
            _ if self.sessions.account(id).await? == *account => Target::Hold,
            _ => return Err(BlobError::UnknownUpload),
        };
        self.sessions.note_use(id);
        Ok(target)
    }

    /// Receives a part of an open upload. Returns its ETag once the part is stored; only then an earlier part of the
    /// same number is replaced.
    ///
    /// # Errors
    /// [`BlobError`]. The upload stays open with its earlier parts; after a failed fsync it is gone.
    pub async fn upload_part<S>(&self, part: PartRequest, body: S) -> Result<ETag, BlobError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send + 'static,
    {
        self.require_storage()?;
        self.drop_idle_uploads(&part.account, Some(part.upload), part.announced_bytes.unwrap_or(0)).await?;
        self.sessions.quotas.note_completion(&part.upload, false);
        match &self.store {
            Store::Files(files) => files.upload_part(part, body).await,
            Store::Bucket(bucket) => bucket.upload_part(part, body).await,
        }
    }

    /// Makes the blob `digest` of the listed parts, each with the ETag that its upload returned, quoted or bare. No
    /// parts make the empty blob. A repeated call with the same digest succeeds again.
    ///
    /// # Errors
    /// [`BlobError::MissingParts`], [`BlobError::PartsRefused`], [`BlobError::DigestMismatch`],
    /// [`BlobError::QuotaExceeded`]: the upload stays open with what it has.
    /// [`BlobError::UnknownUpload`], [`BlobError::StagedLost`], or a storage error.
    pub async fn complete(
        &self,
        id: &UploadId,
        account: &Did,
        digest: Digest,
        parts: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        self.require_storage()?;
        // The caller waits for the lock: when it goes away, nothing of it waits on. A completion may take minutes, and each
        // repeated call has a long list of parts.
        let upload = self.sessions.uploads.lock(id).await;
        let (blobs, id, account) = (self.clone(), *id, account.clone());
        detached(async move {
            blobs.drop_idle_uploads(&account, Some(id), 0).await?;
            let digest = blobs.digests.lock(&digest).await;
            let outcome = match &blobs.store {
                Store::Files(files) => files.complete(&upload, &digest, &account, parts, now_us).await,
                Store::Bucket(bucket) => bucket.complete(&upload, &digest, &account, parts, now_us).await,
            };
            let result = CompletionResult::of(&outcome);
            blobs.sessions.counts.completions.inc(result);
            // What failed without the client's fault it may complete in a moment.
            let is_refused = matches!(result, CompletionResult::Refused);
            let is_there = !matches!(outcome, Err(BlobError::UnknownUpload));
            blobs.sessions.quotas.note_completion(&id, is_refused && is_there);
            outcome
        })
        .await
    }

    /// Ends an open upload and removes its staged bytes. Parts in flight fail.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn abort(&self, id: &UploadId, account: &Did) -> Result<(), BlobError> {
        let (blobs, id, account) = (self.clone(), *id, account.clone());
        detached(async move {
            let dropped = blobs.drop_if(&id, move |upload| upload.account == account).await?;
            if !dropped {
                return Err(BlobError::UnknownUpload);
            }
            blobs.sessions.counts.aborted.inc();
            Ok(())
        })
        .await
    }

    /// Returns the metrics of uploads.
    #[must_use]
    pub fn counts(&self) -> &UploadCounts {
        &self.sessions.counts
    }

    /// Returns the number of open uploads.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_uploads(&self) -> Result<u64, BlobError> {
        Ok(self.sessions.db.read(tables::open_uploads_total).await?)
    }

    /// Returns the number and the total size of the acknowledged blobs. Reads the row of every blob.
    ///
    /// # Errors
    /// [`BlobError::Storage`].
    pub async fn totals(&self) -> Result<BlobTotals, BlobError> {
        Ok(self.sessions.db.read(tables::blob_totals).await?)
    }
}

/// Runs `job` on the blocking pool.
async fn blocking<T, E, F>(job: F) -> Result<T, E>
where
    F: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<BlobError> + Send + 'static,
{
    tokio::task::spawn_blocking(job).await.unwrap_or_else(|_| Err(panicked().into()))
}

/// Runs `work` to its end even if the caller stops waiting.
async fn detached<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<BlobError> + Send + 'static,
{
    tokio::spawn(work).await.unwrap_or_else(|_| Err(panicked().into()))
}

fn panicked() -> BlobError {
    BlobError::Storage(StorageError::failed("blob task panicked"))
}
