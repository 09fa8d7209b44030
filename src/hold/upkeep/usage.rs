//! Measures the storage, and compares it with the database, without reading any blob.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::judge::QUARANTINE;
use super::store::Survey;
use super::{Upkeep, UpkeepError};
use crate::blobs;
use crate::blobs::STAGING;
use server::storage::StorageError;

/// A number of objects or blobs, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// The number.
    pub count: u64,
    /// Their total size in bytes.
    pub size_bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, size_bytes: u64) {
        self.count += 1;
        self.size_bytes += size_bytes;
    }
}

/// The usage of open uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Staged {
    /// Number of open uploads in the database.
    pub uploads: u64,
    /// Staged objects or files.
    pub objects: Amount,
    /// Open multipart uploads of the bucket, with the bytes of their parts; none in a directory.
    pub multiparts: Amount,
}

/// The usage of the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The storage of the blobs: its directory or bucket.
    pub place: String,
    /// Blobs in the database.
    pub recorded: Amount,
    /// Objects under the keys of blobs.
    pub stored: Amount,
    /// Blobs that are recorded but have no object; in recorded bytes.
    pub missing: Amount,
    /// Blobs whose object has another size than recorded; in bytes of the objects.
    pub other_size: Amount,
    /// Objects of blobs that are not recorded.
    pub unrecorded: Amount,
    /// Objects in the folder of blobs under keys that are not those of blobs.
    pub foreign: Amount,
    /// Objects that a repair moved to quarantine.
    pub quarantined: Amount,
    /// The usage of open uploads.
    pub staged: Staged,
    /// Bytes free for the hold; `null` for a bucket, which reports none.
    pub free_bytes: Option<u64>,
}

impl Upkeep {
    /// Measures the usage. `report` is called with the number of blobs compared, and of all recorded ones.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn usage(&self, report: impl Fn(u64, u64) + Send + Sync) -> Result<Usage, UpkeepError> {
        let (totals, uploads) = self
            .db
            .read(|read| Ok::<_, StorageError>((blobs::blob_totals(read)?, blobs::open_uploads_total(read)?)))
            .await?;
        let mut usage = Usage {
            place: self.store.name.to_string(),
            recorded: Amount::default(),
            stored: Amount::default(),
            missing: Amount::default(),
            other_size: Amount::default(),
            unrecorded: Amount::default(),
            foreign: Amount::default(),
            quarantined: self.below(QUARANTINE).await?,
            staged: Staged { uploads, objects: self.below(STAGING).await?, multiparts: self.multiparts().await? },
            free_bytes: self.disk_space().await?.map(|space| space.free_bytes),
        };
        let foreign = &mut usage.foreign;
        let survey = self.store.survey(|object| foreign.add(object.size_bytes)).await?;
        for first in 0..=u8::MAX {
            self.compare(first, &survey, &mut usage).await?;
            report(usage.recorded.count.min(totals.blobs), totals.blobs);
        }
        Ok(usage)
    }

    async fn compare(&self, first: u8, survey: &Survey, usage: &mut Usage) -> Result<(), UpkeepError> {
        // The rows are read first: a blob's object is older than its row, so that a new blob does not seem to be
        // missing.
        let rows = self.db.read(move |read| blobs::blobs_of(read, first)).await?;
        if rows.is_empty() && !survey.has(first) {
            return Ok(());
        }
        let mut stored = self.store.blobs_of(first).await?;
        for object in stored.values() {
            usage.stored.add(object.size_bytes);
        }
        for row in rows {
            usage.recorded.add(row.size_bytes);
            match stored.remove(&row.digest) {
                None => usage.missing.add(row.size_bytes),
                Some(object) if object.size_bytes != row.size_bytes => usage.other_size.add(object.size_bytes),
                Some(_) => {}
            }
        }
        for object in stored.values() {
            usage.unrecorded.add(object.size_bytes);
        }
        Ok(())
    }

    /// Returns the number and bytes of the objects in a folder.
    async fn below(&self, folder: &str) -> Result<Amount, UpkeepError> {
        let mut amount = Amount::default();
        let mut listing = self.store.objects.list(folder);
        while let Some(object) = listing.try_next().await? {
            amount.add(object.size_bytes);
        }
        Ok(amount)
    }

    async fn multiparts(&self) -> Result<Amount, UpkeepError> {
        let mut amount = Amount::default();
        let Some(bucket) = self.store.objects.bucket() else { return Ok(amount) };
        let mut listing = bucket.list_multiparts("");
        while let Some(open) = listing.try_next().await? {
            // `None` for an upload that ended meanwhile.
            if let Some(parts) = bucket.list_parts(&open.key, &open.id).await? {
                amount.add(parts.iter().map(|part| part.size_bytes).sum());
            }
        }
        Ok(amount)
    }
}
