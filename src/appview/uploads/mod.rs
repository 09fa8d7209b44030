//! Uploads of blobs: what clients send goes on to the hold as it comes, in parts; what is short of a part is on disk.
//!
//! A part has [`PART_BYTES`], all alike but the last (a store may demand that, and none takes more than 10,000). Where a
//! body announces its length, parts stream from client to hold and touch no disk; else they are gathered in a file
//! first. A hold that says it takes parts of any length gets them as they come, whatever the body announces, and only what
//! is too little for a part of its own is gathered. No part is ever in memory. After each part, and at the end of each
//! request, the row of the upload says how much there is and the unfinished hash of it, so an upload goes on after a restart.

mod bounds;
mod error;
mod listing;
mod part;
pub mod tables;

use std::path::PathBuf;
use std::sync::Arc;

use crate::accounts::Login;
use crate::holds::{Holds, HoldsError, Verb};
use atproto::lexicon::error as name;
use atproto::syntax::{Digest, ServiceUrl};
use server::bulkhead::{LockGuard, Locks};
use server::label;
use server::metrics::{Counter, CounterBy};
use server::sqlite::{Database, Read};
use server::storage::{Hash, StorageError};
use server::wire::RequestBody;

use bounds::Bounds;
pub use bounds::{UploadBound, UploadLimits};
pub use error::UploadsError;
pub use listing::{UploadSummary, UploadTotals};
use part::{Extent, Source};
use tables::UploadRow;

/// 10,000 of them are 160 GiB.
pub const PART_BYTES: u64 = 16 * 1024 * 1024;
/// A part where any length is taken: so seldom a part's end is waited for, until it is on the hold's disk.
const ANY_PART_BYTES: u64 = 64 * 1024 * 1024;
/// What a client announces is gathered if it is less, so that many small requests do not use up the parts.
const WORTH_A_PART_BYTES: u64 = 1024 * 1024;
/// Parts of one upload.
const MAX_PARTS: usize = 10_000;
/// How long an upload may lie untouched, in microseconds: as long as holds keep theirs.
const STALE_US: u64 = 24 * 60 * 60 * 1_000_000;
/// How long an upload may be without any byte, in microseconds: a client sends its first ones right away.
const EMPTY_US: u64 = 10 * 60 * 1_000_000;

/// The name of an upload: random.
pub type UploadId = [u8; 16];

/// All uploads.
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
    /// How an attempt to complete an upload ended.
    pub enum Completion {
        /// It is a blob.
        Completed = "completed",
        /// The digest was wrong, or the hold has forgotten it.
        Refused = "refused",
        /// The hold or this machine failed.
        Failed = "failed",
    }
}

/// What happened to uploads since the process began.
#[derive(Debug, Default)]
pub struct UploadCounts {
    /// Uploads begun.
    pub begun: Counter,
    /// Attempts to complete one.
    pub completions: CounterBy<Completion>,
    /// Uploads dropped because nothing touched them.
    pub swept: Counter,
}

/// An upload under way, which nobody else changes meanwhile.
pub struct OpenUpload {
    row: UploadRow,
    hash: Hash,
    /// Of the parts that the hold has, in their order.
    etags: Vec<String>,
    _turn: LockGuard<UploadId>,
}

impl OpenUpload {
    /// Bytes that are there.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.row.offset
    }

    /// Whether the hold gets a body as it comes, of which `left` bytes are announced. The second half of the parts is kept
    /// for whole ones: bodies that announce nothing may be small.
    fn passes_on(&self, left: Option<u64>, is_last: bool) -> bool {
        let is_worth_it = is_last || left.is_none_or(|left| left >= WORTH_A_PART_BYTES);
        self.row.any_length && is_worth_it && self.etags.len() < MAX_PARTS / 2
    }

    /// Bytes that are not in a part yet.
    fn tail_bytes(&self) -> u64 {
        self.row.offset - self.row.sent
    }
}

impl Uploads {
    /// Keeps what is short of a part in `directory`, which is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(
        database: Database,
        holds: Arc<Holds>,
        directory: PathBuf,
        limits: UploadLimits,
        clock: fn() -> u64,
    ) -> Result<Self, StorageError> {
        std::fs::create_dir_all(&directory)?;
        let (locks, bounds) = (Locks::default(), Bounds::new(limits, &directory)?);
        Ok(Self { database, holds, directory, clock, locks, bounds, counts: UploadCounts::default() })
    }

    /// Returns what happened to uploads.
    #[must_use]
    pub fn counts(&self) -> &UploadCounts {
        &self.counts
    }

    /// Begins an upload of `login` into a repository, whose blobs go to `hold`.
    ///
    /// # Errors
    /// [`UploadsError`]; so below.
    pub async fn begin(
        &self,
        id: UploadId,
        login: &Login,
        repository: &str,
        hold: &ServiceUrl,
    ) -> Result<(), UploadsError> {
        self.check_count(&login.account).await?;
        self.holds.join(hold, login).await?;
        let initiated = self.holds.initiate(hold, login, &data_encoding::HEXLOWER.encode(&id)).await?;
        let row = UploadRow {
            id,
            login: login.clone(),
            repository: repository.to_owned(),
            hold: hold.clone(),
            hold_upload: initiated.upload,
            any_length: initiated.any_length,
            offset: 0,
            sent: 0,
            hash_state: Hash::default().save(),
            touched_us: (self.clock)(),
        };
        self.database.write(move |write| tables::insert(write, &row)).await?;
        self.counts.begun.inc();
        Ok(())
    }

    /// An upload, once nobody else has it.
    ///
    /// # Errors
    /// [`UploadsError::Unknown`] also for one of another account or repository.
    pub async fn take(&self, id: UploadId, login: &Login, repository: &str) -> Result<OpenUpload, UploadsError> {
        let mut upload = self.open_upload(id).await?;
        if upload.row.login.account != login.account || upload.row.repository != repository {
            return Err(UploadsError::Unknown);
        }
        // Another sign-in of the same account may go on with it.
        upload.row.login = login.clone();
        Ok(upload)
    }

    async fn open_upload(&self, id: UploadId) -> Result<OpenUpload, UploadsError> {
        let turn = self.locks.lock(&id).await;
        let found = self.database.read(move |read| tables::upload(read, &id)).await?;
        let (row, etags) = found.ok_or(UploadsError::Unknown)?;
        let hash = Hash::restore(&row.hash_state)?;
        Ok(OpenUpload { row, hash, etags, _turn: turn })
    }

    /// Takes a body in, behind what is there. When it fails, the upload has what came before the failure, or before
    /// the last part's begin.
    ///
    /// # Errors
    /// [`UploadsError`]
    pub async fn append(&self, upload: &mut OpenUpload, body: RequestBody, is_last: bool) -> Result<(), UploadsError> {
        let mut source = Source::new(body);
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
                // It fills a part, or is the last one: it need not be on this disk.
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

    /// Makes an upload a blob with this digest. With another one nothing of it is kept.
    ///
    /// # Errors
    /// [`UploadsError::WrongDigest`], [`UploadsError::Unknown`] when the hold has forgotten it.
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
            self.send_part(&mut upload, &mut Source::none(), Extent::Exactly(0)).await?;
        }
        let UploadRow { hold, login, hold_upload, id, .. } = upload.row.clone();
        match self.holds.complete((&hold, &login, &hold_upload), digest, &upload.etags).await {
            Err(error) if error.is_named(name::INVALID_UPLOAD_ID) => {
                // Completed before, and the answer was lost; or swept away.
                if self.holds.locate(&hold, digest, Verb::Head, Some(&login)).await?.is_none() {
                    self.forget(id).await?;
                    return Err(UploadsError::Unknown);
                }
            }
            outcome => outcome?,
        }
        self.forget(id).await
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// When the database fails; what the hold says of it matters to nobody, for it sweeps.
    pub async fn discard(&self, upload: OpenUpload) -> Result<(), UploadsError> {
        let UploadRow { hold, login, hold_upload, id, .. } = &upload.row;
        let aborted: Result<(), HoldsError> = self.holds.abort(hold, login, hold_upload).await;
        if let Err(error) = aborted {
            tracing::debug!(%error, "an upload that was given up stays at the hold until it is swept");
        }
        self.forget(*id).await
    }

    /// Forgets uploads that nothing touched for a day, and those that have no byte after ten minutes; answers how many. One
    /// that somebody sends bytes of stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self) -> Result<usize, UploadsError> {
        let now_us = (self.clock)();
        let (before_us, empty_before_us) = (now_us.saturating_sub(STALE_US), now_us.saturating_sub(EMPTY_US));
        let stale = self.database.read(move |read| tables::stale(read, before_us, empty_before_us)).await?;
        let mut swept = 0;
        for id in stale {
            let Some(_turn) = self.locks.try_lock(&id) else { continue };
            // Its bytes may have come meanwhile.
            let is_stale = move |read: &Read<'_>| tables::is_stale(read, &id, before_us, empty_before_us);
            if self.database.read(is_stale).await? {
                self.forget(id).await?;
                swept += 1;
            }
        }
        self.counts.swept.add(swept as u64);
        Ok(swept)
    }

    async fn forget(&self, id: UploadId) -> Result<(), UploadsError> {
        self.database.write(move |write| tables::delete(write, &id)).await?;
        self.remove_tail(&id).await
    }
}
