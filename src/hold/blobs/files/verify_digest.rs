//! Verifies the digest of recorded parts and publishes their file under it. Blocks: it runs on the blocking pool.
//!
//! No bytes of a recorded part are changed before the digest is verified.

use std::ops::Range;

use crate::blobs::tables::{PartPlace, PartRow, PartTotals};
use crate::objects::{StagedFile, Staging};
use atproto::syntax::Digest;
use server::storage::{Hash, Need, Reservation, StorageError};

use super::MAIN;
use super::failed::Failed;
use super::parts::{self, Assembly};
use crate::blobs::BlobError;
use crate::blobs::names::{UploadId, blob_key, random_hex};

/// Bytes per read when parts are read again.
const CHUNK_BYTES: usize = 256 * 1024;

/// The parts of a blob, to be published if they have its digest. It owns the upload's files meanwhile.
pub(super) struct DigestVerification {
    pub(super) staging: Staging,
    pub(super) id: UploadId,
    pub(super) digest: Digest,
    /// The parts in order.
    pub(super) chosen: Vec<PartRow>,
    pub(super) totals: PartTotals,
    /// The size in bytes of a file that lies under the digest without being acknowledged, if there is one.
    pub(super) published_bytes: Option<u64>,
    pub(super) reserve_bytes: u64,
}

impl DigestVerification {
    /// Whether publishing has to read bytes of parts.
    pub(super) fn reads_parts(&self) -> bool {
        let plan = parts::plan(&self.chosen, &self.totals);
        !(plan.in_main && plan.appended == self.chosen.len())
    }

    /// Verifies the digest of the parts and publishes their file under it.
    ///
    /// # Errors
    /// [`BlobError::DigestMismatch`] and other errors leave all parts as they were; after [`Failed::Unsynced`] it is
    /// unknown what is on disk.
    pub(super) fn publish(&self) -> Result<(), Failed> {
        let plan = parts::plan(&self.chosen, &self.totals);
        let hash = self.hash_at(plan.appended)?;
        let all_hashed = plan.appended == self.chosen.len();
        if all_hashed && hash.digest() != self.digest {
            return Err(BlobError::DigestMismatch.into());
        }
        let main = self.staging.find_file(&self.file(MAIN))?;
        let key = blob_key(&self.digest);
        if main.is_none() && plan.appended > 0 {
            return self.published_before(&key);
        }
        let name = if all_hashed && plan.in_main {
            self.cut(main.as_ref(), plan.appended_bytes)?;
            MAIN.to_owned()
        } else {
            self.assemble(main.as_ref(), &plan, hash)?
        };
        self.staging.publish(&self.file(&name), &key)?;
        Ok(self.staging.sync_key(&key)?)
    }

    fn file(&self, name: &str) -> String {
        self.id.file(name)
    }

    /// Returns the hash of the first `appended` parts.
    fn hash_at(&self, appended: usize) -> Result<Hash, BlobError> {
        match appended.checked_sub(1).and_then(|last| self.chosen.get(last)).map(|part| &part.place) {
            Some(PartPlace::Appended { hash_state, .. }) => Ok(Hash::restore(hash_state)?),
            _ => Ok(Hash::default()),
        }
    }

    /// Handles an earlier attempt that was cut off between the rename and the row. The file under the digest was
    /// verified before it was renamed; only its name may not be on disk yet.
    fn published_before(&self, key: &str) -> Result<(), Failed> {
        let total_bytes = self.chosen.iter().map(|part| part.size_bytes).sum::<u64>();
        if self.published_bytes != Some(total_bytes) {
            return Err(Failed::Unsynced(StorageError::Damaged("the staged file of an upload is gone".into())));
        }
        Ok(self.staging.sync_key(key)?)
    }

    /// Cuts the main file after its last part, and syncs it. All parts are in that file, and verified.
    fn cut(&self, main: Option<&StagedFile>, size_bytes: u64) -> Result<(), Failed> {
        let made;
        let main = match main {
            Some(main) => main,
            None => {
                self.staging.make_folder(&self.id.to_string())?;
                made = self.staging.open_file(&self.file(MAIN))?;
                &made
            }
        };
        let found_bytes = main.length()?;
        if found_bytes < size_bytes {
            return Err(Failed::Unsynced(StorageError::Damaged("a staged file is shorter than its parts".into())));
        }
        if found_bytes > size_bytes {
            main.set_length(size_bytes)?;
        }
        Ok(main.sync()?)
    }

    /// Writes the parts one after the other and verifies them. Returns the name of the file they are in.
    fn assemble(&self, main: Option<&StagedFile>, plan: &Assembly, hash: Hash) -> Result<String, Failed> {
        let name = if plan.in_main {
            MAIN.to_owned()
        } else {
            format!("whole-{}", random_hex::<16>().map_err(BlobError::from)?)
        };
        let to_write = self.chosen.iter().skip(if plan.in_main { plan.appended } else { 0 });
        let bytes = to_write.map(|part| part.size_bytes).sum();
        let need = Need { bytes, files: u64::from(!plan.in_main) };
        let promised = self.staging.reserve(need, self.reserve_bytes).map_err(BlobError::from)?;
        let target = self.staging.open_file(&self.file(&name))?;
        let mut blob = Whole { target: &target, end: 0, hash, promised };
        match self.fill(&mut blob, main, plan) {
            Ok(size_bytes) => {
                target.set_length(size_bytes)?;
                target.sync()?;
                Ok(name)
            }
            Err(error) => {
                let undone = if plan.in_main {
                    target.set_length(plan.appended_bytes)
                } else {
                    self.staging.remove(&self.file(&name))
                };
                if let Err(error) = undone {
                    tracing::warn!(%error, upload = %self.id, "bytes of a refused blob stay until its upload ends");
                }
                Err(error.into())
            }
        }
    }

    /// Copies the parts that are not in place yet. Returns the blob's size in bytes if it has its digest.
    fn fill(&self, blob: &mut Whole<'_>, main: Option<&StagedFile>, plan: &Assembly) -> Result<u64, BlobError> {
        for (index, part) in self.chosen.iter().enumerate() {
            let is_hashed = index < plan.appended;
            if is_hashed && plan.in_main {
                blob.end += part.size_bytes;
                continue;
            }
            let own;
            let (source, start) = match (&part.place, main) {
                (PartPlace::Appended { start, .. }, Some(main)) => (main, *start),
                (PartPlace::Appended { .. }, None) => return Err(gone()),
                (PartPlace::OwnFile { name }, _) => {
                    own = self.staging.find_file(&self.file(name))?.ok_or_else(gone)?;
                    (&own, 0)
                }
            };
            blob.append(source, start..start + part.size_bytes, is_hashed)?;
        }
        if blob.hash.digest() == self.digest { Ok(blob.end) } else { Err(BlobError::DigestMismatch) }
    }
}

fn gone() -> BlobError {
    BlobError::Storage(StorageError::Damaged("the staged file of a part is gone".into()))
}

/// The file that becomes the blob.
struct Whole<'w> {
    target: &'w StagedFile,
    /// Where the next part begins.
    end: u64,
    /// The hash of the parts so far.
    hash: Hash,
    promised: Reservation,
}

impl Whole<'_> {
    /// Appends a range of another file, and adds it to the hash unless the hash has it.
    fn append(&mut self, source: &StagedFile, range: Range<u64>, is_hashed: bool) -> Result<(), BlobError> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at = range.start;
        while at < range.end {
            let step = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            source.read_at(&mut buffer[..step], at)?;
            if !is_hashed {
                self.hash.update(&buffer[..step]);
            }
            self.target.write_at(&buffer[..step], self.end)?;
            self.promised.written(step as u64);
            at += step as u64;
            self.end += step as u64;
        }
        Ok(())
    }
}
