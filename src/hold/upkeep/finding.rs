//! The findings of a verification.

use serde::{Deserialize, Serialize};

use atproto::syntax::Digest;

/// Limit of findings that are listed; others are only counted, so that memory and the response stay small.
const LISTED: usize = 10_000;

/// A finding about a blob or a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobFinding {
    /// Digest of the blob; `null` when the key is not that of a blob.
    pub digest: Option<Digest>,
    /// The key, when it is not that of a blob; else `null`.
    pub key: Option<String>,
    /// The problem.
    pub problem: Problem,
    /// The repair; `null` when nothing was repaired.
    pub repair: Option<Repair>,
}

/// The problem of a blob or a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Problem {
    /// The object has the recorded size, but wrong bytes.
    WrongContent,
    /// The object has another size than recorded, and wrong bytes.
    #[serde(rename_all = "camelCase")]
    WrongSize {
        /// The size in the database.
        recorded_bytes: u64,
        /// The size of the object.
        found_bytes: u64,
    },
    /// The object is right, but the recorded size is wrong.
    #[serde(rename_all = "camelCase")]
    WrongRecord {
        /// The size in the database.
        recorded_bytes: u64,
        /// The size of the object.
        found_bytes: u64,
    },
    /// The blob is recorded, but has no object.
    Missing,
    /// The object cannot be read, with the system's message.
    Unreadable(String),
    /// An object that is not recorded, and whose bytes do not match its key.
    UnrecordedWrong,
    /// A right object that is not recorded: of an upload that was interrupted, or newer than the backup that the
    /// database was restored from. The hold does not serve it; informational.
    Unrecorded,
    /// A key in the folder of blobs that is not that of a blob; informational.
    Foreign,
}

impl Problem {
    /// Whether something is wrong, and not informational.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        !matches!(self, Self::Unrecorded | Self::Foreign)
    }
}

/// The repair of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Repair {
    /// The object was moved to `quarantine/<hex>`, and the blob is absent now; an upload restores it.
    Quarantined,
    /// The record was deleted: the blob was absent anyway; an upload restores it.
    Forgotten,
    /// The right object was recorded, with its size.
    Recorded,
}

/// All findings: their numbers, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Number of findings that are wrong.
    pub wrong: u64,
    /// Number of findings that are informational.
    pub noted: u64,
    /// Number of findings that were repaired.
    pub repaired: u64,
    /// The first 10,000 findings, sorted.
    pub listed: Vec<BlobFinding>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: BlobFinding) {
        if finding.problem.is_wrong() {
            self.wrong += 1;
        } else {
            self.noted += 1;
        }
        self.repaired += u64::from(finding.repair.is_some());
        if self.listed.len() < LISTED {
            self.listed.push(finding);
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        self.listed.sort_unstable();
        self
    }
}
