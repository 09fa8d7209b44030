//! The one row about the blobs' storage: the id of its marker, and the target of a migration.

use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Returns the id in the storage's marker; `None` before the storage was marked.
///
/// # Errors
/// When the database fails.
pub fn storage_id(read: &Read<'_>) -> Result<Option<String>, StorageError> {
    Ok(read.first("SELECT id FROM storage WHERE one = 1", [], |row| row.get(0))?.flatten())
}

/// Returns the name of the storage that a migration copied every blob to.
///
/// # Errors
/// When the database fails.
pub fn storage_migrated_to(read: &Read<'_>) -> Result<Option<String>, StorageError> {
    Ok(read.first("SELECT migrated_to FROM storage WHERE one = 1", [], |row| row.get(0))?.flatten())
}

/// Records the id in the storage's marker, and clears the target of a migration.
///
/// # Errors
/// When the database fails.
pub fn put_storage_id(write: &Write<'_>, id: &str) -> Result<(), StorageError> {
    let sql =
        "INSERT INTO storage (one, id) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET id = ?1, migrated_to = NULL";
    write.execute(sql, [id]).map(drop)
}

/// Records the name of the storage that a migration copied every blob to.
///
/// # Errors
/// When the database fails.
pub fn put_storage_migrated_to(write: &Write<'_>, name: &str) -> Result<(), StorageError> {
    let sql = "INSERT INTO storage (one, migrated_to) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET migrated_to = ?1";
    write.execute(sql, [name]).map(drop)
}
