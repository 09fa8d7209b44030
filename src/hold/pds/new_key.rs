//! Signs the repository with another key, when the former one is lost or compromised.
//! <https://atproto.com/specs/did#did-web>: control of the host is control of the identity, so the DID document may
//! name a new key.

use super::subscription::record_pruned;
use super::transaction::Repository;
use super::{Head, Pds, PdsError, events};
use crate::pds::tables;
use atproto::repo::commit::Commit;
use atproto::syntax::{ServiceUrl, Tid};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Name of the value in `meta` with the key and the address that were announced last.
const ANNOUNCED: &str = "announced_identity";
/// Name of the value in `meta` with the addresses that were announced before, with spaces between them.
const EARLIER: &str = "earlier_addresses";

impl Pds {
    /// Makes a commit of the same tree, signed with the hold's current key, whichever key signed the former one. An
    /// #identity event announces the key, and a #sync event the commit; earlier events are deleted, because their
    /// signatures are of another key. Returns the new head; `None` when there is no repository. `now_us` is in
    /// microseconds since 1970.
    ///
    /// # Errors
    /// [`PdsError::OtherDid`]; a storage error.
    pub async fn sign_anew(&self, now_us: u64) -> Result<Option<Head>, PdsError> {
        let inner = std::sync::Arc::clone(&self.inner);
        let job = move |write: &Write<'_>| {
            let Some(mut head) = tables::repo_head(write)? else { return Ok(None) };
            if head.did != inner.did {
                return Err(PdsError::OtherDid(head.did));
            }
            let rev = Tid::next(now_us, inner.clock_id, Some(&head.rev));
            let signed = Commit::sign(&inner.did, head.data, &rev, &inner.key)?;
            tables::delete_block(write, &head.commit)?;
            tables::put_block(write, &signed.cid, &rev, &signed.bytes)?;
            (head.commit, head.rev) = (signed.cid, rev.clone());
            let repository = Repository { inner: &inner, write, now_us };
            repository.emit(&mut head, |stamp| events::identity(stamp, inner.handle()))?;
            // Deletes all events but the newest, which is the #identity event.
            if let (_, Some(last)) = tables::delete_events_before(write, u64::MAX, u64::MAX, u32::MAX)? {
                record_pruned(write, last)?;
            }
            repository.emit(&mut head, |stamp| events::sync(stamp, &rev, &signed.cid, &signed.bytes))?;
            tables::put_repo_head(write, &head)?;
            Ok(Some(Head { did: head.did, commit: head.commit, rev: head.rev }))
        };
        self.inner.database.write(job).await
    }

    /// Emits an #identity event, unless one was for the same key and address: whoever keeps the DID document or the handle
    /// reads them again. Nothing before the first commit. Returns whether it did. The address that was announced before is
    /// kept for [`Pds::earlier_addresses`]. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// A storage error.
    pub async fn announce_identity(&self, now_us: u64) -> Result<bool, PdsError> {
        let inner = std::sync::Arc::clone(&self.inner);
        let job = move |write: &Write<'_>| {
            let Some(mut head) = tables::repo_head(write)? else { return Ok(false) };
            let identity = format!("{} {}", inner.key.public().to_did_key(), inner.url);
            let before = tables::meta(write, ANNOUNCED)?;
            if before.as_ref() == Some(&identity) {
                return Ok(false);
            }
            if let Some((_, address)) = before.as_deref().and_then(|before| before.split_once(' ')) {
                put_earlier(write, address)?;
            }
            let repository = Repository { inner: &inner, write, now_us };
            repository.emit(&mut head, |stamp| events::identity(stamp, inner.handle()))?;
            tables::put_meta(write, ANNOUNCED, &identity)?;
            tables::put_repo_head(write, &head)?;
            Ok(true)
        };
        self.inner.database.write(job).await
    }

    /// Returns the addresses under which the network was told to find this repository before: records may name it by them.
    /// Its present address may be one of them again; another's may be too by now.
    ///
    /// # Errors
    /// A storage error.
    pub async fn earlier_addresses(&self) -> Result<Vec<ServiceUrl>, PdsError> {
        let text = self.inner.database.read(|read: &Read<'_>| tables::meta(read, EARLIER)).await?.unwrap_or_default();
        Ok(text.split(' ').filter_map(|address| ServiceUrl::parse(address).ok()).collect())
    }
}

/// Adds an address to the earlier ones, unless it is there.
fn put_earlier(write: &Write<'_>, address: &str) -> Result<(), StorageError> {
    let earlier = tables::meta(write, EARLIER)?.unwrap_or_default();
    if earlier.split(' ').any(|known| known == address) {
        return Ok(());
    }
    tables::put_meta(write, EARLIER, format!("{earlier} {address}").trim_start())
}
