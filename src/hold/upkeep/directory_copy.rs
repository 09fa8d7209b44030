//! Copies a blob to a directory: the file is written, hashed and synced, and only then renamed to its key.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::finding::Problem;
use super::reading::{digest as digest_of, of_target};
use super::target::{Copied, Target};
use super::{UpkeepError, blocking};
use crate::blobs::blob_key;
use crate::objects::{MIGRATION_FOLDER, Object, StagedFile, Staging};
use atproto::syntax::Digest;
use server::storage::{Need, Reservation, StorageError};

/// Bytes that stay free: the database may be on the same file system.
const RESERVE_BYTES: u64 = 64 << 20;

pub(super) async fn copy(
    object: Object,
    digest: &Digest,
    target: &Target,
    staging: &Staging,
) -> Result<Copied, UpkeepError> {
    let folder = format!("{MIGRATION_FOLDER}{}", target.run);
    let name = format!("{folder}/{}", digest.hex());
    let size_bytes = object.size_bytes();
    let (in_staging, staged) = (staging.clone(), name.clone());
    let file = blocking(move || {
        // Four files: the folder, the file, and the folders of the blob's key.
        let promised = in_staging.reserve(Need { bytes: size_bytes, files: 4 }, RESERVE_BYTES)?;
        in_staging.make_folder(&folder)?;
        let file = in_staging.open_file(&staged)?;
        // An earlier pass may have ended here, and left some bytes.
        file.set_length(0)?;
        Ok((Arc::new(file), promised))
    });
    let (file, mut promised) = file.await.map_err(of_target)?;
    let key = blob_key(digest);
    let (in_staging, to) = (staging.clone(), key.clone());
    let problem = match fill(object, &file, &mut promised).await? {
        Ok(actual) if actual == *digest => None,
        Ok(_) => Some(Problem::WrongContent),
        Err(reason) => Some(Problem::Unreadable(reason)),
    };
    if let Some(problem) = problem {
        blocking(move || in_staging.remove(&name)).await.map_err(of_target)?;
        return Ok(Copied::Wrong(problem));
    }
    let published = blocking(move || {
        file.sync()?;
        in_staging.publish(&name, &to)?;
        Ok(in_staging.sync_key(&to)?)
    });
    published.await.map_err(of_target)?;
    let info = target.store.objects.stat(&key).await.map_err(of_target)?;
    let info = info.ok_or_else(|| of_target(StorageError::failed("a blob was removed while it was copied")))?;
    Ok(Copied::Done { etag: info.etag })
}

/// Writes the object's bytes to the file. Returns their digest, or the system's message when the object cannot be read.
async fn fill(
    object: Object,
    file: &Arc<StagedFile>,
    promised: &mut Reservation,
) -> Result<Result<Digest, String>, UpkeepError> {
    let size_bytes = object.size_bytes();
    let mut stream = object.stream(0..size_bytes);
    let mut hash = Sha256::new();
    let mut offset = 0;
    loop {
        let bytes = match stream.try_next().await.map_err(StorageError::from) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Ok(digest_of(hash))),
            Err(error @ (StorageError::Unavailable(_) | StorageError::Refused(_))) => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        };
        hash.update(&bytes);
        let (file, length) = (Arc::clone(file), bytes.len() as u64);
        blocking(move || file.write_at(&bytes, offset)).await.map_err(of_target)?;
        offset += length;
        promised.written(length);
    }
}
