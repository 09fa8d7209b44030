//! Copies all blobs to another storage while the hold runs.
//!
//! A blob counts as copied when its bytes in the target were verified and the database has the ETag of that object;
//! both are compared with a listing of the target at each pass. An object of the right size without such a record is
//! read once. Passes repeat until one copies nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::bucket_copy;
use super::directory_copy;
use super::finding::{BlobFinding, Findings, Problem};
use super::meter::Meter;
use super::reading::of_target;
use super::target::{Copied, Target};
use super::usage::Amount;
use super::{AT_ONCE, Upkeep, UpkeepError};
use crate::blobs;
use crate::blobs::{Presence, blob_key};
use crate::objects::{Listed, Location, Object};
use crate::upkeep::tables;
use crate::upkeep::tables::CopiedRow;
use atproto::syntax::{Did, Digest};

/// Limit of passes: a hold under constant uploads always has new blobs, but the last passes find few.
const MAX_PASSES: u32 = 10;
/// Copies recorded in one transaction, so that a million small blobs do not make a million transactions; at most so
/// many are read again after a kill.
const RECORDED_AT_ONCE: usize = 64;
/// Bytes of copies after which they are recorded, if that is earlier.
const RECORDED_AT_BYTES: u64 = 256 << 20;

/// The result of a migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Migrated {
    /// The storage of the hold: its directory or bucket.
    pub from: String,
    /// The target: its directory or bucket.
    pub to: String,
    /// The other hold whose storage the target is, if it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_hold: Option<Did>,
    /// Recorded blobs that the target has, as of the last pass.
    pub present: Amount,
    /// Blobs that this migration copied.
    pub copied: Amount,
    /// The number of passes over all blobs.
    pub passes: u32,
    /// Whether every recorded blob was in the target at the end, and the last pass found nothing new.
    pub whole: bool,
    /// Blobs that could not be copied, because they are wrong in the hold's storage.
    pub findings: Findings,
}

/// The result of one pass.
#[derive(Default)]
struct Pass {
    present: Amount,
    copied: Amount,
    findings: Findings,
}

enum Outcome {
    Present,
    /// The target has the blob, which no migration had recorded.
    Proven {
        etag: String,
    },
    Copied {
        etag: String,
    },
    Wrong(BlobFinding),
    /// The blob was deleted during the pass.
    Gone,
}

impl Upkeep {
    /// Copies every blob to `place`, and verifies it there. Blobs that an earlier migration to it copied are not copied
    /// again. `of_hold` is the hold whose storage it is, if it is not this one's: its successor. `report` is called with
    /// the bytes in the target, and those of all blobs.
    ///
    /// # Errors
    /// [`UpkeepError`]; what was copied stays copied.
    pub async fn migrate(
        &self,
        place: &Location,
        of_hold: Option<&Did>,
        report: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<Migrated, UpkeepError> {
        let _only = self.alone()?;
        self.check_storage().await?;
        let target = Target::open(place, self, of_hold).await?;
        let name = target.store.name.to_string();
        self.db.write(move |write| tables::begin_migration(write, &name)).await?;
        let totals = self.db.read(blobs::blob_totals).await?;
        let meter = Meter::new(totals.size_bytes, None, report);
        let mut copied = Amount::default();
        let mut passes = 0;
        loop {
            passes += 1;
            let pass = self.pass(&target, if passes == 1 { Some(&meter) } else { None }).await?;
            copied.count += pass.copied.count;
            copied.size_bytes += pass.copied.size_bytes;
            let quiet = pass.copied.count == 0;
            if quiet || passes == MAX_PASSES {
                let whole = quiet && pass.findings.wrong == 0;
                if whole && of_hold.is_none() {
                    // The configured name may differ from the resolved one, as with a link in a path.
                    Presence::migrated(&self.db, place.to_string()).await?;
                }
                return Ok(Migrated {
                    from: self.store.name.to_string(),
                    to: target.store.name.to_string(),
                    of_hold: of_hold.cloned(),
                    present: pass.present,
                    copied,
                    passes,
                    whole,
                    findings: pass.findings.sorted(),
                });
            }
        }
    }

    /// Compares all blobs with the target once, and copies those that it lacks.
    async fn pass(&self, target: &Target, meter: Option<&Arc<Meter>>) -> Result<Pass, UpkeepError> {
        let mut pass = Pass::default();
        for first in 0..=u8::MAX {
            let rows = self.db.read(move |read| tables::copied_of(read, first)).await?;
            if rows.is_empty() {
                continue;
            }
            let there = target.store.blobs_of(first).await.map_err(of_target)?;
            self.copy_all(rows, &there, target, meter, &mut pass).await?;
        }
        Ok(pass)
    }

    async fn copy_all(
        &self,
        rows: Vec<CopiedRow>,
        there: &BTreeMap<Digest, Listed>,
        target: &Target,
        meter: Option<&Arc<Meter>>,
        pass: &mut Pass,
    ) -> Result<(), UpkeepError> {
        let unmetered = Meter::new(0, None, |_, _| {});
        let meter = meter.unwrap_or(&unmetered);
        let copies = rows.into_iter().map(|row| async move {
            let outcome = self.bring(&row, there.get(&row.digest), target).await?;
            meter.read(row.size_bytes).await;
            Ok::<_, UpkeepError>((row, outcome))
        });
        let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
        let mut proven = Vec::new();
        let mut proven_bytes = 0;
        while let Some((row, outcome)) = copies.try_next().await? {
            let (etag, is_copy) = match outcome {
                Outcome::Present => (None, false),
                Outcome::Proven { etag } => (Some(etag), false),
                Outcome::Copied { etag } => (Some(etag), true),
                Outcome::Wrong(finding) => {
                    pass.findings.add(finding);
                    continue;
                }
                Outcome::Gone => continue,
            };
            pass.present.add(row.size_bytes);
            if is_copy {
                pass.copied.add(row.size_bytes);
            }
            if let Some(etag) = etag {
                proven_bytes += row.size_bytes;
                proven.push((row.digest, etag));
            }
            if proven.len() >= RECORDED_AT_ONCE || proven_bytes >= RECORDED_AT_BYTES {
                self.put_copied(std::mem::take(&mut proven)).await?;
                proven_bytes = 0;
            }
        }
        self.put_copied(proven).await
    }

    async fn put_copied(&self, proven: Vec<(Digest, String)>) -> Result<(), UpkeepError> {
        if proven.is_empty() {
            return Ok(());
        }
        let record = move |write: &server::sqlite::Write<'_>| {
            proven.iter().try_for_each(|(digest, etag)| tables::put_copied(write, digest, etag))
        };
        Ok(self.db.write(record).await?)
    }

    /// Copies a blob to the target, unless it is there.
    async fn bring(&self, row: &CopiedRow, there: Option<&Listed>, target: &Target) -> Result<Outcome, UpkeepError> {
        if let Some(there) = there.filter(|there| there.size_bytes == row.size_bytes) {
            if row.etag.as_deref().is_some_and(|etag| bare(etag) == bare(&there.etag)) {
                return Ok(Outcome::Present);
            }
            if target.has(&row.digest).await? {
                return Ok(Outcome::Proven { etag: there.etag.clone() });
            }
        }
        let key = blob_key(&row.digest);
        let problem = match self.store.objects.open_object(&key).await? {
            None => Problem::Missing,
            Some(object) if object.size_bytes() != row.size_bytes => {
                Problem::WrongSize { recorded_bytes: row.size_bytes, found_bytes: object.size_bytes() }
            }
            Some(object) => match self.copy(object, &row.digest, target).await? {
                Copied::Done { etag } => return Ok(Outcome::Copied { etag }),
                Copied::Wrong(problem) => problem,
            },
        };
        let digest = row.digest;
        match self.db.read(move |read| blobs::blob_size(read, &digest)).await? {
            None => Ok(Outcome::Gone),
            Some(_) => Ok(Outcome::Wrong(BlobFinding { digest: Some(digest), key: None, problem, repair: None })),
        }
    }

    async fn copy(&self, object: Object, digest: &Digest, target: &Target) -> Result<Copied, UpkeepError> {
        match (&target.store.staging, target.store.objects.bucket()) {
            (Some(staging), _) => directory_copy::copy(object, digest, target, staging).await,
            (None, Some(bucket)) => {
                drop(object);
                bucket_copy::copy(&self.store.objects, digest, target, bucket).await
            }
            (None, None) => Err(UpkeepError::UnusableTarget("takes no copies".into())),
        }
    }
}

fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}
