//! Staged bytes in the storage directory that no upload owns.

use std::collections::HashSet;

use super::{Files, MAIN};
use crate::blobs::names::UploadId;
use crate::blobs::tables;
use crate::blobs::tables::PartPlace;
use crate::blobs::{BlobError, blocking};
use crate::objects::MIGRATION_FOLDER;
use server::storage::StorageError;

impl Files {
    /// Removes all staged bytes without a row. For the start, while nothing is in flight.
    pub(in crate::blobs) async fn drop_orphans(&self) -> Result<(), StorageError> {
        self.drop_orphan_folders().await.map_err(into_storage)?;
        for folder in self.folders().await.map_err(into_storage)? {
            self.drop_orphan_files(&folder).await.map_err(into_storage)?;
        }
        Ok(())
    }

    /// Removes the folders of migrations that have ended; returns how many.
    pub(in crate::blobs) async fn drop_left_migrations(&self, now_us: u64) -> Result<usize, BlobError> {
        let staging = self.staging.clone();
        blocking(move || Ok(staging.drop_left_migrations(now_us)?)).await
    }

    /// Removes folders without an open upload, but those of migrations; returns how many. An upload's row is written before
    /// its folder is made.
    pub(in crate::blobs) async fn drop_orphan_folders(&self) -> Result<usize, BlobError> {
        let mut dropped = 0;
        for folder in self.folders().await?.into_iter().filter(|name| !name.starts_with(MIGRATION_FOLDER)) {
            let open = match UploadId::parse(&folder) {
                Ok(id) => self.sessions.account(&id).await,
                Err(error) => Err(error),
            };
            match open {
                Ok(_) => {}
                Err(BlobError::UnknownUpload) => {
                    self.remove_staged(folder).await;
                    dropped += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    async fn drop_orphan_files(&self, folder: &str) -> Result<(), BlobError> {
        let Ok(id) = UploadId::parse(folder) else { return Ok(()) };
        let key = *id.key();
        let parts = self.sessions.db.read(move |read| tables::parts(read, &key)).await?;
        let claimed = parts.into_iter().filter_map(|part| match part.place {
            PartPlace::OwnFile { name } => Some(name),
            PartPlace::Appended { .. } => None,
        });
        let claimed = claimed.chain([MAIN.to_owned()]).collect::<HashSet<_>>();
        let staging = self.staging.clone();
        let folder = folder.to_owned();
        blocking(move || {
            for name in staging.names(Some(&folder))?.iter().filter(|name| !claimed.contains(*name)) {
                staging.remove(&format!("{folder}/{name}"))?;
            }
            Ok(())
        })
        .await
    }

    async fn folders(&self) -> Result<Vec<String>, BlobError> {
        let staging = self.staging.clone();
        blocking(move || Ok(staging.names(None)?)).await
    }
}

fn into_storage(error: BlobError) -> StorageError {
    match error {
        BlobError::NoSpace(error) | BlobError::Unavailable(error) | BlobError::Storage(error) => error,
        other => StorageError::Failed(other.into()),
    }
}
