//! Limits of uploads: the number of open ones, and their bytes on this disk that wait for a part to be whole.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::error::UploadBound;
use super::{OpenUpload, Uploads, UploadsError};
use crate::uploads::tables::{self, OpenCounts};
use atproto::syntax::Did;
use server::bulkhead::has_share;
use server::metrics::CounterBy;
use server::nonpoison::Mutex;
use server::storage::{Disk, Need, Reservation, StorageError};

/// Limits of uploads, in number and in bytes on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Open uploads of one account.
    pub per_account: u64,
    /// Open uploads of all accounts.
    pub total: u64,
    /// Bytes of one account on this disk: those that are short of a part.
    pub spool_bytes_per_account: u64,
    /// Bytes of the disk that are kept free.
    pub reserve_bytes: u64,
}

/// The limits, with what is used of them.
pub(super) struct Bounds {
    limits: UploadLimits,
    disk: Disk,
    /// Bytes of each account that are promised to requests which write them to the disk.
    promised: Mutex<HashMap<Did, u64>>,
    refused: CounterBy<UploadBound>,
}

/// A reservation of disk space for the body of one request. It is released when dropped: bytes written until then are
/// counted by the upload's row.
pub(super) struct SpoolRoom<'b> {
    bounds: &'b Bounds,
    account: Did,
    bytes: u64,
    reserved: Option<Reservation>,
}

impl SpoolRoom<'_> {
    /// Reduces the reservation by `bytes` that have been written.
    pub(super) fn written(&mut self, bytes: u64) {
        if let Some(reserved) = &mut self.reserved {
            reserved.written(bytes);
        }
    }
}

impl Drop for SpoolRoom<'_> {
    fn drop(&mut self) {
        let mut promised = self.bounds.promised.lock();
        if let Some(bytes) = promised.get_mut(&self.account) {
            *bytes = bytes.saturating_sub(self.bytes);
            if *bytes == 0 {
                promised.remove(&self.account);
            }
        }
    }
}

impl Bounds {
    pub(super) fn new(limits: UploadLimits, directory: &Path) -> io::Result<Self> {
        let disk = Disk::of(directory)?;
        Ok(Self { limits, disk, promised: Mutex::default(), refused: CounterBy::default() })
    }

    fn refuse(&self, bound: UploadBound) -> UploadsError {
        self.refused.inc(bound);
        UploadsError::Bound(bound)
    }

    /// Reserves `bytes` of the account's share, of which `stored_bytes` are used.
    fn promise(&self, account: &Did, stored_bytes: u64, bytes: u64) -> Result<SpoolRoom<'_>, UploadsError> {
        let mut promised = self.promised.lock();
        let had = promised.get(account).copied().unwrap_or_default();
        if stored_bytes.saturating_add(had).saturating_add(bytes) > self.limits.spool_bytes_per_account {
            return Err(self.refuse(UploadBound::Spool));
        }
        promised.insert(account.clone(), had + bytes);
        Ok(SpoolRoom { bounds: self, account: account.clone(), bytes, reserved: None })
    }
}

impl UploadLimits {
    /// Returns the limit that one more upload would exceed of an account that has `own` of `all` open uploads: its own
    /// one, its share by [`has_share`], or that of all.
    fn passed(self, own: u64, all: u64) -> Option<UploadBound> {
        if all >= self.total {
            Some(UploadBound::Total)
        } else if own >= self.per_account || !has_share(own, all, self.total) {
            Some(UploadBound::Account)
        } else {
            None
        }
    }
}

impl Uploads {
    /// Returns how many uploads and bodies of uploads each limit refused.
    #[must_use]
    pub fn refused(&self) -> &CounterBy<UploadBound> {
        &self.bounds.refused
    }

    /// Refuses one more upload to an account that has its share, or when too many are open.
    pub(super) async fn check_count(&self, account: &Did) -> Result<(), UploadsError> {
        let did = account.clone();
        let OpenCounts { own, all } = self.database.read(move |read| tables::count(read, &did)).await?;
        self.bounds.limits.passed(own, all).map_or(Ok(()), |bound| Err(self.bounds.refuse(bound)))
    }

    /// Reserves space on this disk for `bytes` that are short of a part.
    pub(super) async fn spool_room(&self, upload: &OpenUpload, bytes: u64) -> Result<SpoolRoom<'_>, UploadsError> {
        let (account, bounds) = (upload.row.at_hold.login.account.clone(), &self.bounds);
        let did = account.clone();
        let stored_bytes = self.database.read(move |read| tables::spooled_bytes(read, &did)).await?;
        let mut room = bounds.promise(&account, stored_bytes, bytes)?;
        let (disk, kept_bytes) = (bounds.disk.clone(), bounds.limits.reserve_bytes);
        let reserve = move || disk.reserve(Need { bytes, files: 1 }, kept_bytes);
        let reserved = tokio::task::spawn_blocking(reserve).await;
        match reserved.map_err(|error| StorageError::failed(error.to_string()))? {
            Ok(reserved) => room.reserved = Some(reserved),
            Err(StorageError::NoSpace(_)) => return Err(bounds.refuse(UploadBound::Disk)),
            Err(error) => return Err(error.into()),
        }
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: UploadLimits =
        UploadLimits { per_account: 64, total: 1024, spool_bytes_per_account: 100, reserve_bytes: 0 };

    #[test]
    fn accounts_that_take_all_they_get_leave_places_for_the_next_one() {
        let mut all = 0;
        for _ in 0..16 {
            let mut own = 0;
            while LIMITS.passed(own, all).is_none() {
                (own, all) = (own + 1, all + 1);
            }
            assert!((1..=64).contains(&own), "{own} of {all}");
        }
        assert_eq!(1024 - all, 31, "sixteen accounts");
        assert_eq!(LIMITS.passed(0, 1024), Some(UploadBound::Total));
        assert_eq!(LIMITS.passed(64, 64), Some(UploadBound::Account));
    }

    #[test]
    fn what_one_account_has_on_the_disk_is_no_other_ones() {
        let bounds = Bounds::new(LIMITS, &std::env::temp_dir()).unwrap();
        let [alice, bob] = ["did:web:a.example.org", "did:web:b.example.org"].map(|did| Did::parse(did).unwrap());
        let first = bounds.promise(&alice, 20, 50).unwrap();
        let refused = bounds.promise(&alice, 20, 31);
        assert!(matches!(refused, Err(UploadsError::Bound(UploadBound::Spool))));
        assert!(bounds.promise(&alice, 20, 30).is_ok() && bounds.promise(&bob, 0, 100).is_ok());
        drop(first);
        assert!(bounds.promise(&alice, 0, 100).is_ok() && bounds.promised.lock().is_empty());
    }
}
