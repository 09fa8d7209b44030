//! Verification of the blobs of records: their references and bytes.

use super::{Check, FindingKind};
use crate::pds::PdsError;
use crate::pds::tables;
use atproto::repo::cbor::Ipld;
use atproto::repo::{BlobRef, cid};

impl<P: FnMut(u64, u64)> Check<'_, P> {
    /// Compares the recorded references of a record to blobs with the record.
    pub(super) fn references(&mut self, path: &str, value: &Ipld) -> Result<(), PdsError> {
        let (collection, rkey) = path.split_once('/').unwrap_or_default();
        let mut noted = tables::blobs_of_record(self.read, collection, rkey)?;
        let mut referred: Vec<_> = BlobRef::all_in(value).into_iter().map(|blob| blob.cid).collect();
        noted.sort_unstable();
        referred.sort_unstable();
        referred.dedup();
        if noted != referred {
            self.find(FindingKind::Blob, path.to_owned(), "its blobs are not those that are noted");
        }
        Ok(())
    }

    /// Checks the hashes of blobs, and finds references of records that are not in the index.
    pub(super) fn blobs(&mut self) -> Result<(), PdsError> {
        tables::each_blob_reference(self.read, |collection, rkey| {
            if tables::indexed_record(self.read, &collection, &rkey)?.is_none() {
                let path = format!("{collection}/{rkey}");
                self.find(FindingKind::Blob, path, "blobs are noted for it, but it is not in the index");
            }
            Ok::<_, PdsError>(())
        })?;
        tables::each_record_blob(self.read, |name, bytes| {
            let hashed = cid::raw_of(&bytes);
            if hashed.to_bytes() != name {
                let subject =
                    atproto::repo::Cid::try_from(name).map_or_else(|_| hashed.to_string(), |cid| cid.to_string());
                self.find(FindingKind::Blob, subject, "its bytes have another hash");
            }
            Ok(())
        })
    }
}
