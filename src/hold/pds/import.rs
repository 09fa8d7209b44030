//! Imports a repository from a CAR file, whole or not at all: it is one transaction, and blocks pass through memory one
//! at a time. An accepted repository passes [`Pds::verify`].
//!
//! Files of other programs may have more than the newest commit: indigo's carstore exports every block that it ever
//! stored, without an order. What that commit does not refer to is left out.
//! <https://atproto.com/specs/repository#car-file-serialization>

use super::commit::MAX_RECORD_BYTES;
use super::records::Records;
use super::stored_blocks::StoredBlocks;
use super::transaction::Repository;
use super::visited_rows::VisitedRows;
use super::{Pds, PdsError, blobs, events};
use crate::pds::tables;
use crate::pds::tables::RepoHead;
use atproto::keys::PublicKey;
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{BlobRef, Cid, RepoError, car, record};
use atproto::syntax::{Did, Tid};
use server::sqlite::Write;
use server::storage::StorageError;

/// Limit of a block with its CID, in bytes. Records have less; a node of this size would fit into no commit event.
const MAX_SECTION_BYTES: usize = 2_000_000;
/// Bytes read from the file at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Errors of an import. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The hold has records that would be lost.
    #[error("this hold has records of its own that the import would replace: import into a hold that is new")]
    NotEmpty,
    /// The file is not a CAR, or a block in it is damaged.
    #[error("the file cannot be imported: {0}")]
    InvalidFile(#[from] RepoError),
    /// The file has no root, or several, by their number.
    #[error("the file must have one root, the newest commit; it has {0}")]
    Roots(usize),
    /// The file is the repository of another account.
    #[error("the file is the repository of {0}")]
    OtherDid(Did),
    /// The file was signed with another key.
    #[error(
        "the file was not signed with the key of this hold: give its key with --signed-by did:key:…, if this hold lost \
         it and the file comes from where you trust it"
    )]
    OtherKey,
    /// The revision of the file is in the future.
    #[error("the file's revision {0} is later than this machine's clock: set the clock")]
    Future(Tid),
    /// A record is not valid.
    #[error("record {path} cannot be imported: {reason}")]
    InvalidRecord {
        /// The record's path.
        path: String,
        /// The reason.
        reason: String,
    },
    /// The captain record is missing, or a record that the hold needs is not valid.
    #[error("the file's records are not those of a hold: {0}")]
    NotAHold(String),
    /// The file could not be read to its end.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The stored repository or the database refused the import, or failed.
    #[error(transparent)]
    Pds(#[from] PdsError),
}

impl From<StorageError> for ImportError {
    fn from(error: StorageError) -> Self {
        Self::Pds(error.into())
    }
}

/// A file to import.
pub struct ImportFile<R> {
    /// The bytes of the CAR file.
    pub bytes: R,
    /// The key that must have signed it; `None` for the hold's own.
    pub signed_by: Option<PublicKey>,
}

/// The rules of an import, given by the room that owns the records.
#[derive(Clone, Copy)]
pub struct ImportRules {
    /// Whether the current records may be replaced.
    pub may_replace: fn(&Records<'_>) -> Result<bool, PdsError>,
    /// Checks the new records; the error is the reason why they cannot be used.
    pub check: fn(&Records<'_>) -> Result<(), String>,
    /// Updates what depends on the new records, in the same transaction.
    pub index: fn(&Repository<'_>) -> Result<(), PdsError>,
}

/// The progress of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// Number of blocks read.
    Blocks(u64),
    /// Number of records checked, after all blocks were read.
    Records(u64),
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Number of records.
    pub records: u64,
    /// Number of distinct blocks in the file.
    pub blocks: u64,
    /// Number of these that its commit does not refer to, and that were left out.
    pub left_out: u64,
    /// The revision of the file.
    pub imported_rev: Tid,
    /// The hold's new commit of the imported tree.
    pub commit: Cid,
    /// The revision of that commit.
    pub rev: Tid,
    /// The root of the tree, the same as in the file.
    pub data: Cid,
}

impl Pds {
    /// Replaces the repository, if `rules` allow that, by the one in `file`, under a new commit. A #sync event
    /// announces it. It runs to its end, also when the caller stops waiting.
    ///
    /// Other writes wait meanwhile, so reading `file` must not block for long. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`ImportError`]; then nothing was changed.
    pub async fn import<R: std::io::Read + Send + 'static>(
        &self,
        now_us: u64,
        file: ImportFile<R>,
        rules: ImportRules,
        progress: impl FnMut(ImportProgress) + Send + 'static,
    ) -> Result<Imported, ImportError> {
        let inner = std::sync::Arc::clone(&self.inner);
        let job = move |write: &Write<'_>| {
            let repository = Repository { inner: &inner, write, now_us };
            let last = tables::repo_head(write)?;
            // The revision of the commit and of all blocks, so that an export since any earlier revision has all of
            // them.
            let rev = Tid::next(now_us, inner.clock_id, last.as_ref().map(|head| &head.rev));
            Import { repository, write, rev, progress, blocks: 0, records: 0 }.run(last, file, rules)
        };
        self.inner.database.write(job).await
    }
}

struct Import<'i, P> {
    repository: Repository<'i>,
    write: &'i Write<'i>,
    /// The revision of the new commit.
    rev: Tid,
    progress: P,
    blocks: u64,
    records: u64,
}

impl<P: FnMut(ImportProgress)> Import<'_, P> {
    fn run(
        mut self,
        last: Option<RepoHead>,
        file: ImportFile<impl std::io::Read>,
        rules: ImportRules,
    ) -> Result<Imported, ImportError> {
        let inner = self.repository.inner;
        if let Some(head) = &last {
            if head.did != inner.did {
                return Err(PdsError::OtherDid(head.did.clone()).into());
            }
            if !(rules.may_replace)(&Records::new(self.write))? {
                return Err(ImportError::NotEmpty);
            }
        }
        tables::clear_repository(self.write)?;
        let root = self.read_blocks(file.bytes)?;
        let imported = self.take_commit(&root, &file.signed_by.unwrap_or_else(|| inner.key.public()))?;
        if imported.rev >= self.rev {
            return Err(ImportError::Future(imported.rev));
        }
        let left_out = self.take_tree(&imported.data)?;
        tables::delete_blobs_without_reference(self.write)?;
        (rules.check)(&Records::new(self.write)).map_err(ImportError::NotAHold)?;
        let commit = self.commit(last, imported.data)?;
        (rules.index)(&self.repository)?;
        let Self { records, blocks, rev, .. } = self;
        Ok(Imported { records, blocks, left_out, imported_rev: imported.rev, commit, rev, data: imported.data })
    }

    /// Stores the blocks of the file. Returns its root.
    fn read_blocks(&mut self, mut file: impl std::io::Read) -> Result<Cid, ImportError> {
        let mut reader = car::Reader::new(MAX_SECTION_BYTES);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                break;
            }
            reader.push(&piece[..length]);
            while let Some((cid, bytes)) = reader.next_block()? {
                // A repeated one has the same bytes: the reader compares them with the CID.
                self.blocks += u64::from(tables::add_block(self.write, &cid, &self.rev, bytes)?);
            }
            (self.progress)(ImportProgress::Blocks(self.blocks));
        }
        let roots = reader.roots().unwrap_or_default().to_vec();
        reader.finish()?;
        match roots.as_slice() {
            [root] => Ok(*root),
            roots => Err(ImportError::Roots(roots.len())),
        }
    }

    /// Reads and verifies the file's commit, and deletes its block: a new commit replaces it.
    fn take_commit(&self, root: &Cid, key: &PublicKey) -> Result<Commit, ImportError> {
        let block = tables::block(self.write, root)?.ok_or(RepoError::MissingBlock(*root))?;
        let commit = Commit::decode(&block)?;
        if commit.did != self.repository.inner.did {
            return Err(ImportError::OtherDid(commit.did));
        }
        commit.verify(key).map_err(|_| ImportError::OtherKey)?;
        tables::delete_block(self.write, root)?;
        Ok(commit)
    }

    /// Checks the tree and its records, builds the index of records, and deletes blocks that belong to neither. Returns
    /// their number.
    fn take_tree(&mut self, data: &Cid) -> Result<u64, ImportError> {
        let mut visited = VisitedRows::default();
        let write = self.write;
        mst::walk(&StoredBlocks(write), *data, |visit| match visit {
            Visit::Node { cid, .. } => {
                tables::block_number(write, cid)?.iter().for_each(|number| visited.add(*number));
                Ok(())
            }
            Visit::Leaf { key, value } => {
                let row = tables::block_row(write, value)?.ok_or(RepoError::MissingBlock(*value))?;
                visited.add(row.number);
                self.take_record(key, value, &row.bytes)
            }
        })?;
        // The commit was one of them.
        let left_out = self.blocks - 1 - visited.count();
        if left_out > 0 {
            tables::retain_blocks(write, |number| visited.has(number))?;
        }
        Ok(left_out)
    }

    fn take_record(&mut self, path: &str, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        let invalid = |reason: String| ImportError::InvalidRecord { path: path.to_owned(), reason };
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(invalid("a record has at most 1,000,000 bytes".into()));
        }
        let placed = record::check(path, cid, bytes).map_err(|error| invalid(error.to_string()))?;
        let (collection, rkey) = (placed.collection.as_str(), placed.rkey.as_str());
        tables::put_record(self.write, collection, rkey, cid)?;
        blobs::refer(self.write, collection, rkey, &BlobRef::all_in(&placed.value), &self.rev)?;
        self.records += 1;
        (self.progress)(ImportProgress::Records(self.records));
        Ok(())
    }

    /// Stores a commit of the hold with the imported tree, and the events that announce it.
    fn commit(&self, last: Option<RepoHead>, data: Cid) -> Result<Cid, PdsError> {
        let rev = &self.rev;
        let Repository { inner, write, .. } = self.repository;
        let signed = Commit::sign(&inner.did, data, rev, &inner.key)?;
        tables::put_block(write, &signed.cid, rev, &signed.bytes)?;
        let is_new = last.is_none();
        let last_seq = last.map_or(0, |head| head.last_seq);
        let mut head = RepoHead { did: inner.did.clone(), commit: signed.cid, data, rev: rev.clone(), last_seq };
        if is_new {
            self.repository.introduce(&mut head)?;
        }
        self.repository.emit(&mut head, |stamp| events::sync(stamp, rev, &signed.cid, &signed.bytes))?;
        tables::put_repo_head(write, &head)?;
        Ok(signed.cid)
    }
}
