//! The blob store: objects under keys, and staged bytes that become objects.
//!
//! A key is a relative path of plain segments, `/` between them. What the keys mean is not known here.
//! [`Objects`] finds and reads objects; [`Staging`] takes bytes in, and publishes a staged file as an object in
//! such an order that an object which can be seen is whole and survives a power cut.
//! Only the file system is behind them; `tests/suite/object_contract.rs` says what any other store must keep.

mod object;
mod staging;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::{GetResultPayload, ObjectStoreExt as _};

use super::StorageError;

pub use object::Object;
pub use staging::{StagedFile, Staging, SyncError};

/// The objects under a directory; cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<LocalFileSystem>,
}

impl Objects {
    /// Serves the objects under `root`, a directory that exists.
    ///
    /// # Errors
    /// When `root` is not there.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        let store = LocalFileSystem::new_with_prefix(root).map_err(storage_error)?;
        Ok(Self { store: Arc::new(store) })
    }

    /// The size of an object in bytes, `None` when there is none under `key`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, StorageError> {
        match self.store.head(&key.into()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(storage_error(error)),
        }
    }

    /// Opens an object for reading, `None` when there is none under `key`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        let found = match self.store.get(&key.into()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(storage_error(error)),
        };
        match found.payload {
            GetResultPayload::File(file, _) => Ok(Some(Object::new(file, found.meta.size))),
            GetResultPayload::Stream(_) => Err(StorageError::failed("a local object is not a file")),
        }
    }
}

/// The system's reason, where there is one. What the library says around it names a path, which no log may have.
fn storage_error(error: object_store::Error) -> StorageError {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(io.kind(), io.to_string()).into();
        }
        source = inner.source();
    }
    StorageError::Failed(error.into())
}
