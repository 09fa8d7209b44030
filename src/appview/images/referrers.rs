//! Manifests that say something of another one: signatures, bills of materials, attestations.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>
//!
//! What was pushed through here is in the database with all that is answered of it. What was pushed elsewhere is found in
//! its owner's records ([`super::scans`]); what is answered of it is read out of its bytes, which are hashed, and remembered.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Images, ImagesError, ParsedManifest};
use crate::images::tables::referrers::{self, ReferrerRow};
use crate::repos::ReposError;
use atproto::syntax::{Did, Digest};
use server::identity::Account;
use server::storage::StorageError;

/// Referrers of a page; with annotations of 16 KiB each it is smaller than a manifest may be.
const PAGE: usize = 100;
/// Referrers that are looked at for a page, most of which a filter may leave out.
const MAX_LOOKED_AT: usize = 500;
/// Manifests that are read at once.
const AT_ONCE: usize = 8;

/// A manifest that says something of another one, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What kind of a thing it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it says, up to 16 KiB of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Map<String, Value>>,
}

/// Some of the referrers of a manifest.
pub struct ReferrersPage {
    /// By their digests.
    pub referrers: Vec<Referrer>,
    /// Behind which one more may follow.
    pub next: Option<Digest>,
}

impl Images {
    /// The referrers of `subject`, which need not exist itself, behind `after`; with `artifact_type` those of that kind.
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
        let candidates = self.candidates(owner, subject, after).await?;
        let looked_at: Vec<_> = candidates.keys().copied().take(MAX_LOOKED_AT).collect();
        let mut left = candidates.len();
        let (mut page, mut last) = (ReferrersPage { referrers: Vec::new(), next: None }, None);
        let looks = candidates.into_iter().take(looked_at.len()).map(|(digest, known)| async move {
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
        page.next = last.filter(|_| left > 0);
        Ok(page)
    }

    /// All that may be referrers of `subject`, with what is known of them. What somebody else deleted is forgotten.
    async fn candidates(
        &self,
        owner: &Account,
        subject: &Digest,
        after: Option<Digest>,
    ) -> Result<BTreeMap<Digest, Option<Arc<Referrer>>>, ImagesError> {
        let scan = self.scans.of(&self.repos, owner, (self.clock)()).await?;
        let first = (*subject, after.unwrap_or(Digest::from_bytes([0; 32])));
        let found = scan.found.range(first..).take_while(|(found, _)| found == subject).map(|(_, digest)| *digest);
        let mut candidates: BTreeMap<_, _> =
            found.filter(|digest| Some(*digest) != after).map(|digest| (digest, None)).collect();
        let (account, subject) = (owner.did.clone(), *subject);
        let rows = move |read: &server::sqlite::Read<'_>| {
            referrers::of_subject(read, &account, &subject, after.as_ref(), MAX_LOOKED_AT)
        };
        for ReferrerRow { referrer, pushed_us } in self.database.read(rows).await? {
            if scan.is_whole && pushed_us < scan.begun_us && !candidates.contains_key(&referrer.digest) {
                let (account, digest) = (owner.did.clone(), referrer.digest);
                self.database.write(move |write| referrers::delete(write, &account, &digest)).await?;
                continue;
            }
            candidates.insert(referrer.digest, Some(Arc::new(referrer)));
        }
        Ok(candidates)
    }

    /// A referrer by its bytes; `None` when they are not there, or say something of another manifest.
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
        let Some(Ok(manifest)) = bytes.map(|bytes| ParsedManifest::parse(bytes, None)) else { return Ok(None) };
        if manifest.subject.as_ref() != Some(subject) {
            return Ok(None);
        }
        let referrer = Arc::new(manifest.referrer());
        self.referrers.insert(key, Arc::clone(&referrer));
        Ok(Some(referrer))
    }

    /// The manifests of an account with a subject that were pushed through here, each with that and with when it was pushed, in
    /// microseconds since 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn referrers_of(&self, account: &Did) -> Result<Vec<(Digest, Referrer, u64)>, StorageError> {
        let account = account.clone();
        let rows = self.database.read(move |read| referrers::of_account(read, &account)).await?;
        Ok(rows.into_iter().map(|(subject, row)| (subject, row.referrer, row.pushed_us)).collect())
    }

    /// Remembers a manifest that was pushed, if it has a subject.
    pub(super) async fn remember_referrer(
        &self,
        owner: &Account,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        let Some(subject) = manifest.subject else { return Ok(()) };
        let row = ReferrerRow { referrer: manifest.referrer(), pushed_us: (self.clock)() };
        let account = owner.did.clone();
        Ok(self.database.write(move |write| referrers::put(write, &account, &subject, &row)).await?)
    }
}
