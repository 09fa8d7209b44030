//! What repositories an account has, by all of its records of tags and manifests. A look is good for some seconds, and as long
//! as the repository has the same revision, which one short call tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;

use super::kept::{Answer, Kept, Times, Unknown};
use super::{Catalog, look};
use crate::repos::{FoundManifest, Repos, ReposError};
use atproto::syntax::{Datetime, Did, Digest, ImageName, ServiceUrl, Size, Tag};
use server::bulkhead::Bulkhead;
use server::identity::Account;

/// Pages of 100 records of each kind: who has more is shown a part.
const MAX_PAGES: usize = 40;
const TIMES: Times =
    Times { fresh: Duration::from_secs(10), failed: Duration::from_secs(20), ask: Duration::from_secs(6) };
/// Tags and manifests that are remembered, at some 400 bytes.
const MAX_REMEMBERED: u64 = 100_000;
const ACCOUNTS: usize = 1024;
/// Manifests of an index that are remembered of each: indexes that people make have some dozens.
const MAX_CHILDREN: usize = 128;
/// What an image says of itself in its annotations, in lists.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// A tag, as its record says.
#[derive(Clone, Debug)]
pub struct ListedTag {
    /// The tag.
    pub tag: Tag,
    /// Where it leads.
    pub digest: Digest,
    /// When it was written.
    pub written: Option<Datetime>,
}

/// A manifest, as its record says.
#[derive(Clone, Debug)]
pub struct ListedManifest {
    /// Where it was pushed first.
    pub repository: ImageName,
    /// Its media type.
    pub media_type: Option<String>,
    /// Configuration and layers together.
    pub size_bytes: u64,
    /// When it was pushed first.
    pub created: Option<Datetime>,
    /// What it is about, in a line.
    pub description: Option<String>,
    /// The hold that has its blobs.
    pub hold: Option<ServiceUrl>,
    /// The manifests of an index, the first of them.
    pub children: Vec<Digest>,
    /// Whether it says something of another manifest.
    pub has_subject: bool,
}

impl ListedManifest {
    /// What it is, in a few words.
    #[must_use]
    pub fn words(&self) -> String {
        let size = Size { bytes: self.size_bytes };
        match self.children.len() as u64 {
            _ if self.has_subject => format!("attached to another manifest, {size}"),
            0 => size.to_string(),
            count => format!("an index of {}", server::text::with_noun(count, "manifest")),
        }
    }
}

/// What an account has.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Tags by repository, the newest first. A repository without tags is there, too.
    pub repositories: BTreeMap<ImageName, Vec<ListedTag>>,
    /// Manifests by digest.
    pub manifests: HashMap<Digest, ListedManifest>,
    /// Whether all records were seen.
    pub is_whole: bool,
    revision: Option<String>,
}

#[derive(Clone)]
pub(super) struct ByRecords;

impl Weighter<Did, Answer<Arc<Inventory>>> for ByRecords {
    fn weight(&self, _: &Did, answer: &Answer<Arc<Inventory>>) -> u64 {
        let Ok(inventory) = &answer.value else { return 1 };
        // A digest is a tenth of a manifest.
        let children = inventory.manifests.values().map(|manifest| manifest.children.len() as u64).sum::<u64>();
        1 + inventory.manifests.len() as u64
            + children / 10
            + inventory.repositories.values().map(|tags| 1 + tags.len() as u64).sum::<u64>()
    }
}

pub(super) type Inventories = Arc<Kept<Did, Arc<Inventory>, ByRecords>>;

pub(super) fn remembered() -> Inventories {
    Kept::new(ACCOUNTS, MAX_REMEMBERED, ByRecords, TIMES)
}

impl Catalog {
    /// What an account has, now or some seconds ago.
    ///
    /// # Errors
    /// [`Unknown`]
    pub async fn inventory(&self, account: &Arc<Account>) -> Result<Arc<Inventory>, Unknown> {
        let (repos, looks, owner) = (Arc::clone(&self.repos), self.looks.clone(), Arc::clone(account));
        let last = self.inventories.last(&account.did);
        self.inventories.get(account.did.clone(), async move { ask(&repos, &looks, &owner, last).await }).await
    }
}

async fn ask(
    repos: &Repos,
    looks: &Bulkhead<String>,
    account: &Account,
    last: Option<Arc<Inventory>>,
) -> Result<Arc<Inventory>, Unknown> {
    let _place = look(looks, repos, account).await?;
    let unknown = |error: ReposError| Unknown(error.to_string());
    let revision = repos.revision(account).await.map_err(unknown)?;
    if let Some(last) = last.filter(|last| last.is_whole && revision.is_some() && last.revision == revision) {
        return Ok(last);
    }
    let mut inventory = Inventory { revision, ..Inventory::default() };
    let Inventory { repositories, manifests, .. } = &mut inventory;
    let all_tags = repos.each_tag(account, MAX_PAGES, |found| {
        let tag = ListedTag { tag: found.tag, digest: found.digest, written: found.written };
        repositories.entry(found.repository).or_default().push(tag);
    });
    let all_tags = all_tags.await.map_err(unknown)?;
    let all_manifests = repos.each_manifest(account, MAX_PAGES, |found| {
        manifests.insert(found.digest, listed(found));
    });
    inventory.is_whole = all_manifests.await.map_err(unknown)? && all_tags;
    for manifest in inventory.manifests.values() {
        inventory.repositories.entry(manifest.repository.clone()).or_default();
    }
    for tags in inventory.repositories.values_mut() {
        // As text these times have the order of time, but for zones that nobody writes.
        tags.sort_by(|one, other| {
            let key = |tag: &ListedTag| tag.written.as_ref().map(ToString::to_string);
            key(other).cmp(&key(one)).then_with(|| one.tag.cmp(&other.tag))
        });
    }
    Ok(Arc::new(inventory))
}

fn listed(found: FoundManifest) -> ListedManifest {
    let FoundManifest { repository, record, .. } = found;
    let (hold, size_bytes) = (record.hold(), record.size_bytes());
    let description = record.description().and_then(|text| server::text::line(text, MAX_DESCRIPTION_CHARS));
    let created = record.other.get("createdAt").and_then(|at| at.as_str()).and_then(|at| Datetime::parse(at).ok());
    ListedManifest {
        hold,
        repository,
        size_bytes,
        created,
        description,
        children: record.children().take(MAX_CHILDREN).collect(),
        has_subject: record.has_subject(),
        media_type: record.media_type,
    }
}
