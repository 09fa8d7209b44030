//! The index of the records about images: built when it is absent, and when an import replaces the records.

use crate::images::tables;
use crate::images::tables::LayerRow;
use crate::pds::{PageQuery, Pds, PdsError, Record, Repository};
use atproto::lexicon::{
    FacetFeature, Post, Stats,
    nsid::{self, Collection},
};
use atproto::syntax::Digest;

use super::{Image, stats_key};

/// Name of the value in `meta` with the version of the index.
const META_NAME: &str = "registry_index";
/// Version of the index; raise it when the index must be built again.
const FORM: &str = "1";
/// Records read in one page.
const PAGE: u32 = 500;

/// Builds the index, unless it exists in this version.
pub(super) async fn make(pds: &Pds, now_us: u64) -> Result<(), PdsError> {
    if pds.read(|records| records.meta(META_NAME)).await?.as_deref() == Some(FORM) {
        return Ok(());
    }
    pds.transact(now_us, rebuild).await
}

/// Rebuilds the index from the records. The configs of manifests are in no record, so they are lost.
///
/// # Errors
/// A storage error.
pub fn rebuild(repository: &Repository<'_>) -> Result<(), PdsError> {
    let rows = repository.transaction();
    tables::clear_registry(rows)?;
    let mut left_out = 0;
    let mut each = |collection: Collection, put: &dyn Fn(Record) -> Result<bool, PdsError>| {
        let mut cursor = None;
        loop {
            let query = PageQuery { collection: collection.to_string(), cursor, limit: PAGE, ascending: true };
            let page = repository.records().page(&query)?;
            for record in page.records {
                left_out += u64::from(!put(record)?);
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok::<_, PdsError>(());
            }
        }
    };
    each(nsid::LAYER, &|record| {
        let text = |field: &str| record.value.get(field).and_then(|value| value.as_str());
        let (Some(digest), Some(account), Some(manifest)) = (text("digest"), text("userDid"), text("manifest")) else {
            return Ok(false);
        };
        let Ok(digest) = Digest::parse(digest) else { return Ok(false) };
        let size_bytes = record.value.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0);
        tables::put_layer(
            rows,
            &LayerRow { rkey: record.rkey.as_str(), account, digest: &digest, size_bytes, manifest },
        )?;
        Ok(true)
    })?;
    each(nsid::STATS, &|record| {
        let Ok(Stats { owner_did, repository, .. }) = serde_json::from_value(record.value) else { return Ok(false) };
        let image = Image { owner: owner_did, name: repository };
        let is_its_own = stats_key(&image) == record.rkey.as_str();
        if is_its_own {
            tables::put_stats(rows, record.rkey.as_str(), image.owner.as_str(), image.name.as_str())?;
        }
        Ok(is_its_own)
    })?;
    each(nsid::POST, &|record| {
        let Ok(Post { facets, .. }) = serde_json::from_value(record.value) else { return Ok(false) };
        let mut features = facets.into_iter().flat_map(|facet| facet.features);
        let account = features.find_map(|FacetFeature { did, .. }| did);
        if let Some(account) = &account {
            tables::put_post(rows, record.rkey.as_str(), account.as_str())?;
        }
        Ok(account.is_some())
    })?;
    if left_out > 0 {
        tracing::warn!(records = left_out, "records about images that say nothing of this hold's blobs are left out");
    }
    repository.put_meta(META_NAME, FORM)
}
