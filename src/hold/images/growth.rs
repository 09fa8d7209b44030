//! Limits of the growth of one account: images, records, and images side by side in the repository's tree.

use super::{Image, Images, ImagesError, stats_key};
use crate::images::tables;
use crate::pds::{GrowthBound, Repository};
use atproto::lexicon::nsid;
use atproto::syntax::{Did, Digest, Size};

/// Limit of images of one account in one node of the tree. Names that were not chosen for it reach this once in 10^16
/// times.
const IMAGES_IN_NODE: usize = 128;

/// Limits of the records of one account; 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrowthLimits {
    /// Number of images.
    pub images: u64,
    /// Number of layer records and manifests together.
    pub records: u64,
    /// Size of a config in bytes.
    pub config_bytes: u64,
}

impl GrowthLimits {
    /// Refuses a new image of an account that has reached the limit of images, or of images in one node of the tree:
    /// each commit beside that node, also one of another account, writes and publishes the node again.
    pub(super) fn check_image(self, repository: &Repository<'_>, image: &Image) -> Result<(), ImagesError> {
        let (rows, key) = (repository.transaction(), stats_key(image));
        if tables::has_stats(rows, &key)? {
            return Ok(());
        }
        if self.images > 0 && tables::count_stats_of(rows, &image.owner, self.images)? >= self.images {
            return Err(ImagesError::TooManyImages { limit: self.images });
        }
        let beside = repository.records().keys_beside(&nsid::STATS, &key)?;
        if beside.len() < IMAGES_IN_NODE {
            return Ok(());
        }
        let mut own = 0;
        for key in beside.iter().filter_map(|key| key.strip_prefix(nsid::STATS.as_str())?.strip_prefix('/')) {
            own += usize::from(tables::is_stats_of(rows, key, &image.owner)?);
        }
        if own < IMAGES_IN_NODE { Ok(()) } else { Err(ImagesError::ImagesInNode { limit: IMAGES_IN_NODE }) }
    }

    /// Refuses a config that is too large: a client that pulls reads it into memory.
    pub(super) fn check_config(self, digest: Digest, size_bytes: u64) -> Result<(), ImagesError> {
        if self.config_bytes == 0 || size_bytes <= self.config_bytes {
            return Ok(());
        }
        let (size, limit) = (Size { bytes: size_bytes }, Size { bytes: self.config_bytes });
        Err(ImagesError::ConfigTooLarge { digest, size, limit })
    }

    /// Refuses to add `added` records if the account would exceed its limit.
    pub(super) fn check_records(
        self,
        repository: &Repository<'_>,
        account: &Did,
        added: u64,
    ) -> Result<(), ImagesError> {
        if self.records == 0 || added == 0 {
            return Ok(());
        }
        let has = tables::account_records(repository.transaction(), account)?;
        if has.saturating_add(added) <= self.records {
            return Ok(());
        }
        Err(ImagesError::TooManyRecords { has, added, limit: self.records })
    }
}

impl Images {
    /// Counts a refusal by a limit of growth.
    pub(super) fn count_refused_growth<T>(&self, outcome: &Result<T, ImagesError>) {
        if let Some(bound) = outcome.as_ref().err().and_then(ImagesError::bound) {
            self.inner.pds.count_refused_growth(bound);
        }
    }
}

impl ImagesError {
    /// Returns the limit of growth that caused the error.
    pub(super) fn bound(&self) -> Option<GrowthBound> {
        match self {
            Self::TooManyImages { .. } => Some(GrowthBound::Images),
            Self::ImagesInNode { .. } => Some(GrowthBound::ImagesInNode),
            Self::TooManyRecords { .. } => Some(GrowthBound::Records),
            Self::Pds(error) => error.bound(),
            _ => None,
        }
    }
}
