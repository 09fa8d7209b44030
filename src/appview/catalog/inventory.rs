//! The repositories of an account, from all of its tag and manifest records. An inventory is good for some seconds, and
//! after that as long as the account's repository has the same revision, which one short call returns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;

use super::answer_cache::{Answer, AnswerCache, CacheTimes, LookUpError};
use super::{Catalog, slot_at_host};
use crate::repos::{FoundManifest, Repos};
use atproto::syntax::{Datetime, Did, Digest, HoldId, ImageName, Size, Tag};
use server::bulkhead::Bulkhead;
use server::identity::Account;

/// Maximum number of pages of 100 records of each kind: larger accounts are shown in part.
const MAX_PAGES: usize = 40;
const TIMES: CacheTimes =
    CacheTimes { fresh: Duration::from_secs(10), failed: Duration::from_secs(20), time_out: Duration::from_secs(6) };
/// Weight of the cache: tags and manifests, at some 400 bytes each.
const MAX_REMEMBERED: u64 = 100_000;
const ACCOUNTS: usize = 1024;
/// Maximum number of an index's manifests that are kept: usual indexes have some dozens.
const MAX_CHILDREN: usize = 128;
/// Maximum length of an image's description in lists, taken from its annotations.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// A tag, from its record.
#[derive(Clone, Debug)]
pub struct ListedTag {
    /// The tag.
    pub tag: Tag,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Time of the last write.
    pub written: Option<Datetime>,
}

/// The kind of a manifest's content, which decides what pulls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image of a container, or an index.
    Image,
    /// A Helm chart.
    Chart,
    /// Any other artifact: a signature, a bill of materials, files.
    Artifact,
}

const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

impl Content {
    /// Returns the kind by the media types of the configuration and the layers. An index has no configuration; signatures
    /// and attestations of some tools have that of an image, but other layers.
    pub fn of<'t>(config: Option<&str>, mut layers: impl Iterator<Item = &'t str>) -> Self {
        match config {
            None => Self::Image,
            Some(HELM_CONFIG) => Self::Chart,
            Some(config) if is_image_config(config) && layers.all(|layer| layer.contains(".tar")) => Self::Image,
            Some(_) => Self::Artifact,
        }
    }
}

/// Whether this is the media type of an image's configuration.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    IMAGE_CONFIGS.contains(&media_type)
}

/// A manifest, from its record.
#[derive(Clone, Debug)]
pub struct ListedManifest {
    /// Repository of the first push.
    pub repository: ImageName,
    /// Kind of the content.
    pub content: Content,
    /// Size of configuration and layers together.
    pub size_bytes: u64,
    /// Time of the first push.
    pub created: Option<Datetime>,
    /// Description, in one line.
    pub description: Option<String>,
    /// The hold with its blobs.
    pub hold: Option<HoldId>,
    /// Manifests of an index, at most 128 of them.
    pub children: Vec<Digest>,
    /// Whether it has a subject: a signature, an attestation or the like.
    pub has_subject: bool,
}

impl ListedManifest {
    /// Returns a description of the manifest in a few words.
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

/// The tags and manifests of an account.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Tags by repository, the newest first. Repositories without tags are included.
    pub repositories: BTreeMap<ImageName, Vec<ListedTag>>,
    /// Manifests by digest.
    pub manifests: HashMap<Digest, ListedManifest>,
    /// Whether all records were read.
    pub is_whole: bool,
    /// Time when the reading began, microseconds since 1970.
    pub read_us: u64,
    revision: Option<String>,
}

#[derive(Clone)]
pub(super) struct ByRecords;

impl Weighter<Did, Answer<Arc<Inventory>>> for ByRecords {
    fn weight(&self, _: &Did, answer: &Answer<Arc<Inventory>>) -> u64 {
        let Ok(inventory) = answer else { return 1 };
        // A digest weighs a tenth of a manifest.
        let children = inventory.manifests.values().map(|manifest| manifest.children.len() as u64).sum::<u64>();
        1 + inventory.manifests.len() as u64
            + children / 10
            + inventory.repositories.values().map(|tags| 1 + tags.len() as u64).sum::<u64>()
    }
}

pub(super) type Inventories = Arc<AnswerCache<Did, Arc<Inventory>, ByRecords>>;

pub(super) fn remembered() -> Inventories {
    AnswerCache::new(ACCOUNTS, MAX_REMEMBERED, ByRecords, TIMES)
}

impl Catalog {
    /// Returns the tags and manifests of an account, at most some seconds old.
    ///
    /// # Errors
    /// [`LookUpError`]
    pub async fn inventory(&self, account: &Arc<Account>) -> Result<Arc<Inventory>, LookUpError> {
        let (repos, look_ups, owner) = (Arc::clone(&self.repos), self.look_ups.clone(), Arc::clone(account));
        let (last, clock) = (self.inventories.last(&account.did), self.clock);
        self.inventories
            .get(account.did.clone(), async move { ask(&repos, &look_ups, &owner, last, clock()).await })
            .await
    }
}

async fn ask(
    repos: &Repos,
    look_ups: &Bulkhead<String>,
    account: &Account,
    last: Option<Arc<Inventory>>,
    read_us: u64,
) -> Result<Arc<Inventory>, LookUpError> {
    let _slot = slot_at_host(look_ups, repos, account).await?;
    let revision = repos.revision(account).await?;
    if let Some(last) = last.filter(|last| last.is_whole && revision.is_some() && last.revision == revision) {
        return Ok(last);
    }
    let mut inventory = Inventory { revision, read_us, ..Inventory::default() };
    let Inventory { repositories, manifests, .. } = &mut inventory;
    let all_tags = repos.each_tag(account, MAX_PAGES, |found| {
        let tag = ListedTag { tag: found.tag, digest: found.digest, written: found.written };
        repositories.entry(found.repository).or_default().push(tag);
    });
    let all_tags = all_tags.await?;
    let all_manifests = repos.each_manifest(account, MAX_PAGES, |found| {
        manifests.insert(found.digest, listed(found));
    });
    inventory.is_whole = all_manifests.await? && all_tags;
    for manifest in inventory.manifests.values() {
        inventory.repositories.entry(manifest.repository.clone()).or_default();
    }
    for tags in inventory.repositories.values_mut() {
        // Sorts the times as text, which is their order unless a time has an unusual zone.
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
    let config = record.config.as_ref().and_then(|config| config.media_type.as_deref());
    let layers = record.layers.iter().flatten().filter_map(|layer| layer.media_type.as_deref());
    ListedManifest {
        content: Content::of(config, layers),
        hold,
        repository,
        size_bytes,
        created,
        description,
        children: record.children().take(MAX_CHILDREN).collect(),
        has_subject: record.has_subject(),
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn what_a_manifest_is_is_said_by_its_media_types() {
        const OCI: &str = "application/vnd.oci.image.config.v1+json";
        const DOCKER: &str = "application/vnd.docker.container.image.v1+json";
        for (config, layers, content) in [
            (None, vec![], Content::Image),
            (Some(OCI), vec![], Content::Image),
            (Some(OCI), vec!["application/vnd.oci.image.layer.v1.tar+zstd"], Content::Image),
            (Some(DOCKER), vec!["application/vnd.docker.image.rootfs.diff.tar.gzip"], Content::Image),
            (Some(OCI), vec!["application/vnd.dev.cosign.simplesigning.v1+json"], Content::Artifact),
            (Some(OCI), vec!["application/vnd.in-toto+json"], Content::Artifact),
            (
                Some("application/vnd.oci.empty.v1+json"),
                vec!["application/vnd.oci.image.layer.v1.tar"],
                Content::Artifact,
            ),
            (Some(super::HELM_CONFIG), vec!["application/vnd.cncf.helm.chart.content.v1.tar+gzip"], Content::Chart),
        ] {
            assert_eq!(Content::of(config, layers.iter().copied()), content, "{config:?} {layers:?}");
        }
    }
}
