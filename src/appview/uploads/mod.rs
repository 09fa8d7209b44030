//! Uploads of blobs: bytes stream from the client to the hold in parts; what is short of a part waits on disk.
//!
//! Parts have [`PART_BYTES`] each, but the last (a store may require equal parts, and none takes more than 10,000). If
//! a body announces its length, its parts stream from client to hold without touching the disk; else they are gathered
//! in a file first. A hold that takes parts of any length gets bodies as they come, whether announced or not, and only
//! what is too little for a part of its own is gathered. No part is ever in memory as a whole. After each part, and at
//! the end of each request, the upload's row is updated with the offset and the unfinished hash, so an upload continues
//! after a restart.

mod bounds;
mod error;
mod listing;
mod part;
mod sweep;
pub mod tables;

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::accounts::{AccountsError, Login, is_open};
use crate::holds::{Holds, HoldsError, UploadAtHold, Verb};
use atproto::lexicon::error as name;
use atproto::syntax::{Digest, HoldId};
use server::bulkhead::{LockGuard, Locks};
use server::label;
use server::metrics::{Counter, CounterBy};
use server::sqlite::{Database, Write};
use server::storage::{Hash, check_writable, directory_of, give_to_owner_of, warn_if_full};
use server::wire::RequestBody;

use bounds::Bounds;
pub use bounds::UploadLimits;
pub use error::{DirectoryError, UploadBound, UploadsError};
use part::{Extent, Source};
use tables::UploadRow;
pub use tables::{UploadSummary, UploadTotals};

/// Mode of the directory of the files.
const DIRECTORY_MODE: u32 = 0o700;
/// Size of a part; 10,000 parts are 160 GiB.
pub const PART_BYTES: u64 = 16 * 1024 * 1024;
/// Longest part for a hold that takes any length: large, because a client waits at each part's end until the hold has
/// it on disk.
const ANY_PART_BYTES: u64 = 64 * 1024 * 1024;
/// Bodies that announce less are gathered, unless they are the last, so that many small requests do not use up the
/// parts.
const WORTH_A_PART_BYTES: u64 = 1024 * 1024;
/// Most parts of one upload.
const MAX_PARTS: usize = 10_000;

/// The id of an upload: random bytes.
pub type UploadId = [u8; 16];

/// The open uploads of all accounts.
pub struct Uploads {
    database: Database,
    holds: Arc<Holds>,
    directory: PathBuf,
    clock: fn() -> u64,
    locks: Locks<UploadId>,
    bounds: Bounds,
    counts: UploadCounts,
}

label! {
    /// The outcome of an attempt to complete an upload.
    pub enum Completion {
        /// The upload became a blob.
        Completed = "completed",
        /// The digest was wrong, or the hold does not know the upload any more.
        Refused = "refused",
        /// The hold or this machine failed.
        Failed = "failed",
    }
}

/// Metrics of uploads since the process began.
#[derive(Debug, Default)]
pub struct UploadCounts {
    /// Uploads begun.
    pub begun: Counter,
    /// Attempts to complete an upload, by outcome.
    pub completions: CounterBy<Completion>,
    /// Idle uploads that were deleted.
    pub swept: Counter,
}

/// An open upload with its lock: no other request changes it.
pub struct OpenUpload {
    row: UploadRow,
    hash: Hash,
    /// ETags of the parts that the hold has, in order.
    etags: Vec<String>,
    _guard: LockGuard<UploadId>,
}

impl OpenUpload {
    /// Returns the number of bytes received so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.row.offset
    }

    /// Whether bytes were received, and are the blob with this digest.
    #[must_use]
    pub fn is_whole(&self, digest: &Digest) -> bool {
        self.row.offset > 0 && self.hash.digest() == *digest
    }

    /// Whether a body with `left` announced bytes streams to the hold as it comes. The second half of the parts is kept
    /// for parts of full size: bodies that announce nothing may be small.
    fn passes_on(&self, left: Option<u64>, is_last: bool) -> bool {
        let is_worth_it = is_last || left.is_none_or(|left| left >= WORTH_A_PART_BYTES);
        self.row.at_hold.any_length && is_worth_it && self.etags.len() < MAX_PARTS / 2
    }

    /// Returns the number of bytes in the file, which are in no part yet.
    fn tail_bytes(&self) -> u64 {
        self.row.offset - self.row.sent
    }
}

/// Creates the directory of the bytes that are short of a part, and checks that this process may write there.
fn make_directory(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    give_to_owner_of(directory_of(directory), directory)?;
    check_writable(directory)
}

impl Uploads {
    /// Opens the uploads in `database`. Files of bytes that are short of a part go to `directory`, which is created.
    ///
    /// # Errors
    /// When the directory cannot be created or opened, or this process may not write there.
    pub fn open(
        database: Database,
        holds: Arc<Holds>,
        directory: PathBuf,
        limits: UploadLimits,
        clock: fn() -> u64,
    ) -> Result<Self, DirectoryError> {
        let bounds = make_directory(&directory).and_then(|()| Bounds::new(limits, &directory));
        let bounds = bounds.map_err(|error| DirectoryError { path: directory.clone(), error })?;
        warn_if_full(&directory, "uploads", limits.reserve_bytes);
        let locks = Locks::default();
        Ok(Self { database, holds, directory, clock, locks, bounds, counts: UploadCounts::default() })
    }

    /// Returns the metrics of uploads.
    #[must_use]
    pub fn counts(&self) -> &UploadCounts {
        &self.counts
    }

    /// Begins an upload of `login` into a repository, at `hold`.
    ///
    /// # Errors
    /// [`UploadsError`]
    pub async fn begin(
        &self,
        id: UploadId,
        login: &Login,
        repository: &str,
        hold: &HoldId,
    ) -> Result<(), UploadsError> {
        self.check_count(&login.account).await?;
        self.holds.join(hold, login).await?;
        let at_hold = self.holds.initiate(hold, login, &data_encoding::HEXLOWER.encode(&id)).await?;
        let row = UploadRow {
            id,
            repository: repository.to_owned(),
            at_hold: at_hold.clone(),
            offset: 0,
            sent: 0,
            hash_state: Hash::default().save(),
            touched_us: (self.clock)(),
        };
        let insert = move |write: &Write<'_>| match is_open(write, &row.at_hold.login)? {
            true => tables::insert(write, &row).map_err(UploadsError::from),
            // The account may be deleted here by now.
            false => Err(HoldsError::from(AccountsError::SessionEnded).into()),
        };
        if let Err(error) = self.database.write(insert).await {
            // Nobody can continue it, and it would count among the account's uploads at the hold for a day.
            self.abort(&at_hold).await;
            return Err(error);
        }
        self.counts.begun.inc();
        Ok(())
    }

    /// Locks and returns an upload; waits while another request has it.
    ///
    /// # Errors
    /// [`UploadsError::Unknown`] also for an upload of another account or repository.
    pub async fn lock(&self, id: UploadId, login: &Login, repository: &str) -> Result<OpenUpload, UploadsError> {
        let mut upload = self.open_upload(id).await?;
        if upload.row.at_hold.login.account != login.account || upload.row.repository != repository {
            return Err(UploadsError::Unknown);
        }
        // Another session of the same account may continue the upload.
        upload.row.at_hold.login = login.clone();
        Ok(upload)
    }

    async fn open_upload(&self, id: UploadId) -> Result<OpenUpload, UploadsError> {
        let guard = self.locks.lock(&id).await;
        let found = self.database.read(move |read| tables::upload(read, &id)).await?;
        let (row, etags) = found.ok_or(UploadsError::Unknown)?;
        if !self.has_tail(&row).await? {
            tracing::warn!(did = %row.at_hold.login.account, "the file of an upload is gone: it has to begin anew");
            self.forget(id).await?;
            return Err(UploadsError::Unknown);
        }
        let hash = Hash::restore(&row.hash_state)?;
        Ok(OpenUpload { row, hash, etags, _guard: guard })
    }

    /// Appends a body to an upload. After a failure the upload has the bytes before the failure, or those before the
    /// begin of the last part.
    ///
    /// # Errors
    /// [`UploadsError::Unknown`] when the hold does not know the upload any more, else [`UploadsError`].
    pub async fn append(&self, upload: &mut OpenUpload, body: RequestBody, is_last: bool) -> Result<(), UploadsError> {
        let appended = self.append_parts(upload, Source::new(body), is_last).await;
        self.known_there(upload.row.id, appended).await
    }

    /// Forgets an upload whose hold answered that it does not know it: it cannot be continued.
    async fn known_there<T>(&self, id: UploadId, outcome: Result<T, UploadsError>) -> Result<T, UploadsError> {
        match outcome {
            Err(UploadsError::Hold(error)) if error.is_named(name::INVALID_UPLOAD_ID) => {
                self.forget(id).await?;
                Err(UploadsError::Unknown)
            }
            outcome => outcome,
        }
    }

    async fn append_parts(
        &self,
        upload: &mut OpenUpload,
        mut source: Source,
        is_last: bool,
    ) -> Result<(), UploadsError> {
        loop {
            let room = PART_BYTES.saturating_sub(upload.tail_bytes());
            match source.left() {
                Some(0) => return Ok(()),
                left if upload.passes_on(left, is_last) => {
                    if source.is_at_end().await? {
                        return Ok(());
                    }
                    self.send_part(upload, &mut source, Extent::UpTo(ANY_PART_BYTES)).await?;
                }
                // The bytes fill a part, or are the last ones: they need not be on this disk.
                Some(left) if left >= room || is_last => {
                    self.send_part(upload, &mut source, Extent::Exactly(left.min(room))).await?;
                }
                _ => {
                    let ended = self.gather(upload, &mut source, room).await?;
                    if upload.tail_bytes() == PART_BYTES {
                        self.send_part(upload, &mut source, Extent::Exactly(0)).await?;
                    }
                    if ended {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads a body that is empty, or all bytes of the upload once more; returns the upload. With another body it is
    /// discarded.
    ///
    /// # Errors
    /// [`UploadsError::WrongDigest`], or the error of the body.
    pub async fn check_repetition(&self, upload: OpenUpload, body: RequestBody) -> Result<OpenUpload, UploadsError> {
        let (mut body, mut hash, mut length) = (body, Hash::default(), 0);
        while let Some(piece) = body.next().await.transpose()? {
            hash.update(&piece);
            length += piece.len() as u64;
            if length > upload.row.offset {
                break;
            }
        }
        if length == 0 || hash.digest() == upload.hash.digest() {
            return Ok(upload);
        }
        self.discard(upload).await?;
        Err(UploadsError::WrongDigest)
    }

    /// Completes an upload as the blob with this digest. If its bytes have another digest, the upload is discarded.
    ///
    /// # Errors
    /// [`UploadsError::WrongDigest`]; [`UploadsError::Unknown`] when the hold does not know the upload any more.
    pub async fn finish(&self, upload: OpenUpload, digest: &Digest) -> Result<(), UploadsError> {
        let outcome = self.complete(upload, digest).await;
        self.counts.completions.inc(match &outcome {
            Ok(()) => Completion::Completed,
            Err(UploadsError::WrongDigest | UploadsError::Unknown) => Completion::Refused,
            Err(_) => Completion::Failed,
        });
        outcome
    }

    async fn complete(&self, mut upload: OpenUpload, digest: &Digest) -> Result<(), UploadsError> {
        if upload.hash.digest() != *digest {
            self.discard(upload).await?;
            return Err(UploadsError::WrongDigest);
        }
        if upload.tail_bytes() > 0 {
            let sent = self.send_part(&mut upload, &mut Source::none(), Extent::Exactly(0)).await;
            self.known_there(upload.row.id, sent).await?;
        }
        let UploadRow { id, at_hold, .. } = upload.row;
        match self.holds.complete(&at_hold, digest, &upload.etags).await {
            Err(error) if error.is_named(name::INVALID_UPLOAD_ID) => {
                // It was completed before and the response was lost, or the hold has swept it.
                if self.holds.locate(&at_hold.hold, digest, Verb::Head, Some(&at_hold.login)).await?.is_none() {
                    self.forget(id).await?;
                    return Err(UploadsError::Unknown);
                }
            }
            outcome => outcome?,
        }
        self.forget(id).await
    }

    /// Aborts an upload, here and at its hold.
    ///
    /// # Errors
    /// When the database or the disk fails; a failure at the hold is only logged, for the hold sweeps idle uploads.
    pub async fn discard(&self, upload: OpenUpload) -> Result<(), UploadsError> {
        self.abort(&upload.row.at_hold).await;
        self.forget(upload.row.id).await
    }

    /// Aborts an upload at its hold.
    async fn abort(&self, upload: &UploadAtHold) {
        if let Err(error) = self.holds.abort(upload).await {
            tracing::debug!(%error, "an upload that was given up stays at the hold until it is swept");
        }
    }

    async fn forget(&self, id: UploadId) -> Result<(), UploadsError> {
        self.database.write(move |write| tables::delete(write, &id)).await?;
        self.remove_tail(&id).await
    }
}
