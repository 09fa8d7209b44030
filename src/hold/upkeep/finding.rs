//! The findings of a verification.

use serde::{Deserialize, Serialize};

use atproto::syntax::Digest;

/// Findings that are listed; the others are only counted, so that memory and the answer stay small.
const LISTED: usize = 10_000;

/// A finding about a blob or a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobFinding {
    /// The blob; `null` when the key is no blob's.
    pub digest: Option<Digest>,
    /// The key, when it is no blob's; else `null`.
    pub key: Option<String>,
    /// The problem.
    pub problem: Problem,
    /// The repair; `null` when nothing was done.
    pub repair: Option<Repair>,
}

/// The problem of a blob or a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Problem {
    /// The object has the recorded size, and other bytes.
    WrongContent,
    /// The object has another size than is recorded, and other bytes.
    #[serde(rename_all = "camelCase")]
    WrongSize {
        /// The size in the database.
        recorded_bytes: u64,
        /// The size of the object.
        found_bytes: u64,
    },
    /// The object is right, and the recorded size is not.
    #[serde(rename_all = "camelCase")]
    WrongRecord {
        /// The size in the database.
        recorded_bytes: u64,
        /// The size of the object.
        found_bytes: u64,
    },
    /// The blob is recorded, and has no object.
    Missing,
    /// The object cannot be read: the system's words.
    Unreadable(String),
    /// There is an object that is not recorded, and has other bytes than its key says.
    UnrecordedWrong,
    /// There is an object that is not recorded, and right: of an attempt that was cut off, or of the time after the
    /// backup that the database was restored from. Nobody sees it, and nothing is wrong.
    Unrecorded,
    /// A key among the blobs that is no blob's. Nothing is wrong.
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
    /// The object was moved to `quarantine/<hex>`, and the blob is absent now: an upload brings it back.
    Quarantined,
    /// The record was dropped: the blob is absent, as it was, and an upload brings it back.
    Forgotten,
    /// The right object was recorded, with its size.
    Recorded,
}

/// All findings: those that are listed, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// How many are wrong.
    pub wrong: u64,
    /// How many are informational.
    pub noted: u64,
    /// How many were repaired.
    pub repaired: u64,
    /// The first 10,000, sorted.
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
