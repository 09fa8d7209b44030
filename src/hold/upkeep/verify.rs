//! Verification: reads every blob and compares it with its digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::finding::{BlobFinding, Findings, Problem};
use super::meter::Meter;
use super::reading::{Read, read};
use super::store::Survey;
use super::{AT_ONCE, Upkeep, UpkeepError};
use crate::blobs;
use crate::blobs::blob_key;
use crate::objects::Listed;
use atproto::syntax::Digest;

/// The options of a verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Whether to repair what is wrong.
    pub repair: bool,
    /// Limit of bytes read a second; `None`: no limit.
    pub bytes_per_s: Option<u64>,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobsVerified {
    /// Number of recorded blobs that are right.
    pub right: u64,
    /// The bytes of these blobs.
    pub right_bytes: u64,
    /// The findings.
    pub findings: Findings,
}

/// The sizes of a blob in the database and in the store.
#[derive(Clone, Copy, Default)]
struct Seen {
    recorded_bytes: Option<u64>,
    found_bytes: Option<u64>,
}

impl Upkeep {
    /// Reads and hashes every blob, and compares it with its record. `report` is called with the bytes done and the
    /// total.
    ///
    /// # Errors
    /// When the storage as a whole fails; what was repaired stays repaired.
    pub async fn verify(
        &self,
        options: VerifyOptions,
        report: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<BlobsVerified, UpkeepError> {
        self.check_storage().await?;
        let mut verified = BlobsVerified::default();
        let findings = &mut verified.findings;
        let foreign = |object: Listed| {
            let (key, problem) = (Some(object.key), Problem::Foreign);
            findings.add(BlobFinding { digest: None, key, problem, repair: None });
        };
        let survey = self.store.survey(foreign).await?;
        let meter = Meter::new(survey.size_bytes, options.bytes_per_s, report);
        for first in 0..=u8::MAX {
            let seen = self.seen_of(first, &survey).await?;
            let checks = seen.into_iter().map(|(digest, seen)| self.check(digest, seen, options.repair, &meter));
            let mut checks = stream::iter(checks).buffer_unordered(AT_ONCE);
            while let Some(checked) = checks.try_next().await? {
                match checked {
                    Checked::Right { size_bytes } => {
                        verified.right += 1;
                        verified.right_bytes += size_bytes;
                    }
                    Checked::Finding(finding) => verified.findings.add(finding),
                    Checked::Gone => {}
                }
            }
        }
        verified.findings = verified.findings.sorted();
        self.runs.verified((self.clock)(), &verified.findings);
        Ok(verified)
    }

    async fn seen_of(&self, first: u8, survey: &Survey) -> Result<BTreeMap<Digest, Seen>, UpkeepError> {
        let rows = self.db.read(move |read| blobs::blobs_of(read, first)).await?;
        let mut seen: BTreeMap<Digest, Seen> = BTreeMap::new();
        for row in rows {
            seen.entry(row.digest).or_default().recorded_bytes = Some(row.size_bytes);
        }
        // Blobs that are newer than the survey are found by their rows.
        if survey.has(first) {
            for (digest, object) in self.store.blobs_of(first).await? {
                seen.entry(digest).or_default().found_bytes = Some(object.size_bytes);
            }
        }
        Ok(seen)
    }

    async fn check(
        &self,
        digest: Digest,
        seen: Seen,
        repair: bool,
        meter: &Arc<Meter>,
    ) -> Result<Checked, UpkeepError> {
        if let Seen { recorded_bytes: Some(recorded_bytes), found_bytes: Some(_) } = seen
            && let Read::Whole { digest: actual, size_bytes } =
                read(&self.store.objects, &blob_key(&digest), meter).await?
            && actual == digest
            && size_bytes == recorded_bytes
        {
            return Ok(Checked::Right { size_bytes });
        }
        Ok(match self.judge(digest, repair, meter).await? {
            Some(finding) => Checked::Finding(finding),
            None => self.after_all(digest).await?,
        })
    }

    /// Returns the result for a blob that was not right at the first check, and was at the second.
    async fn after_all(&self, digest: Digest) -> Result<Checked, UpkeepError> {
        let recorded = self.db.read(move |read| blobs::blob_size(read, &digest)).await?;
        Ok(recorded.map_or(Checked::Gone, |size_bytes| Checked::Right { size_bytes }))
    }
}

enum Checked {
    Right {
        size_bytes: u64,
    },
    Finding(BlobFinding),
    /// The blob was deleted meanwhile.
    Gone,
}
