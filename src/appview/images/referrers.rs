//! Referrers: manifests with a subject, like signatures, SBOMs and attestations.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>
//!
//! Those that were pushed through this registry are in the database, with their whole descriptors. Those that were
//! pushed elsewhere are found in the owner's records ([`super::scans`]); their descriptors are read from their bytes,
//! whose digest is verified, and cached.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::{Images, ImagesError, ParsedManifest, Referrer};
use crate::accounts::{Login, is_open};
use crate::images::tables::referrers::{self, ReferrerRow};
use crate::repos::ReposError;
use atproto::syntax::{Did, Digest};
use server::identity::Account;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Number of referrers in a page; with annotations of 16 KiB each it is smaller than a manifest may be.
const PAGE: usize = 100;
/// Maximum number of referrers that are read for a page, most of which a filter may leave out.
const MAX_LOOKED_AT: usize = 500;
/// Number of manifests that are read at once.
const AT_ONCE: usize = 8;

/// A page of the referrers of a manifest.
pub struct ReferrersPage {
    /// Referrers, ordered by digest.
    pub referrers: Vec<Referrer>,
    /// Digest after which the next page begins, if more may follow.
    pub next: Option<Digest>,
}

/// Candidates for referrers of a manifest.
struct Candidates {
    /// Their descriptors, if known.
    descriptors: BTreeMap<Digest, Option<Arc<Referrer>>>,
    /// Digest up to which these are all, if the database has more after it.
    end: Option<Digest>,
}

impl Images {
    /// Returns the referrers of `subject`, which need not exist, after `after`; with `artifact_type` only those of that
    /// type.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn referrers(
        &self,
        owner: &Account,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<Digest>,
    ) -> Result<ReferrersPage, ImagesError> {
        let Candidates { descriptors, end } = self.candidates(owner, subject, after).await?;
        let looked_at: Vec<_> = descriptors.keys().copied().take(MAX_LOOKED_AT).collect();
        let mut left = descriptors.len();
        let (mut page, mut last) = (ReferrersPage { referrers: Vec::new(), next: None }, None);
        let looks = descriptors.into_iter().take(looked_at.len()).map(|(digest, known)| async move {
            match known {
                Some(referrer) => Ok(Some(referrer)),
                None => self.read_referrer(owner, subject, &digest).await,
            }
        });
        let mut looks = stream::iter(looks).buffered(AT_ONCE).zip(stream::iter(looked_at));
        while page.referrers.len() < PAGE
            && let Some((found, digest)) = looks.next().await
        {
            (left, last) = (left - 1, Some(digest));
            let is_wanted =
                |found: &Arc<Referrer>| artifact_type.is_none() || found.artifact_type.as_deref() == artifact_type;
            page.referrers.extend(found?.filter(is_wanted).map(|found| Referrer::clone(&found)));
        }
        page.next = if left > 0 { last } else { end };
        Ok(page)
    }

    /// Returns the candidates for referrers of `subject` after `after`. Forgets those that another program deleted.
    async fn candidates(
        &self,
        owner: &Account,
        subject: &Digest,
        after: Option<Digest>,
    ) -> Result<Candidates, ImagesError> {
        let scan = self.scans.of(&self.repos, owner, (self.clock)()).await?;
        let first = (*subject, after.unwrap_or(Digest::from_bytes([0; 32])));
        let found = scan.found.range(first..).take_while(|(found, _)| found == subject).map(|(_, digest)| *digest);
        let mut descriptors: BTreeMap<_, _> =
            found.filter(|digest| Some(*digest) != after).map(|digest| (digest, None)).collect();
        let (account, subject) = (owner.did.clone(), *subject);
        let rows =
            move |read: &Read<'_>| referrers::of_subject(read, &account, &subject, after.as_ref(), MAX_LOOKED_AT);
        let rows = self.database.read(rows).await?;
        let end = rows.last().filter(|_| rows.len() == MAX_LOOKED_AT).map(|row| row.referrer.digest);
        if let Some(end) = end {
            // Those behind it belong to a later page, with the rows between them.
            descriptors.retain(|digest, _| *digest <= end);
        }
        for ReferrerRow { referrer, pushed_us, .. } in rows {
            if scan.is_whole && pushed_us < scan.begun_us && !descriptors.contains_key(&referrer.digest) {
                let (account, digest) = (owner.did.clone(), referrer.digest);
                self.database.write(move |write| referrers::delete(write, &account, &digest)).await?;
                continue;
            }
            descriptors.insert(referrer.digest, Some(Arc::new(referrer)));
        }
        Ok(Candidates { descriptors, end })
    }

    /// Reads a referrer from its bytes; `None` when they are missing, or have another subject.
    async fn read_referrer(
        &self,
        owner: &Account,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Option<Arc<Referrer>>, ImagesError> {
        let key = (owner.did.clone(), *digest);
        if let Some(known) = self.referrers.get(&key) {
            return Ok(Some(known));
        }
        let bytes = match self.repos.bytes(owner, digest).await {
            Err(ReposError::WrongBytes) => None,
            bytes => bytes?,
        };
        let Some(Ok(manifest)) = bytes.map(ParsedManifest::stored) else { return Ok(None) };
        if manifest.subject.as_ref() != Some(subject) {
            return Ok(None);
        }
        let referrer = Arc::new(manifest.referrer());
        self.referrers.insert(key, Arc::clone(&referrer));
        Ok(Some(referrer))
    }

    /// Returns the referrers of an account that were pushed through this registry.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn referrers_of(&self, account: &Did) -> Result<Vec<ReferrerRow>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| referrers::of_account(read, &account)).await
    }

    /// Stores a manifest that was pushed as a referrer, if it has a subject, and the session of the push has
    /// not ended.
    pub(super) async fn remember_referrer(&self, login: &Login, manifest: &ParsedManifest) -> Result<(), ImagesError> {
        let Some(subject) = manifest.subject else { return Ok(()) };
        let row = ReferrerRow { subject, referrer: manifest.referrer(), pushed_us: (self.clock)() };
        let login = login.clone();
        let put = move |write: &Write<'_>| match is_open(write, &login)? {
            true => referrers::put(write, &login.account, &row),
            false => Ok(()),
        };
        Ok(self.database.write(put).await?)
    }
}
