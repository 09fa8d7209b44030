//! What a repository has, by paging through its owner's records. A PDS may have any number of them, and may page in circles.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use super::{Repos, ReposError};
use crate::remote::RemoteError;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, RecordView, TagRecord};
use atproto::syntax::{Datetime, Did, Digest, ImageName, ServiceUrl, Tag};
use server::identity::{Account, ListError};

/// Pages of 100 records of one listing.
const MAX_PAGES: usize = 100;
/// What all pages of one listing may take together.
const TIME: Duration = Duration::from_secs(30);

impl Repos {
    /// The tags of a repository that lead somewhere, in no order; `None` when the owner has no such repository.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn tags(&self, account: &Account, name: &ImageName) -> Result<Option<Vec<Tag>>, ReposError> {
        let mut tags = Vec::new();
        let listing = self.each_record(account, nsid::TAG, MAX_PAGES, |view| {
            let tag = tag_of(&view, account).filter(|found| found.repository == *name);
            tags.extend(tag.map(|found| found.tag));
            ControlFlow::Continue(())
        });
        in_time(listing).await?;
        if !tags.is_empty() {
            return Ok(Some(tags));
        }
        // One that was pushed by digest alone, or lost its tags, is a repository still.
        let mut exists = false;
        let listing = self.each_record(account, nsid::MANIFEST, MAX_PAGES, |view| {
            exists =
                serde_json::from_value::<Manifest>(view.value).is_ok_and(|found| found.repository == name.as_str());
            if exists { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        in_time(listing).await?;
        Ok(exists.then_some(tags))
    }

    /// The tags of all repositories that lead to a manifest.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn tags_at(&self, account: &Account, digest: &Digest) -> Result<Vec<FoundTag>, ReposError> {
        let mut tags = Vec::new();
        let listing = self.each_record(account, nsid::TAG, MAX_PAGES, |view| {
            tags.extend(tag_of(&view, account).filter(|found| found.digest == *digest));
            ControlFlow::Continue(())
        });
        in_time(listing).await?;
        Ok(tags)
    }

    /// Shows the tags of all repositories, in so many pages at most; answers whether those were all.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn each_tag(
        &self,
        account: &Account,
        max_pages: usize,
        mut visit: impl FnMut(FoundTag),
    ) -> Result<bool, ReposError> {
        whole(self.each_record(account, nsid::TAG, max_pages, |view| {
            tag_of(&view, account).into_iter().for_each(&mut visit);
            ControlFlow::Continue(())
        }))
        .await
    }

    /// Shows the manifests of all repositories, as [`Repos::each_tag`].
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn each_manifest(
        &self,
        account: &Account,
        max_pages: usize,
        mut visit: impl FnMut(FoundManifest),
    ) -> Result<bool, ReposError> {
        whole(self.each_record(account, nsid::MANIFEST, max_pages, |view| {
            manifest_of(view).into_iter().for_each(&mut visit);
            ControlFlow::Continue(())
        }))
        .await
    }

    /// Shows each manifest that has a subject: `visit(subject, manifest)`, both as their records say. Answers whether all
    /// records were seen: of those who have too many, or whose PDS is slow, the first ones are.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn subjects(&self, account: &Account, mut visit: impl FnMut(Digest, Digest)) -> Result<bool, ReposError> {
        let listing = self.each_record(account, nsid::MANIFEST, MAX_PAGES, |view| {
            let digest = |value: &Value| Digest::parse(value.get("digest")?.as_str()?).ok();
            if let (Some(subject), Some(manifest)) = (view.value.get("subject").and_then(digest), digest(&view.value)) {
                visit(subject, manifest);
            }
            ControlFlow::Continue(())
        });
        whole(listing).await
    }

    /// The revision of an account's repository; `None` when its PDS does not say.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn revision(&self, account: &Account) -> Result<Option<String>, ReposError> {
        let parameters = &[("did", account.did.as_str())];
        match self.query::<Value>(account, &nsid::SYNC_GET_LATEST_COMMIT, parameters).await {
            Ok(commit) => Ok(commit.get("rev").and_then(Value::as_str).map(str::to_owned)),
            Err(ReposError::Pds(RemoteError::Refused { status, .. })) if status.is_client_error() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest hold that an account has by an older kind of record.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn legacy_hold(&self, account: &Account) -> Result<Option<ServiceUrl>, ReposError> {
        let page = match self.resolver.list_records(&account.did, nsid::LEGACY_HOLD, None).await {
            // A PDS that knows no such records has none.
            Err(ListError::Refused(_)) => return Ok(None),
            page => page?,
        };
        let hold = |view: &RecordView| {
            let text = |field: &str| view.value.get(field).and_then(Value::as_str);
            let by_did = text("did").and_then(|did| ServiceUrl::of_did(&Did::parse(did).ok()?).ok());
            by_did.or_else(|| ServiceUrl::parse(text("endpoint")?.trim_end_matches('/')).ok())
        };
        Ok(page.records.iter().find_map(hold))
    }

    /// Shows each record of a collection until `visit` has seen enough, in `max_pages` pages at most.
    ///
    /// # Errors
    /// [`ReposError::TooMany`] when there are more.
    pub async fn each_record(
        &self,
        account: &Account,
        collection: Collection,
        max_pages: usize,
        mut visit: impl FnMut(RecordView) -> ControlFlow<()>,
    ) -> Result<(), ReposError> {
        let mut cursor = None;
        for _ in 0..max_pages {
            let page = self.resolver.list_records(&account.did, collection, cursor.as_deref()).await?;
            if page.records.into_iter().try_for_each(&mut visit).is_break() {
                return Ok(());
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
        Err(ReposError::TooMany)
    }
}

async fn in_time(listing: impl Future<Output = Result<(), ReposError>>) -> Result<(), ReposError> {
    tokio::time::timeout(TIME, listing).await.unwrap_or(Err(ReposError::TooMany))
}

/// Whether a listing came to its end.
async fn whole(listing: impl Future<Output = Result<(), ReposError>>) -> Result<bool, ReposError> {
    match in_time(listing).await {
        Ok(()) => Ok(true),
        Err(ReposError::TooMany) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the record of a manifest says, as far as lists show it.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// Its digest, which is its key.
    pub digest: Digest,
    /// Where it was pushed first.
    pub repository: ImageName,
    /// All of it.
    pub record: Manifest,
}

/// The manifest of a record that has its key.
fn manifest_of(view: RecordView) -> Option<FoundManifest> {
    let hex = view.uri.as_str().rsplit('/').next()?.to_owned();
    let record: Manifest = serde_json::from_value(view.value).ok()?;
    let digest = Digest::parse(&record.digest).ok().filter(|digest| digest.hex() == hex)?;
    Some(FoundManifest { digest, repository: ImageName::parse(&record.repository).ok()?, record })
}

/// What the record of a tag says.
#[derive(Clone, Debug)]
pub struct FoundTag {
    /// When it was written, as it says.
    pub written: Option<Datetime>,
    /// Where it is.
    pub repository: ImageName,
    /// What it is.
    pub tag: Tag,
    /// Which manifest it leads to.
    pub digest: Digest,
}

/// The tag of a record, if a pull by it finds the record: it leads to a manifest and has its key.
fn tag_of(view: &RecordView, account: &Account) -> Option<FoundTag> {
    let record = TagRecord::read(&view.value)?;
    let (repository, tag) = (ImageName::parse(&record.repository).ok()?, Tag::parse(&record.tag).ok()?);
    let digest = record.digest(&account.did)?;
    let is_its_own = view.uri.as_str().ends_with(&format!("/{}", TagRecord::key_of(&repository, &tag).as_str()));
    let written = record.updated_at.or(record.created_at);
    is_its_own.then_some(FoundTag { written, repository, tag, digest })
}
