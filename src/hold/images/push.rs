//! Records a pushed manifest: all of it in one transaction, or nothing.

use super::manifest::{Push, PushedBlob, PushedLayer};
use super::{GrowthLimits, Images, ImagesError, ImagesSettings, encode, post, stats, stats_key};
use crate::blobs::{self, AccountUsage};
use crate::crew::Membership;
use crate::images::tables;
use crate::images::tables::LayerRow;
use crate::pds::{MAX_WRITES, Pds, Plan, RecordChange, RecordWrite, Repository};
use atproto::lexicon::{
    Layer, Permission, Swap,
    nsid::{self, Collection},
};
use atproto::syntax::{AtUri, Datetime, Did, RecordKey, Size, Tid};

/// Limit of missing blobs that an error names.
const NAMED_BLOBS: usize = 10;

/// The result of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Number of new layer records.
    pub layers_created: usize,
    /// The post about the push, if one was made.
    pub post: Option<AtUri>,
}

impl Images {
    /// Records a push by the owner of the image: a record for each layer that the manifest did not have before, the
    /// statistics, and the manifest's config. A push that adds no record is counted without a commit. All is one
    /// transaction; past 198 new layers it has more than one commit. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`ImagesError::MissingBlobs`], [`ImagesError::WrongSize`], [`ImagesError::QuotaExceeded`],
    /// [`ImagesError::NotPermitted`], a limit of [`GrowthLimits`], or a storage error; then
    /// nothing is recorded.
    pub async fn push(&self, push: Push, now_us: u64) -> Result<Pushed, ImagesError> {
        let settings = self.settings();
        let (pds, hold) = (self.inner.pds.clone(), self.inner.pds.did().clone());
        let job = move |repository: &Repository<'_>| {
            Recording { repository, pds: &pds, settings: &settings, hold: &hold, push: &push, now_us }.run()
        };
        let outcome: Result<_, ImagesError> = self.inner.pds.transact(now_us, job).await;
        self.count_refused_growth(&outcome);
        outcome
    }
}

/// A push within its transaction.
struct Recording<'r> {
    repository: &'r Repository<'r>,
    pds: &'r Pds,
    settings: &'r ImagesSettings,
    hold: &'r Did,
    push: &'r Push,
    now_us: u64,
}

impl Recording<'_> {
    fn run(&self) -> Result<Pushed, ImagesError> {
        let membership = Membership::read(&self.repository.records(), &self.push.image.owner)?;
        // The account may have lost its membership, and its records, since the request was authorized.
        if !membership.may(Permission::BlobWrite) {
            return Err(ImagesError::NotPermitted);
        }
        let layers = self.layers_here(&membership)?;
        let before = blobs::account_usage(self.repository.transaction(), &self.push.image.owner)?;
        let mut new = Vec::new();
        for (layer, size_bytes) in &layers {
            if !tables::is_layer_of(self.repository.transaction(), &self.push.manifest, &layer.blob.digest)? {
                new.push((layer, *size_bytes));
            }
        }
        let added = self.check_growth(&membership, new.len())?;
        let mut keys = Keys::of(self.repository)?;
        let mut layer_changes = Vec::new();
        for (layer, size_bytes) in &new {
            layer_changes.push(layer_change(
                self.repository,
                self.push,
                &keys.next(),
                layer,
                *size_bytes,
                self.now_us,
            )?);
        }
        let mut layer_changes = layer_changes.into_iter();
        let mut changes: Vec<_> = layer_changes.by_ref().take(MAX_WRITES - 2).collect();
        let post = self.record_post(&membership, &layers, &mut keys)?;
        let uri = post.as_ref().map(|change| AtUri::record(self.hold, &change.collection, &change.rkey));
        changes.extend(post);
        changes.extend(self.count(!changes.is_empty())?);
        let (rows, owner) = (self.repository.transaction(), &self.push.image.owner);
        let config = self.push.config.map(|config| config.digest);
        tables::put_manifest(rows, &self.push.manifest, owner, config.as_ref())?;
        self.check_quota(&membership, &before)?;
        if !membership.captain {
            let commits = usize::from(!changes.is_empty()) + layer_changes.len().div_ceil(MAX_WRITES);
            self.pds.spend(&self.push.image.owner, added, commits as u64, self.now_us)?;
        }
        // A commit has a limit of changes: a manifest of many layers has several commits, all in this transaction.
        while !changes.is_empty() {
            self.repository.commit(Plan::of(changes))?;
            changes = layer_changes.by_ref().take(MAX_WRITES).collect();
        }
        Ok(Pushed { layers_created: new.len(), post: uri })
    }

    /// Returns the layers whose blobs are here, with their sizes in bytes. All blobs must be here, and the config; only
    /// foreign layers may be absent.
    fn layers_here(&self, membership: &Membership) -> Result<Vec<(PushedLayer, u64)>, ImagesError> {
        let mut missing = Vec::new();
        let mut here = Vec::new();
        if let Some(config) = &self.push.config {
            match self.size_of(config)? {
                Some(size_bytes) => self.growth(membership).check_config(config.digest, size_bytes)?,
                None => missing.push(config.digest),
            }
        }
        for layer in &self.push.layers {
            match self.size_of(&layer.blob)? {
                Some(size_bytes) => here.push((layer.clone(), size_bytes)),
                None if layer.is_foreign() => {}
                None => missing.push(layer.blob.digest),
            }
        }
        if missing.is_empty() {
            return Ok(here);
        }
        let count = missing.len();
        missing.truncate(NAMED_BLOBS);
        Err(ImagesError::MissingBlobs { count, first: missing })
    }

    /// Returns the size of a blob in bytes; `None` when it is not here. It must equal the size in the manifest.
    fn size_of(&self, blob: &PushedBlob) -> Result<Option<u64>, ImagesError> {
        let Some(actual) = blobs::blob_size(self.repository.transaction(), &blob.digest)? else { return Ok(None) };
        match blob.size_bytes {
            Some(said) if said != actual => Err(ImagesError::WrongSize { digest: blob.digest, said, actual }),
            _ => Ok(Some(actual)),
        }
    }

    /// Compares the usage of the account with this manifest and before. Its staged bytes do not count: they are checked
    /// when the upload completes.
    fn check_quota(&self, membership: &Membership, before: &AccountUsage) -> Result<(), ImagesError> {
        let Some(tier) = self.settings.tiers.of(membership) else { return Ok(()) };
        let now = blobs::account_usage(self.repository.transaction(), &self.push.image.owner)?;
        let added = now.blob_bytes().saturating_sub(before.blob_bytes());
        // An account over its quota may still push what adds nothing.
        if added == 0 || now.blob_bytes() <= tier.limit.bytes {
            return Ok(());
        }
        let (used, added) = (Size { bytes: before.blob_bytes() }, Size { bytes: added });
        Err(ImagesError::QuotaExceeded { used, added, limit: tier.limit })
    }

    /// Returns the limits for the account. The captain has none but that of images in a node.
    fn growth(&self, membership: &Membership) -> GrowthLimits {
        if membership.captain { GrowthLimits::default() } else { self.settings.growth }
    }

    /// Checks the limits of growth. Returns the number of records that the push adds.
    fn check_growth(&self, membership: &Membership, new_layers: usize) -> Result<u64, ImagesError> {
        let Push { image, manifest, .. } = self.push;
        let growth = self.growth(membership);
        let is_new = !tables::has_manifest(self.repository.transaction(), manifest)?;
        let added = new_layers as u64 + u64::from(is_new);
        growth.check_image(self.repository, image)?;
        growth.check_records(self.repository, &image.owner, added)?;
        Ok(added)
    }

    /// Counts the push: in the image's record when there is a commit anyway, or no record yet; else in the index, until
    /// [`Images::write_counts`].
    fn count(&self, is_committed: bool) -> Result<Option<RecordChange>, ImagesError> {
        let (rows, image) = (self.repository.transaction(), &self.push.image);
        let key = stats_key(image);
        if !is_committed && tables::has_stats(rows, &key)? {
            tables::count_push(rows, &key, self.now_us)?;
            return Ok(None);
        }
        let mut counts = stats::current(&self.repository.records(), image, self.now_us)?;
        counts.push_count = counts.push_count.saturating_add(1);
        counts.last_push = Some(Datetime::from_micros(self.now_us));
        stats::put(self.repository, &counts).map(Some)
    }

    /// Returns the post, when captain and operator enabled posts: for a new manifest with a tag.
    fn record_post(
        &self,
        membership: &Membership,
        layers: &[(PushedLayer, u64)],
        keys: &mut Keys<'_>,
    ) -> Result<Option<RecordChange>, ImagesError> {
        let Some(tag) = self.push.tag.as_ref().filter(|_| membership.posts && self.settings.posts) else {
            return Ok(None);
        };
        if tables::has_manifest(self.repository.transaction(), &self.push.manifest)? {
            return Ok(None);
        }
        let key = keys.next();
        tables::put_post(self.repository.transaction(), key.as_str(), self.push.image.owner.as_str())?;
        let post = post::post(self.push, tag, layers, Datetime::from_micros(self.now_us));
        create(nsid::POST, &key, &post).map(Some)
    }
}

/// Generates ascending record keys.
pub(super) struct Keys<'k> {
    repository: &'k Repository<'k>,
    last: Option<Tid>,
}

impl<'k> Keys<'k> {
    /// Starts above all keys of layer records and posts.
    pub(super) fn of(repository: &'k Repository<'k>) -> Result<Self, ImagesError> {
        let last = tables::newest_registry_key(repository.transaction())?.and_then(|key| Tid::parse(&key).ok());
        Ok(Self { repository, last })
    }

    pub(super) fn next(&mut self) -> Tid {
        let next = self.repository.next_key(self.last.as_ref());
        self.last = Some(next.clone());
        next
    }
}

/// Adds a layer to the index. Returns the change that creates its record.
pub(super) fn layer_change(
    repository: &Repository<'_>,
    push: &Push,
    key: &Tid,
    layer: &PushedLayer,
    size_bytes: u64,
    now_us: u64,
) -> Result<RecordChange, ImagesError> {
    let owner = &push.image.owner;
    let row = LayerRow {
        rkey: key.as_str(),
        account: owner.as_str(),
        digest: &layer.blob.digest,
        size_bytes,
        manifest: push.manifest.as_str(),
    };
    tables::put_layer(repository.transaction(), &row)?;
    let record = Layer {
        digest: layer.blob.digest,
        size: size_bytes,
        media_type: layer.media_type.clone(),
        manifest: push.manifest.clone(),
        user_did: owner.clone(),
        created_at: Datetime::from_micros(now_us),
    };
    create(nsid::LAYER, key, &record)
}

fn create(collection: Collection, key: &Tid, record: &impl serde::Serialize) -> Result<RecordChange, ImagesError> {
    let invalid = |error: atproto::syntax::SyntaxError| ImagesError::Invalid(error.to_string());
    Ok(RecordChange {
        collection: collection.into(),
        rkey: RecordKey::parse(key.as_str()).map_err(invalid)?,
        write: RecordWrite::Create(encode(collection, record)?),
        swap: Swap::Any,
    })
}
