//! What a repository has, by paging through its owner's records. A PDS may have any number of them, and may page in circles.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Repos, ReposError, TagRecord, tag_key};
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, RecordView};
use atproto::syntax::{ImageName, Tag};
use server::identity::Account;

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
            tags.extend(tag_of(view, account, name));
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

    /// Shows each record of a collection until `visit` has seen enough, in `max_pages` pages at most.
    ///
    /// # Errors
    /// [`ReposError::TooMany`] when there are more.
    pub(super) async fn each_record(
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

/// The tag of a record, if it is one of this repository and a pull by it finds it: it leads to a manifest and has its key.
fn tag_of(view: RecordView, account: &Account, name: &ImageName) -> Option<Tag> {
    let record: TagRecord = serde_json::from_value(view.value).ok()?;
    let tag = Tag::parse(&record.tag).ok().filter(|_| record.repository == name.as_str())?;
    record.digest(&account.did)?;
    view.uri.as_str().ends_with(&format!("/{}", tag_key(name, &tag).as_str())).then_some(tag)
}
