//! The SQL of tags, manifests and pages, and of the repositories made of them.

use super::{Taking, accounts, holds};
use crate::index::{Change, RecordOf};
use atproto::syntax::{Did, Digest, ImageName};
use server::sqlite::Write;
use server::storage::StorageError;

/// Number of a repository's tags in the full-text index, the newest.
const MAX_WORD_TAGS: i64 = 64;
/// Maximum number of tags that are counted.
const MAX_COUNTED_TAGS: i64 = 1000;

/// Applies the write of a tag, a manifest or a page.
pub(super) fn put(taking: &mut Taking<'_, '_>, change: &Change) -> Result<(), StorageError> {
    match &change.of {
        RecordOf::Tag { key, name, written_us, .. } => {
            remove_tag(taking, &change.account, key)?;
            let Some((account, repository)) = place(taking, &change.account, name, *written_us)? else { return Ok(()) };
            put_tag(taking, &change.of, (account, repository))
        }
        RecordOf::Manifest { digest, name, created_us, .. } => {
            remove_manifest(taking, &change.account, digest)?;
            let Some((account, repository)) = place(taking, &change.account, name, *created_us)? else { return Ok(()) };
            put_manifest(taking, &change.of, (account, repository))
        }
        RecordOf::Page { name, text } => {
            // An empty page adds no account.
            if text.is_empty() && accounts::known(taking.write, &change.account)?.is_none() {
                return Ok(());
            }
            let Some((_, repository)) = place(taking, &change.account, name, 0)? else { return Ok(()) };
            taking.touched.insert(repository);
            let sql = "UPDATE index_repository SET page = ?2 WHERE id = ?1";
            taking.write.execute(sql, (repository, text.as_str())).map(drop)
        }
        _ => Ok(()),
    }
}

fn put_tag(taking: &mut Taking<'_, '_>, of: &RecordOf, at: (i64, i64)) -> Result<(), StorageError> {
    let RecordOf::Tag { key, tag, digest, written_us, .. } = of else { return Ok(()) };
    let (account, repository) = at;
    taking.touched.insert(repository);
    let sql = "INSERT INTO index_tag (account, key, repository, tag, digest, written_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let digest = digest.as_bytes();
    let row = (account, key.as_str(), repository, tag.as_str(), digest.as_slice(), written_us.cast_signed());
    taking.write.execute(sql, row)?;
    accounts::count(taking.write, account, 1)
}

fn put_manifest(taking: &mut Taking<'_, '_>, of: &RecordOf, at: (i64, i64)) -> Result<(), StorageError> {
    let RecordOf::Manifest { digest, hold, description, platforms, size_bytes, created_us, .. } = of else {
        return Ok(());
    };
    let (account, repository) = at;
    taking.touched.insert(repository);
    let sql = "INSERT INTO index_manifest
               (account, digest, repository, hold, description, platforms, size_bytes, created_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let hold = hold.as_ref().map_or("", Did::as_str);
    let (size, created) = (size_bytes.cast_signed(), created_us.cast_signed());
    let digest = digest.as_bytes();
    let row = (account, digest.as_slice(), repository, hold, description.as_str(), platforms.as_str(), size, created);
    taking.write.execute(sql, row)?;
    accounts::count(taking.write, account, 1)?;
    // Another repository's tag may name this manifest, and may have come first.
    let sql = "SELECT repository FROM index_tag WHERE account = ?1 AND digest = ?2 LIMIT 100";
    let tagged = taking.write.all(sql, (account, digest.as_slice()), |row| row.get::<_, i64>(0))?;
    taking.touched.extend(tagged);
    Ok(())
}

/// Returns the ids of an account and its repository, which is added if it is new. If the account has too many records,
/// its oldest repository is forgotten; `None` if that is this one. `at_us` is the time of the record that is written:
/// until the end of the transaction the repository counts as pushed then, or it would be the oldest.
fn place(
    taking: &mut Taking<'_, '_>,
    did: &Did,
    name: &ImageName,
    at_us: u64,
) -> Result<Option<(i64, i64)>, StorageError> {
    let (account, at_us) = (accounts::of(taking, did)?, at_us.cast_signed());
    let sql = "SELECT id FROM index_repository WHERE account = ?1 AND name = ?2";
    let known = taking.write.first(sql, (account.id, name.as_str()), |row| row.get::<_, i64>(0))?;
    if let Some(id) = known {
        let sql = "UPDATE index_repository SET pushed_us = ?2 WHERE id = ?1 AND pushed_us < ?2";
        if taking.write.execute(sql, (id, at_us))? > 0 {
            taking.touched.insert(id);
        }
    }
    if account.records >= taking.limits.of_account {
        let sql = "SELECT id FROM index_repository WHERE account = ?1 ORDER BY pushed_us LIMIT 1";
        let oldest = taking.write.first(sql, [account.id], |row| row.get::<_, i64>(0))?;
        match oldest {
            Some(oldest) if Some(oldest) != known => {
                taking.touched.remove(&oldest);
                forget(taking.write, oldest)?;
            }
            _ => return Ok(None),
        }
    }
    if let Some(id) = known {
        return Ok(Some((account.id, id)));
    }
    let sql = "INSERT INTO index_repository (account, name, pushed_us, stars) VALUES (?1, ?2, ?4,
               (SELECT count(*) FROM index_star WHERE owner = ?3 AND name = ?2)) RETURNING id";
    let id = taking.write.first(sql, (account.id, name.as_str(), did.as_str(), at_us), |row| row.get::<_, i64>(0))?;
    accounts::count(taking.write, account.id, 1)?;
    Ok(id.map(|id| (account.id, id)))
}

/// Deletes a tag.
pub(super) fn remove_tag(taking: &mut Taking<'_, '_>, did: &Did, key: &str) -> Result<(), StorageError> {
    let Some(account) = accounts::known(taking.write, did)? else { return Ok(()) };
    let sql = "DELETE FROM index_tag WHERE account = ?1 AND key = ?2 RETURNING repository";
    let gone = taking.write.first(sql, (account.id, key), |row| row.get::<_, i64>(0))?;
    removed(taking, account.id, gone)
}

/// Deletes a manifest.
pub(super) fn remove_manifest(taking: &mut Taking<'_, '_>, did: &Did, digest: &Digest) -> Result<(), StorageError> {
    let Some(account) = accounts::known(taking.write, did)? else { return Ok(()) };
    let sql = "DELETE FROM index_manifest WHERE account = ?1 AND digest = ?2 RETURNING repository";
    let digest = digest.as_bytes().as_slice();
    let gone = taking.write.first(sql, (account.id, digest), |row| row.get::<_, i64>(0))?;
    removed(taking, account.id, gone)
}

fn removed(taking: &mut Taking<'_, '_>, account: i64, repository: Option<i64>) -> Result<(), StorageError> {
    let Some(repository) = repository else { return Ok(()) };
    taking.touched.insert(repository);
    accounts::count(taking.write, account, -1)
}

/// Forgets a repository with all of its tags and manifests.
pub(super) fn forget(write: &Write<'_>, repository: i64) -> Result<(), StorageError> {
    let tags = write.execute("DELETE FROM index_tag WHERE repository = ?1", [repository])?;
    let manifests = write.execute("DELETE FROM index_manifest WHERE repository = ?1", [repository])?;
    let sql = "DELETE FROM index_repository WHERE id = ?1 RETURNING account";
    let account = write.first(sql, [repository], |row| row.get::<_, i64>(0))?;
    write.execute("DELETE FROM index_text WHERE rowid = ?1", [repository])?;
    match account {
        Some(account) => accounts::count(write, account, -i64::try_from(1 + tags + manifests).unwrap_or(i64::MAX)),
        None => Ok(()),
    }
}

/// The newest image of a repository.
#[derive(Default)]
struct Newest {
    hold: String,
    description: String,
    platforms: String,
    size_bytes: i64,
    created_us: i64,
}

/// Updates the row of a repository, and its full-text row, from its records; forgets it if there are none.
pub(super) fn refresh(taking: &mut Taking<'_, '_>, repository: i64) -> Result<(), StorageError> {
    let write = taking.write;
    let sql = "SELECT account, page <> '' FROM index_repository WHERE id = ?1";
    let row = write.first(sql, [repository], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))?;
    let Some((account, has_page)) = row else { return Ok(()) };
    let sql = "SELECT tag, digest, written_us FROM index_tag WHERE repository = ?1 ORDER BY written_us DESC LIMIT 1";
    let tag = write.first(sql, [repository], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?))
    })?;
    let newest = |row: &rusqlite::Row<'_>| {
        Ok(Newest {
            hold: row.get(0)?,
            description: row.get(1)?,
            platforms: row.get(2)?,
            size_bytes: row.get(3)?,
            created_us: row.get(4)?,
        })
    };
    let by_tag = match &tag {
        Some((_, digest, _)) => {
            let sql = "SELECT hold, description, platforms, size_bytes, created_us FROM index_manifest
                       WHERE account = ?1 AND digest = ?2";
            write.first(sql, (account, digest.as_slice()), newest)?
        }
        None => None,
    };
    let sql = "SELECT hold, description, platforms, size_bytes, created_us FROM index_manifest
               WHERE repository = ?1 ORDER BY created_us DESC LIMIT 1";
    let image = match by_tag {
        Some(image) => Some(image),
        None => write.first(sql, [repository], newest)?,
    };
    if image.is_none() && tag.is_none() && !has_page {
        return forget(write, repository);
    }
    let has_image = image.is_some();
    let image = image.unwrap_or_default();
    let (newest_tag, pushed_us) = tag.map_or((String::new(), image.created_us), |(tag, _, at)| (tag, at));
    let is_public = has_image && holds::known(taking, account, &image.hold)?;
    let sql =
        "UPDATE index_repository SET hold = ?2, description = ?3, platforms = ?4, size_bytes = ?5, newest_tag = ?6,
               pushed_us = max(?7, 1), tags = (SELECT count(*) FROM
                   (SELECT 1 FROM index_tag WHERE repository = ?1 LIMIT ?8)),
               is_shown = ?9 AND (SELECT is_active FROM index_account WHERE id = account)
               WHERE id = ?1";
    let Newest { hold, description, platforms, size_bytes, .. } = image;
    let row =
        (repository, hold, description, platforms, size_bytes, newest_tag, pushed_us, MAX_COUNTED_TAGS, is_public);
    write.execute(sql, row)?;
    refresh_words(write, repository)
}

/// Number of repositories whose full-text rows one transaction makes.
const WORDS_AT_ONCE: i64 = 500;

/// Updates the full-text rows of the next repositories after `after`. Returns the id of the last one.
///
/// # Errors
/// When the database fails or has an invalid row.
pub fn words_behind(write: &Write<'_>, after: i64) -> Result<Option<i64>, StorageError> {
    let sql = "SELECT id FROM index_repository WHERE id > ?1 ORDER BY id LIMIT ?2";
    let ids = write.all(sql, (after, WORDS_AT_ONCE), |row| row.get(0))?;
    ids.iter().try_for_each(|id| refresh_words(write, *id))?;
    Ok(ids.last().copied())
}

/// Updates the full-text row of a repository from its row.
pub(super) fn refresh_words(write: &Write<'_>, repository: i64) -> Result<(), StorageError> {
    let sql = "SELECT tag FROM index_tag WHERE repository = ?1 ORDER BY written_us DESC LIMIT ?2";
    let tags = write.all(sql, (repository, MAX_WORD_TAGS), |row| row.get::<_, String>(0))?.join(" ");
    let sql = "INSERT OR REPLACE INTO index_text (rowid, name, owner, about, tags)
               SELECT r.id, r.name, coalesce(a.handle, '') || ' ' || a.did, r.description || ' ' || r.page, ?2
               FROM index_repository AS r JOIN index_account AS a ON a.id = r.account WHERE r.id = ?1";
    write.execute(sql, (repository, tags)).map(drop)
}
