//! A storage of blobs, and its listings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;

use super::blocking;
use crate::blobs::{BLOBS, STAGING, blob_digest, blob_folder};
use crate::objects::{Bucket, BucketSettings, Listed, Location, Objects, Staging};
use atproto::syntax::Digest;
use server::storage::StorageError;

/// The result of listing all keys once.
pub(super) struct Survey {
    /// The bytes of all blobs.
    pub(super) size_bytes: u64,
    begins_with: [bool; 256],
}

impl Survey {
    /// Whether there was a blob whose digest begins with the byte `first`; without one its folder need not be listed.
    pub(super) fn has(&self, first: u8) -> bool {
        self.begins_with[usize::from(first)]
    }
}

/// An open storage; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) objects: Objects,
    /// The staging area of a directory; `None` for a bucket.
    pub(super) staging: Option<Staging>,
    /// The directory or bucket, for comparison and for display.
    pub(super) name: Arc<str>,
}

impl Store {
    /// Opens a storage. Sends no request to a bucket.
    ///
    /// # Errors
    /// When the directory cannot be used, or the settings of a bucket do not fit together.
    pub async fn open(place: &Location) -> Result<Self, StorageError> {
        match place {
            Location::Directory(root) => {
                let root = root.clone();
                blocking(move || Self::in_directory(&root)).await
            }
            Location::Bucket(settings) => Ok(Self::in_bucket(Bucket::open(settings)?, settings)),
        }
    }

    fn in_directory(root: &Path) -> Result<Self, StorageError> {
        let root = root.canonicalize()?;
        Ok(Self {
            objects: Objects::open(&root)?,
            staging: Some(Staging::open(&root, STAGING)?),
            name: root.display().to_string().into(),
        })
    }

    /// Makes a storage of an open bucket with these settings.
    #[must_use]
    pub fn in_bucket(bucket: Bucket, settings: &BucketSettings) -> Self {
        Self { objects: Objects::in_bucket(bucket), staging: None, name: settings.name().into() }
    }

    /// Makes a storage of other objects, for tests.
    #[must_use]
    pub fn of_objects(objects: Objects) -> Self {
        Self { objects, staging: None, name: "memory".into() }
    }

    /// Lists all keys in the folder of blobs once. `foreign` is called with objects that are not blobs.
    pub(super) async fn survey(&self, mut foreign: impl FnMut(Listed) + Send) -> Result<Survey, StorageError> {
        let mut survey = Survey { size_bytes: 0, begins_with: [false; 256] };
        let mut listing = self.objects.list(BLOBS);
        while let Some(object) = listing.try_next().await? {
            match blob_digest(&object.key) {
                Some(digest) => {
                    survey.size_bytes += object.size_bytes;
                    survey.begins_with[usize::from(digest.as_bytes()[0])] = true;
                }
                None => foreign(object),
            }
        }
        Ok(survey)
    }

    /// Returns the blobs whose digest begins with the byte `first`. Other keys are left out.
    pub(super) async fn blobs_of(&self, first: u8) -> Result<BTreeMap<Digest, Listed>, StorageError> {
        let listing = self.objects.list(&blob_folder(first));
        let blobs = listing.try_filter_map(async |object| Ok(blob_digest(&object.key).map(|digest| (digest, object))));
        blobs.try_collect().await
    }
}
