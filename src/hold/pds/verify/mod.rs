//! Verification of the whole stored repository, from the signature to the last byte, in little memory.
//!
//! It walks the tree once, in the order of its keys; at each record it reads the block and the row of the index, and
//! marks the rows of blocks. A block that is not marked at the end is unreachable.

mod blobs;

use super::stored_blocks::StoredBlocks;
use super::visited_rows::VisitedRows;
use super::{Pds, PdsError};
use crate::pds::tables;
use crate::pds::tables::RepoHead;
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{RepoError, cid, record};
use server::sqlite::Read;
use server::storage::StorageError;

/// Limit of findings that are listed; more are only counted.
const MAX_TOLD: usize = 10_000;
/// Number of records between two calls of `progress`.
const PROGRESS_EVERY: u64 = 1_000;

/// A finding: something that is damaged, missing or unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of the finding.
    pub kind: FindingKind,
    /// The path of a record, or the CID of a block or blob.
    pub subject: String,
    /// The reason.
    pub reason: String,
}

/// The kind of a finding, by its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The newest commit, or the recorded head.
    Commit,
    /// The signature of the newest commit.
    Signature,
    /// A node of the tree; the records and nodes below it cannot be judged.
    Node,
    /// A record's block.
    Record,
    /// The index of records.
    Index,
    /// A block that the newest commit does not reach.
    Unreachable,
    /// A blob of a record, or its recorded reference.
    Blob,
}

impl FindingKind {
    /// Returns the name of the kind, for output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Signature => "signature",
            Self::Node => "node",
            Self::Record => "record",
            Self::Index => "index",
            Self::Unreachable => "unreachable",
            Self::Blob => "blob",
        }
    }
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Number of records in the tree.
    pub records: u64,
    /// Number of nodes of the tree.
    pub nodes: u64,
    /// Number of all blocks.
    pub blocks: u64,
    /// Number of rows that cannot be judged, because a node that would lead to them is damaged.
    pub unjudged: u64,
    /// Number of findings.
    pub found: u64,
    /// The first 10,000 findings.
    pub findings: Vec<Finding>,
}

impl Pds {
    /// Verifies everything stored of the repository, in one snapshot; writes go on meanwhile. `progress` is called with
    /// the number of records checked, and of all. Returns `None` before the first commit.
    ///
    /// # Errors
    /// [`PdsError::Storage`] when the database cannot be read to its end.
    pub async fn verify(
        &self,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Option<VerifyReport>, PdsError> {
        let pds = self.clone();
        let job = move |read: &Read<'_>| {
            let Some(head) = tables::repo_head(read)? else { return Ok(None) };
            let mut check =
                Check { pds: &pds, read, progress, visited: VisitedRows::default(), verified: VerifyReport::default() };
            check.run(&head)?;
            Ok(Some(check.verified))
        };
        self.inner.database.snapshot(job).await
    }
}

struct Check<'c, P> {
    pds: &'c Pds,
    read: &'c Read<'c>,
    progress: P,
    /// Rows of blocks that were reached.
    visited: VisitedRows,
    verified: VerifyReport,
}

/// Reasons to end the walk through the tree early.
enum Stop {
    Failed(PdsError),
    /// There were more nodes than blocks: a damaged tree with a cycle.
    Endless,
}

impl<P: FnMut(u64, u64)> Check<'_, P> {
    fn run(&mut self, head: &RepoHead) -> Result<(), PdsError> {
        self.verified.blocks = tables::count_blocks(self.read)?;
        let indexed = tables::count_records(self.read)?;
        self.commit(head)?;
        let mut in_index = 0;
        let walked = mst::survey(&StoredBlocks(self.read), head.data, |seen| match seen {
            Ok(Visit::Node { cid, .. }) => {
                self.verified.nodes += 1;
                tables::block_number(self.read, cid)
                    .map_err(failed)?
                    .iter()
                    .for_each(|number| self.visited.add(*number));
                if self.verified.nodes > self.verified.blocks { Err(Stop::Endless) } else { Ok(()) }
            }
            Ok(Visit::Leaf { key, value }) => {
                in_index += u64::from(self.leaf(key, value).map_err(Stop::Failed)?);
                if self.verified.records.is_multiple_of(PROGRESS_EVERY) {
                    (self.progress)(self.verified.records, indexed.max(self.verified.records));
                }
                Ok(())
            }
            Err(error) => self.node(error).map_err(Stop::Failed),
        });
        match walked {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Endless) => self.find(FindingKind::Node, head.data.to_string(), "the tree comes back to itself"),
        }
        (self.progress)(self.verified.records, indexed.max(self.verified.records));
        if in_index != indexed {
            self.rest_of_index(head)?;
        }
        self.unreachable()?;
        self.blobs()
    }

    fn commit(&mut self, head: &RepoHead) -> Result<(), PdsError> {
        let subject = head.commit.to_string();
        let Some(row) = tables::block_row(self.read, &head.commit)? else {
            self.find(FindingKind::Commit, subject, "its block is missing");
            return Ok(());
        };
        self.visited.add(row.number);
        if cid::dag_cbor(&row.bytes) != head.commit {
            self.find(FindingKind::Commit, subject.clone(), "its bytes have another hash");
        }
        let commit = match Commit::decode(&row.bytes) {
            Ok(commit) => commit,
            Err(error) => {
                self.find(FindingKind::Commit, subject, error);
                return Ok(());
            }
        };
        for (wrong, reason) in [
            (commit.did != *self.pds.did() || head.did != commit.did, "it is of another DID"),
            (commit.rev != head.rev, "its revision is not the one that is noted"),
            (commit.data != head.data, "its tree is not the one that is noted"),
        ] {
            if wrong {
                self.find(FindingKind::Commit, subject.clone(), reason);
            }
        }
        if commit.verify(&self.pds.inner.key.public()).is_err() {
            self.find(FindingKind::Signature, subject, "it was not made with this hold's key");
        }
        Ok(())
    }

    fn node(&mut self, error: RepoError) -> Result<(), PdsError> {
        let subject = match &error {
            RepoError::MissingBlock(cid) => cid.to_string(),
            RepoError::InvalidNode { cid, .. } => {
                // The block is reachable, also if it is damaged.
                tables::block_number(self.read, cid)?.iter().for_each(|number| self.visited.add(*number));
                cid.to_string()
            }
            _ => return Err(PdsError::Damaged(error)),
        };
        self.find(FindingKind::Node, subject, error);
        Ok(())
    }

    /// Checks a record. Returns whether the index has it, in any version.
    fn leaf(&mut self, path: &str, value: &atproto::repo::Cid) -> Result<bool, PdsError> {
        self.verified.records += 1;
        let block = tables::block_row(self.read, value)?;
        let number = block.as_ref().map(|row| row.number);
        match block {
            None => self.find(FindingKind::Record, path.to_owned(), RepoError::MissingBlock(*value)),
            Some(row) => {
                self.visited.add(row.number);
                match record::check(path, value, &row.bytes) {
                    Ok(placed) => self.references(path, &placed.value)?,
                    Err(error) => self.find(FindingKind::Record, path.to_owned(), error),
                }
            }
        }
        let (collection, rkey) = path.split_once('/').unwrap_or_default();
        let indexed = tables::indexed_record(self.read, collection, rkey)?;
        match &indexed {
            None => self.find(FindingKind::Index, path.to_owned(), "it is in the tree, but not in the index"),
            Some((cid, _)) if *cid != value.to_bytes() => {
                self.find(FindingKind::Index, path.to_owned(), "the index has another version of it than the tree");
            }
            Some((_, led_to)) if number.is_some_and(|number| number != *led_to) => {
                self.find(FindingKind::Index, path.to_owned(), "the index leads to another block than the tree");
            }
            Some(_) => {}
        }
        Ok(indexed.is_some())
    }

    /// Finds rows of the index whose records are not in the tree.
    fn rest_of_index(&mut self, head: &RepoHead) -> Result<(), PdsError> {
        let blocks = StoredBlocks(self.read);
        tables::each_record_name(self.read, |collection, rkey| {
            let path = format!("{collection}/{rkey}");
            match mst::get(&blocks, head.data, &path) {
                Ok(Some(_)) => {}
                Ok(None) | Err(RepoError::InvalidPath(_)) => {
                    self.find(FindingKind::Index, path, "it is in the index, but not in the tree");
                }
                Err(RepoError::MissingBlock(_) | RepoError::InvalidNode { .. }) => self.verified.unjudged += 1,
                Err(error) => return Err(PdsError::Damaged(error)),
            }
            Ok(())
        })
    }

    /// Finds unreachable blocks. Below a damaged node there may be any of them, so then they are only counted.
    fn unreachable(&mut self) -> Result<(), PdsError> {
        let whole = self.verified.findings.iter().all(|finding| finding.kind != FindingKind::Node);
        tables::each_block_name(self.read, |number, cid| {
            match (self.visited.has(number), whole) {
                (true, _) => {}
                (false, false) => self.verified.unjudged += 1,
                (false, true) => {
                    let subject = cid.map_or_else(|| format!("row {number}"), |cid| cid.to_string());
                    self.find(FindingKind::Unreachable, subject, "nothing in the repository refers to it");
                }
            }
            Ok(())
        })
    }

    fn find(&mut self, kind: FindingKind, subject: String, reason: impl ToString) {
        self.verified.found += 1;
        if self.verified.findings.len() < MAX_TOLD {
            self.verified.findings.push(Finding { kind, subject, reason: reason.to_string() });
        }
    }
}

fn failed(error: StorageError) -> Stop {
    Stop::Failed(error.into())
}
