//! Listings of an owner's records, page by page. A PDS may have any number of records, and its cursors may go in
//! circles.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use super::{Repos, ReposError};
use crate::remote::RemoteError;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, RecordView, TagRecord};
use atproto::syntax::{Datetime, Digest, HoldId, ImageName, Tag};
use server::identity::{Account, ListError};

/// Longest listing, in pages of 100 records.
const MAX_PAGES: usize = 100;
/// Longest listing of tags, in pages of 100 records: part of the tags would be a wrong answer. Of each tag less than 500
/// bytes are kept, 25 MB in all.
const MAX_TAG_PAGES: usize = 500;
/// Time limit of all pages of one listing together.
const TIME: Duration = Duration::from_secs(30);

impl Repos {
    /// Returns the tags of a repository that point to a manifest, in no order; `None` when the owner has no such
    /// repository, or it has no tag and no manifest among the first 10,000 of the owner.
    ///
    /// # Errors
    /// [`ReposError::TooManyTags`] when the owner has more than 50,000.
    pub async fn tags(&self, account: &Account, name: &ImageName) -> Result<Option<Vec<Tag>>, ReposError> {
        let mut tags = Vec::new();
        let listing = self.each_record(account, nsid::TAG, MAX_TAG_PAGES, |view| {
            let tag = tag_of(&view, account).filter(|found| found.repository == *name);
            tags.extend(tag.map(|found| found.tag));
            ControlFlow::Continue(())
        });
        all_tags(in_time(listing).await)?;
        if !tags.is_empty() {
            return Ok(Some(tags));
        }
        // A repository without tags exists if it has a manifest: it was pushed by digest alone, or lost its tags.
        let mut exists = false;
        let listing = self.each_record(account, nsid::MANIFEST, MAX_PAGES, |view| {
            exists =
                serde_json::from_value::<Manifest>(view.value).is_ok_and(|found| found.repository == name.as_str());
            if exists { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match in_time(listing).await {
            // Manifests behind the last page are not searched.
            Ok(()) | Err(ReposError::TooMany) => {}
            Err(error) => return Err(error),
        }
        Ok(exists.then_some(tags))
    }

    /// Returns the tags of all repositories that point to a manifest with one of these digests.
    ///
    /// # Errors
    /// As [`Repos::tags`].
    pub async fn tags_at(&self, account: &Account, digests: &[Digest]) -> Result<Vec<FoundTag>, ReposError> {
        let mut tags = Vec::new();
        let listing = self.each_record(account, nsid::TAG, MAX_TAG_PAGES, |view| {
            tags.extend(tag_of(&view, account).filter(|found| digests.contains(&found.digest)));
            ControlFlow::Continue(())
        });
        all_tags(in_time(listing).await)?;
        Ok(tags)
    }

    /// Calls `visit` for each tag of all repositories, in `max_pages` pages at most. Returns whether those were all.
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

    /// Calls `visit` for each manifest of all repositories, as [`Repos::each_tag`].
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

    /// Calls `visit(subject, manifest)` for each manifest that has a subject, with both digests as the record says.
    /// Returns whether all records were seen: of an account with too many records or a slow PDS, only the first ones
    /// are.
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

    /// Returns the revision (`rev`) of an account's repository; `None` when its PDS refuses to tell it.
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

    /// Returns the hold of the account's newest legacy hold record that names a valid one.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn legacy_hold(&self, account: &Account) -> Result<Option<HoldId>, ReposError> {
        let page = match self.resolver.list_records(&account.did, nsid::LEGACY_HOLD, None).await {
            // A PDS that refuses to list the collection has no such records.
            Err(ListError::Refused(_)) => return Ok(None),
            page => page?,
        };
        let hold = |view: &RecordView| {
            let text = |field: &str| view.value.get(field).and_then(Value::as_str);
            HoldId::of_record(text("did"), text("endpoint").map(|url| url.trim_end_matches('/')))
        };
        Ok(page.records.iter().find_map(hold))
    }

    /// Calls `visit` for each record of a collection until it breaks, in `max_pages` pages at most.
    ///
    /// # Errors
    /// [`ReposError::TooMany`] when there are more pages.
    pub async fn each_record(
        &self,
        account: &Account,
        collection: Collection,
        max_pages: usize,
        mut visit: impl FnMut(RecordView) -> ControlFlow<()>,
    ) -> Result<(), ReposError> {
        let mut cursor = None;
        for _ in 0..max_pages {
            let page = match self.resolver.list_records(&account.did, collection, cursor.as_deref()).await {
                Err(ListError::Refused(status)) => {
                    let inactive = self.inactive(account, status).await;
                    return Err(inactive.map_or(ListError::Refused(status).into(), ReposError::Inactive));
                }
                page => page?,
            };
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

/// Limits the time of a listing.
pub(super) async fn in_time(listing: impl Future<Output = Result<(), ReposError>>) -> Result<(), ReposError> {
    tokio::time::timeout(TIME, listing).await.unwrap_or(Err(ReposError::TooSlow))
}

/// Names the limit when a listing of tags has too many.
fn all_tags(listed: Result<(), ReposError>) -> Result<(), ReposError> {
    match listed {
        Err(ReposError::TooMany) => Err(ReposError::TooManyTags { limit: MAX_TAG_PAGES * 100 }),
        listed => listed,
    }
}

/// Whether a listing ended within its limits.
async fn whole(listing: impl Future<Output = Result<(), ReposError>>) -> Result<bool, ReposError> {
    match in_time(listing).await {
        Ok(()) => Ok(true),
        Err(ReposError::TooMany | ReposError::TooSlow) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A manifest, as its record says.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// The digest, which is the record's key.
    pub digest: Digest,
    /// The repository in the record: the one where the manifest was pushed first.
    pub repository: ImageName,
    /// The whole record.
    pub record: Manifest,
}

/// Parses the record of a manifest; `None` if it is not valid, or its key is not that of its digest.
fn manifest_of(view: RecordView) -> Option<FoundManifest> {
    let hex = view.uri.as_str().rsplit('/').next()?.to_owned();
    let record: Manifest = serde_json::from_value(view.value).ok()?;
    let digest = Digest::parse(&record.digest).ok().filter(|digest| digest.hex() == hex)?;
    Some(FoundManifest { digest, repository: ImageName::parse(&record.repository).ok()?, record })
}

/// A tag, as its record says.
#[derive(Clone, Debug)]
pub struct FoundTag {
    /// Time of the last write, as the record says.
    pub written: Option<Datetime>,
    /// The repository.
    pub repository: ImageName,
    /// The tag's name.
    pub tag: Tag,
    /// The digest of the manifest that the tag points to.
    pub digest: Digest,
}

/// Parses the record of a tag; `None` unless a pull by the tag finds it: it points to a manifest, and has the tag's
/// record key.
fn tag_of(view: &RecordView, account: &Account) -> Option<FoundTag> {
    let record = TagRecord::read(&view.value)?;
    let (repository, tag) = (ImageName::parse(&record.repository).ok()?, Tag::parse(&record.tag).ok()?);
    let digest = record.digest(&account.did)?;
    let is_its_own = view.uri.as_str().ends_with(&format!("/{}", TagRecord::key_of(&repository, &tag).as_str()));
    let written = record.updated_at.or(record.created_at);
    is_its_own.then_some(FoundTag { written, repository, tag, digest })
}
