//! The index of the blobs that manifests need, and of the usage of accounts. The rules are in the room `images`.

use rusqlite::params;

use atproto::syntax::{AtUri, Did, Digest};
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// A layer record in the index. DID and URI are text: imported records are indexed too, and may have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRow<'a> {
    /// The record's key.
    pub rkey: &'a str,
    /// DID of the account that pushed it.
    pub account: &'a str,
    /// Its digest.
    pub digest: &'a Digest,
    /// Its size in bytes, from the record.
    pub size_bytes: u64,
    /// URI of the manifest that it belongs to.
    pub manifest: &'a str,
}

/// A manifest's URI, the account that pushed it, and its config.
pub type ManifestRow = (AtUri, Did, Option<Digest>);

/// Whether a layer record or the config of a manifest names this blob, so that it must be kept.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn is_referenced(read: &Read<'_>, digest: &Digest) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM layer WHERE digest = ?1 UNION ALL SELECT 1 FROM manifest WHERE config = ?1 LIMIT 1";
    Ok(read.first(sql, [digest.as_bytes()], |_| Ok(()))?.is_some())
}

/// Returns the number of manifests that have layers here but came with an imported repository: their configs, which no
/// record names, must be kept but are not known. Zero once each was pushed again.
///
/// # Errors
/// [`StorageError`].
pub fn manifests_without_config(read: &Read<'_>) -> Result<u64, StorageError> {
    // Skips from one manifest to the next by the index.
    let sql = "WITH RECURSIVE name(value) AS (
                   SELECT min(manifest) FROM layer
                   UNION ALL
                   SELECT (SELECT min(manifest) FROM layer WHERE manifest > value) FROM name WHERE value IS NOT NULL
               ) SELECT count(*) FROM name
                 WHERE value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM manifest WHERE uri = value)";
    Ok(read.first(sql, [], |row| row.number(0))?.unwrap_or(0))
}

/// Returns the number of an account's layer records and manifests, which triggers maintain.
///
/// # Errors
/// [`StorageError`].
pub fn account_records(read: &Read<'_>, account: &Did) -> Result<u64, StorageError> {
    let one = |sql| read.first(sql, [account.as_str()], |row| row.number(0));
    let layers = one("SELECT records FROM layer_total WHERE account = ?1")?;
    let manifests = one("SELECT manifests FROM manifest_total WHERE account = ?1")?;
    Ok(layers.unwrap_or(0) + manifests.unwrap_or(0))
}

/// Whether the manifest has a layer record of this digest.
///
/// # Errors
/// [`StorageError`].
pub fn is_layer_of(read: &Read<'_>, manifest: &AtUri, digest: &Digest) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM layer WHERE manifest = ?1 AND digest = ?2 LIMIT 1";
    Ok(read.first(sql, params![manifest.as_str(), digest.as_bytes()], |_| Ok(()))?.is_some())
}

/// Whether the manifest was recorded here.
///
/// # Errors
/// [`StorageError`].
pub fn has_manifest(read: &Read<'_>, uri: &AtUri) -> Result<bool, StorageError> {
    Ok(read.first("SELECT 1 FROM manifest WHERE uri = ?1", [uri.as_str()], |_| Ok(()))?.is_some())
}

/// Returns at most `limit` recorded manifests after the URI `after`, in the order of their URIs.
///
/// # Errors
/// [`StorageError`].
pub fn manifests_after(read: &Read<'_>, after: &str, limit: usize) -> Result<Vec<ManifestRow>, StorageError> {
    let sql = "SELECT uri, account, config FROM manifest WHERE uri > ?1 ORDER BY uri LIMIT ?2";
    read.all(sql, params![after, row_limit(limit)], |row| {
        let config = row.get::<_, Option<[u8; 32]>>(2)?.map(Digest::from_bytes);
        Ok((row.parse(0, AtUri::parse)?, row.parse(1, Did::parse)?, config))
    })
}

/// Returns all accounts with a layer record or a manifest. DIDs of imported records that are not valid are left out.
///
/// # Errors
/// [`StorageError`].
pub fn pushing_accounts(read: &Read<'_>) -> Result<Vec<Did>, StorageError> {
    // Skips from one account to the next by the indexes.
    let sql = "WITH RECURSIVE name(value) AS (
                   SELECT min(account) FROM layer
                   UNION ALL
                   SELECT (SELECT min(account) FROM layer WHERE account > value) FROM name WHERE value IS NOT NULL
               ) SELECT value FROM name WHERE value IS NOT NULL";
    let mut names: Vec<String> = read.all(sql, [], |row| row.get(0))?;
    let sql = "WITH RECURSIVE name(value) AS (
                   SELECT min(account) FROM manifest
                   UNION ALL
                   SELECT (SELECT min(account) FROM manifest WHERE account > value) FROM name WHERE value IS NOT NULL
               ) SELECT value FROM name WHERE value IS NOT NULL";
    names.extend(read.all::<String>(sql, [], |row| row.get(0))?);
    Ok(names.iter().filter_map(|name| Did::parse(name).ok()).collect())
}

/// Returns the keys of at most `limit` layer records of an account.
///
/// # Errors
/// [`StorageError`].
pub fn layers_of(read: &Read<'_>, account: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM layer WHERE account = ?1 LIMIT ?2";
    read.all(sql, params![account.as_str(), row_limit(limit)], |row| row.get(0))
}

/// A cursor in an account's layer records. The default is before all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerPlace {
    digest: Vec<u8>,
    size_bytes: i64,
    /// The record's key.
    pub rkey: String,
}

/// Returns at most `limit` of the account's layer records after a cursor, in the order of the index.
///
/// # Errors
/// [`StorageError`].
pub fn layers_after(
    read: &Read<'_>,
    account: &Did,
    after: &LayerPlace,
    limit: usize,
) -> Result<Vec<LayerPlace>, StorageError> {
    let sql = "SELECT digest, size_bytes, rkey FROM layer
               WHERE account = ?1 AND (digest, size_bytes, rkey) > (?2, ?3, ?4)
               ORDER BY digest, size_bytes, rkey LIMIT ?5";
    let params = params![account.as_str(), after.digest, after.size_bytes, after.rkey, row_limit(limit)];
    read.all(sql, params, |row| Ok(LayerPlace { digest: row.get(0)?, size_bytes: row.get(1)?, rkey: row.get(2)? }))
}

/// Adds a layer record to the index.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn put_layer(write: &Write<'_>, layer: &LayerRow<'_>) -> Result<(), StorageError> {
    let sql = "INSERT INTO layer (rkey, account, digest, size_bytes, manifest) VALUES (?1, ?2, ?3, ?4, ?5)";
    let LayerRow { rkey, account, digest, size_bytes, manifest } = *layer;
    write.execute(sql, params![rkey, account, digest.as_bytes(), size_bytes.cast_signed(), manifest]).map(drop)
}

/// Removes a layer record from the index.
///
/// # Errors
/// [`StorageError`].
pub fn delete_layer(write: &Write<'_>, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM layer WHERE rkey = ?1", [rkey]).map(drop)
}

/// Records a pushed manifest, with its config.
///
/// # Errors
/// [`StorageError`].
pub fn put_manifest(
    write: &Write<'_>,
    uri: &AtUri,
    account: &Did,
    config: Option<&Digest>,
) -> Result<(), StorageError> {
    let sql = "INSERT INTO manifest (uri, account, config) VALUES (?1, ?2, ?3)
               ON CONFLICT (uri) DO UPDATE SET account = ?2, config = ?3";
    write.execute(sql, params![uri.as_str(), account.as_str(), config.map(Digest::as_bytes)]).map(drop)
}

/// Deletes the manifests of an account. Returns their number.
///
/// # Errors
/// [`StorageError`].
pub fn delete_manifests(write: &Write<'_>, account: &Did) -> Result<usize, StorageError> {
    write.execute("DELETE FROM manifest WHERE account = ?1", [account.as_str()])
}

/// Deletes the whole index; the records stay.
///
/// # Errors
/// [`StorageError`].
pub fn clear_registry(write: &Write<'_>) -> Result<(), StorageError> {
    write.execute("DELETE FROM layer", [])?;
    write.execute("DELETE FROM manifest", [])?;
    write.execute("DELETE FROM stats", [])?;
    write.execute("DELETE FROM post", []).map(drop)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::blobs::account_usage;

    /// Returns number and size of the distinct layers of an account, which triggers maintain.
    fn maintained(read: &Read<'_>, account: &Did) -> Result<(u64, u64), StorageError> {
        account_usage(read, account).map(|usage| (usage.layers, usage.layer_bytes))
    }

    /// Returns the same as computed from the rows. Where records differ in the size of a digest, the largest counts.
    fn counted(read: &Read<'_>, account: &Did) -> Result<(u64, u64), StorageError> {
        let sql = "SELECT count(*), coalesce(sum(size), 0) FROM
                   (SELECT max(size_bytes) AS size FROM layer WHERE account = ?1 GROUP BY digest)";
        let counted = read.first(sql, [account.as_str()], |row| Ok((row.number(0)?, row.number(1)?)));
        Ok(counted?.unwrap_or_default())
    }

    #[tokio::test]
    async fn totals_are_what_the_rows_come_to_after_every_change() {
        let directory = TempDir::new().unwrap();
        let database = crate::schema::open(&directory.path().join("hold.db")).unwrap();
        let job = |write: &Write<'_>| {
            let accounts = ["did:plc:a", "did:plc:b"].map(|text| Did::parse(text).unwrap());
            let digests = [1, 2, 3].map(|byte| Digest::from_bytes([byte; 32]));
            let check = || {
                for account in &accounts {
                    assert_eq!(maintained(write, account)?, counted(write, account)?);
                    let sql = "SELECT count(*) FROM layer WHERE account = ?1";
                    let rows = write.first(sql, [account.as_str()], |row| row.number(0))?;
                    assert_eq!(account_records(write, account)?, rows.unwrap());
                }
                Ok::<_, StorageError>(())
            };
            let mut keys = Vec::new();
            for round in 0..40_u64 {
                let number = usize::try_from(round * 7 + round / 3).unwrap();
                let rkey = format!("key{round}");
                let (account, digest) = (&accounts[number % 2], &digests[number / 2 % 3]);
                let size_bytes = round * 31 % 17;
                let row = LayerRow { rkey: &rkey, account: account.as_str(), digest, size_bytes, manifest: "m" };
                put_layer(write, &row)?;
                keys.push(rkey);
                check()?;
                if round % 3 == 2 {
                    delete_layer(write, &keys.remove(number % keys.len()))?;
                    check()?;
                }
            }
            while let Some(key) = keys.pop() {
                delete_layer(write, &key)?;
                check()?;
            }
            assert_eq!(maintained(write, &accounts[0])?, (0, 0));
            Ok::<_, StorageError>(())
        };
        database.write(job).await.unwrap();
    }
}
