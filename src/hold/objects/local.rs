//! Objects on a file system, or in memory, by object_store's own implementations.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

use super::{Listed, Object, ObjectInfo};
use server::storage::{StorageError, give_to_owner_of};

/// Objects in memory, for tests; gone when the process ends.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<InMemory>);

impl Memory {
    /// Stores an object under a key, in place of an earlier one.
    ///
    /// # Errors
    /// When the key is not a path.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        self.local().put(key, bytes.into()).await
    }

    pub(super) fn local(&self) -> Local {
        Local { store: Arc::<InMemory>::clone(&self.0), root: None }
    }
}

#[derive(Clone)]
pub(super) struct Local {
    store: Arc<dyn ObjectStore>,
    /// The directory; `None` for objects in memory.
    root: Option<Arc<Path>>,
}

impl Local {
    pub(super) fn open(root: &Path) -> Result<Self, StorageError> {
        let store = LocalFileSystem::new_with_prefix(root).map_err(storage_error)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), root: Some(root.into()) })
    }

    /// Opens an object that can be found without waiting for a disk: the kernel has all directories of its path in
    /// memory. So no thread of the blocking pool is needed. `None` does not tell whether the object exists.
    fn open_cached(&self, key: &str) -> Option<Object> {
        let path = self.root.as_ref()?.join(key);
        // A pipe in place of a file would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
        let found = rustix::fs::fstat(&file).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode).is_file();
        is_file.then(|| Object::in_file(File::from(file), found.st_size.cast_unsigned()))
    }

    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>, StorageError> {
        match self.open_cached(key) {
            Some(object) => Ok(Some(object.size_bytes())),
            None => Ok(self.stat(key).await?.map(|info| info.size_bytes)),
        }
    }

    pub(super) async fn stat(&self, key: &str) -> Result<Option<ObjectInfo>, StorageError> {
        let found = found(self.store.head(&key.into()).await)?;
        let info = |meta: ObjectMeta| ObjectInfo { size_bytes: meta.size, etag: meta.e_tag.unwrap_or_default() };
        Ok(found.map(info))
    }

    pub(super) async fn open_object(&self, key: &str) -> Result<Option<Object>, StorageError> {
        if let Some(object) = self.open_cached(key) {
            return Ok(Some(object));
        }
        let Some(found) = found(self.store.get(&key.into()).await)? else { return Ok(None) };
        let size_bytes = found.meta.size;
        Ok(Some(match found.payload {
            GetResultPayload::File(file, _) => Object::in_file(file, size_bytes),
            GetResultPayload::Stream(_) => Object::in_memory(found.bytes().await.map_err(storage_error)?),
        }))
    }

    pub(super) fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        let listed = |meta: ObjectMeta| Listed {
            key: meta.location.into(),
            size_bytes: meta.size,
            etag: meta.e_tag.unwrap_or_default(),
            modified_us: u64::try_from(meta.last_modified.timestamp_micros()).unwrap_or_default(),
        };
        let listing = self.store.list(Some(&folder.into()));
        listing.map(move |meta| meta.map(listed).map_err(storage_error)).boxed()
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.store.put(&key.into(), bytes.into()).await.map_err(storage_error)?;
        self.give(key)
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<bool, StorageError> {
        let is_renamed = found(self.store.rename(&from.into(), &to.into()).await)?.is_some();
        if is_renamed {
            self.give(to)?;
        }
        Ok(is_renamed)
    }

    /// Gives an object that root made to the owner of the directory.
    fn give(&self, key: &str) -> Result<(), StorageError> {
        self.root.as_ref().map_or(Ok(()), |root| Ok(give_to_owner_of(root, &root.join(key))?))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        found(self.store.delete(&key.into()).await).map(drop)
    }
}

fn found<T>(outcome: object_store::Result<T>) -> Result<Option<T>, StorageError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        // The key is below the key of an object.
        Err(error) if io_kind(&error) == Some(ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(storage_error(error)),
    }
}

/// Converts an error to the system's reason, if it has one. The library's text around it has a path, which must not be
/// logged.
fn storage_error(error: object_store::Error) -> StorageError {
    match io_error(&error) {
        Some(io) => io::Error::new(io.kind(), io.to_string()).into(),
        None => StorageError::Failed(error.into()),
    }
}

fn io_kind(error: &object_store::Error) -> Option<ErrorKind> {
    io_error(error).map(io::Error::kind)
}

fn io_error(error: &object_store::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}
