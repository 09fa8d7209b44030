//! DID documents of members in the database, so that a hold that starts while the PLC directory is unreachable can
//! verify tokens of its captain and crew.
//!
//! Only documents of captain and crew are stored. A revoked key is accepted no longer than with the cache in memory:
//! [`MAX_AGE`] after its document was read.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::membership::Membership;
use super::{CrewError, tables};
use crate::pds::{Pds, Records, Repository};
use atproto::syntax::{Did, micros};
use server::identity::KeptDocuments;

/// Limit of a document's age: the same as in memory while the source is unreachable.
const MAX_AGE: Duration = Duration::from_hours(24);
/// Limit of documents; at most about 1 KiB each, 4 MiB.
const MAX_DOCUMENTS: u32 = 4096;

/// The table of documents in the database.
pub struct DocumentTable {
    pds: Pds,
    /// Returns microseconds since 1970.
    clock: fn() -> u64,
}

impl DocumentTable {
    /// Makes the table in the database of `pds`. `clock` returns microseconds since 1970.
    #[must_use]
    pub fn new(pds: Pds, clock: fn() -> u64) -> Self {
        Self { pds, clock }
    }

    /// Starts a change of the table; a failure is logged.
    fn change(&self, job: impl FnOnce(&Repository<'_>) -> Result<(), CrewError> + Send + 'static) {
        let (pds, now_us) = (self.pds.clone(), (self.clock)());
        tokio::spawn(async move {
            if let Err(error) = pds.transact(now_us, job).await {
                tracing::warn!("a member's DID document cannot be kept: {error}");
            }
        });
    }
}

impl KeptDocuments for DocumentTable {
    fn keep(&self, did: &Did, document: String, age: Duration) {
        let (did, now_us) = (did.clone(), (self.clock)());
        let read_us = now_us.saturating_sub(micros(age));
        self.change(move |repository| {
            if Membership::read(&repository.records(), &did)?.is_known() {
                let before_us = now_us.saturating_sub(micros(MAX_AGE));
                tables::put_document(repository.transaction(), &did, &document, read_us)?;
                tables::delete_old_documents(repository.transaction(), before_us, MAX_DOCUMENTS)?;
            }
            Ok(())
        });
    }

    fn forget(&self, did: &Did) {
        let did = did.clone();
        self.change(move |repository| Ok(tables::delete_document(repository.transaction(), &did)?));
    }

    fn recall(&self, did: &Did) -> BoxFuture<'static, Option<(String, Duration)>> {
        let (pds, did, now_us) = (self.pds.clone(), did.clone(), (self.clock)());
        Box::pin(async move {
            let job = move |records: &Records<'_>| {
                let is_known = Membership::read(records, &did)?.is_known();
                let document = tables::document(records.snapshot(), &did)?;
                Ok::<_, CrewError>(document.filter(|_| is_known))
            };
            let found = pds.read(job).await.inspect_err(|error| {
                tracing::warn!("a member's kept DID document cannot be read: {error}");
            });
            let (document, read_us) = found.ok()??;
            // The age is unknown if the time of reading is in the future.
            let age = Duration::from_micros(now_us.checked_sub(read_us)?);
            (age < MAX_AGE).then_some((document, age))
        })
    }
}
