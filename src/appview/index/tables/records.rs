//! The SQL of tags, manifests and pages, and of the repositories made of them, with their pull counts.

use super::{Applying, accounts, holds};
use crate::index::{PullCount, WrittenManifest, WrittenTag};
use atproto::syntax::{Did, Digest, ImageName};
use server::sqlite::Write;
use server::storage::StorageError;

/// Number of a repository's tags in the full-text index, the newest.
const MAX_WORD_TAGS: i64 = 64;
/// Maximum number of tags that are counted.
const MAX_COUNTED_TAGS: i64 = 1000;

/// The ids of a repository and of its owner.
#[derive(Clone, Copy)]
struct RepositoryIds {
    account: i64,
    repository: i64,
}

/// Stores a tag.
pub(super) fn put_tag(applying: &mut Applying<'_, '_>, did: &Did, tag: &WrittenTag) -> Result<(), StorageError> {
    let WrittenTag { key, name, tag, digest, written_us } = tag;
    remove_tag(applying, did, key)?;
    let Some(ids) = find_or_add(applying, did, name, *written_us)? else { return Ok(()) };
    let RepositoryIds { account, repository } = ids;
    applying.touched.insert(repository);
    let sql = "INSERT INTO index_tag (account, key, repository, tag, digest, written_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let digest = digest.as_bytes();
    let row = (account, key.as_str(), repository, tag.as_str(), digest.as_slice(), written_us.cast_signed());
    applying.write.execute(sql, row)?;
    accounts::count(applying.write, account, 1)
}

/// Stores a manifest.
pub(super) fn put_manifest(
    applying: &mut Applying<'_, '_>,
    did: &Did,
    manifest: &WrittenManifest,
) -> Result<(), StorageError> {
    let WrittenManifest { digest, name, hold, description, platforms, size_bytes, created_us } = manifest;
    remove_manifest(applying, did, digest)?;
    let Some(ids) = find_or_add(applying, did, name, *created_us)? else { return Ok(()) };
    let RepositoryIds { account, repository } = ids;
    applying.touched.insert(repository);
    let sql = "INSERT INTO index_manifest
               (account, digest, repository, hold, description, platforms, size_bytes, created_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let hold = hold.as_ref().map_or("", Did::as_str);
    let (size, created) = (size_bytes.cast_signed(), created_us.cast_signed());
    let digest = digest.as_bytes();
    let row = (account, digest.as_slice(), repository, hold, description.as_str(), platforms.as_str(), size, created);
    applying.write.execute(sql, row)?;
    accounts::count(applying.write, account, 1)?;
    // Another repository's tag may name this manifest, and may have come first.
    let sql = "SELECT repository FROM index_tag WHERE account = ?1 AND digest = ?2 LIMIT 100";
    let tagged = applying.write.all(sql, (account, digest.as_slice()), |row| row.get::<_, i64>(0))?;
    applying.touched.extend(tagged);
    Ok(())
}

/// Stores the beginning of a repository's page; an empty one adds no account.
pub(super) fn put_page(
    applying: &mut Applying<'_, '_>,
    did: &Did,
    name: &ImageName,
    text: &str,
) -> Result<(), StorageError> {
    if text.is_empty() && accounts::known(applying.write, did)?.is_none() {
        return Ok(());
    }
    let Some(RepositoryIds { repository, .. }) = find_or_add(applying, did, name, 0)? else { return Ok(()) };
    applying.touched.insert(repository);
    let sql = "UPDATE index_repository SET page = ?2 WHERE id = ?1";
    applying.write.execute(sql, (repository, text)).map(drop)
}

/// Returns the ids of an account's repository, which is added if it is new. If the account has too many records,
/// its oldest repository is forgotten; `None` if that is this one. `at_us` is the time of the record that is written:
/// until the end of the transaction the repository counts as pushed then, or it would be the oldest.
fn find_or_add(
    applying: &mut Applying<'_, '_>,
    did: &Did,
    name: &ImageName,
    at_us: u64,
) -> Result<Option<RepositoryIds>, StorageError> {
    let (account, at_us) = (accounts::of(applying, did)?, at_us.cast_signed());
    let sql = "SELECT id FROM index_repository WHERE account = ?1 AND name = ?2";
    let known = applying.write.first(sql, (account.id, name.as_str()), |row| row.get::<_, i64>(0))?;
    if let Some(id) = known {
        let sql = "UPDATE index_repository SET pushed_us = ?2 WHERE id = ?1 AND pushed_us < ?2";
        if applying.write.execute(sql, (id, at_us))? > 0 {
            applying.touched.insert(id);
        }
    }
    if account.records >= applying.limits.of_account {
        let sql = "SELECT id FROM index_repository WHERE account = ?1 ORDER BY pushed_us LIMIT 1";
        let oldest = applying.write.first(sql, [account.id], |row| row.get::<_, i64>(0))?;
        match oldest {
            Some(oldest) if Some(oldest) != known => {
                applying.touched.remove(&oldest);
                forget(applying.write, oldest)?;
            }
            _ => return Ok(None),
        }
    }
    if let Some(id) = known {
        return Ok(Some(RepositoryIds { account: account.id, repository: id }));
    }
    let sql = "INSERT INTO index_repository (account, name, pushed_us, stars) VALUES (?1, ?2, ?4,
               (SELECT count(*) FROM index_star WHERE owner = ?3 AND name = ?2)) RETURNING id";
    let id = applying.write.first(sql, (account.id, name.as_str(), did.as_str(), at_us), |row| row.get::<_, i64>(0))?;
    accounts::count(applying.write, account.id, 1)?;
    Ok(id.map(|id| RepositoryIds { account: account.id, repository: id }))
}

/// Deletes a tag.
pub(super) fn remove_tag(applying: &mut Applying<'_, '_>, did: &Did, key: &str) -> Result<(), StorageError> {
    let Some(account) = accounts::known(applying.write, did)? else { return Ok(()) };
    let sql = "DELETE FROM index_tag WHERE account = ?1 AND key = ?2 RETURNING repository";
    let gone = applying.write.first(sql, (account.id, key), |row| row.get::<_, i64>(0))?;
    removed(applying, account.id, gone)
}

/// Deletes a manifest.
pub(super) fn remove_manifest(applying: &mut Applying<'_, '_>, did: &Did, digest: &Digest) -> Result<(), StorageError> {
    let Some(account) = accounts::known(applying.write, did)? else { return Ok(()) };
    let sql = "DELETE FROM index_manifest WHERE account = ?1 AND digest = ?2 RETURNING repository";
    let digest = digest.as_bytes().as_slice();
    let gone = applying.write.first(sql, (account.id, digest), |row| row.get::<_, i64>(0))?;
    removed(applying, account.id, gone)
}

fn removed(applying: &mut Applying<'_, '_>, account: i64, repository: Option<i64>) -> Result<(), StorageError> {
    let Some(repository) = repository else { return Ok(()) };
    applying.touched.insert(repository);
    accounts::count(applying.write, account, -1)
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

/// The newest tag of a repository.
struct NewestTag {
    tag: String,
    digest: Vec<u8>,
    written_us: i64,
}

/// The newest image of a repository.
#[derive(Default)]
struct NewestImage {
    hold: String,
    description: String,
    platforms: String,
    size_bytes: i64,
    created_us: i64,
}

/// Updates the row of a repository, and its full-text row, from its records; forgets it if there are none.
pub(super) fn refresh(applying: &mut Applying<'_, '_>, repository: i64) -> Result<(), StorageError> {
    let write = applying.write;
    let sql = "SELECT account, page <> '' FROM index_repository WHERE id = ?1";
    let row = write.first(sql, [repository], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))?;
    let Some((account, has_page)) = row else { return Ok(()) };
    let tag = newest_tag(write, repository)?;
    let image = newest_image(write, RepositoryIds { account, repository }, tag.as_ref())?;
    if image.is_none() && tag.is_none() && !has_page {
        return forget(write, repository);
    }
    let has_image = image.is_some();
    let image = image.unwrap_or_default();
    let (newest_tag, pushed_us) =
        tag.map_or((String::new(), image.created_us), |newest| (newest.tag, newest.written_us));
    let is_public = has_image && holds::known(applying, account, &image.hold)?;
    let sql =
        "UPDATE index_repository SET hold = ?2, description = ?3, platforms = ?4, size_bytes = ?5, newest_tag = ?6,
               pushed_us = max(?7, 1), tags = (SELECT count(*) FROM
                   (SELECT 1 FROM index_tag WHERE repository = ?1 LIMIT ?8)),
               is_shown = ?9 AND (SELECT is_active FROM index_account WHERE id = account)
               WHERE id = ?1";
    let NewestImage { hold, description, platforms, size_bytes, .. } = image;
    let row =
        (repository, hold, description, platforms, size_bytes, newest_tag, pushed_us, MAX_COUNTED_TAGS, is_public);
    write.execute(sql, row)?;
    refresh_words(write, repository)
}

fn newest_tag(write: &Write<'_>, repository: i64) -> Result<Option<NewestTag>, StorageError> {
    let sql = "SELECT tag, digest, written_us FROM index_tag WHERE repository = ?1 ORDER BY written_us DESC LIMIT 1";
    write.first(sql, [repository], |row| {
        Ok(NewestTag { tag: row.get(0)?, digest: row.get(1)?, written_us: row.get(2)? })
    })
}

/// Returns the image of the newest tag, if it is known, else the newest one.
fn newest_image(
    write: &Write<'_>,
    ids: RepositoryIds,
    tag: Option<&NewestTag>,
) -> Result<Option<NewestImage>, StorageError> {
    let image = |row: &rusqlite::Row<'_>| {
        Ok(NewestImage {
            hold: row.get(0)?,
            description: row.get(1)?,
            platforms: row.get(2)?,
            size_bytes: row.get(3)?,
            created_us: row.get(4)?,
        })
    };
    let sql = "SELECT hold, description, platforms, size_bytes, created_us FROM index_manifest
               WHERE account = ?1 AND digest = ?2";
    if let Some(tag) = tag
        && let Some(tagged) = write.first(sql, (ids.account, tag.digest.as_slice()), image)?
    {
        return Ok(Some(tagged));
    }
    let sql = "SELECT hold, description, platforms, size_bytes, created_us FROM index_manifest
               WHERE repository = ?1 ORDER BY created_us DESC LIMIT 1";
    write.first(sql, [ids.repository], image)
}

/// Stores the pull count of an image, if the index has the image at this hold.
pub(super) fn set_pull_count(
    applying: &mut Applying<'_, '_>,
    hold: &Did,
    count: &PullCount,
) -> Result<(), StorageError> {
    let PullCount { owner, name, pulls, is_answer } = count;
    let Some(account) = accounts::known(applying.write, owner)? else { return Ok(()) };
    if !applying.touched.is_empty() {
        // The image may have come with the same batch: its row does not name the hold yet.
        let sql = "SELECT id FROM index_repository WHERE account = ?1 AND name = ?2";
        let repository = applying.write.first(sql, (account.id, name.as_str()), |row| row.get::<_, i64>(0))?;
        if let Some(repository) = repository.filter(|repository| applying.touched.remove(repository)) {
            refresh(applying, repository)?;
        }
    }
    let only_grows = *is_answer && applying.limits.lists_new;
    let sql = "UPDATE index_repository SET pulls = ?4 WHERE account = ?1 AND name = ?2 AND hold = ?3
               AND (pulls < ?4 OR (pulls > ?4 AND NOT ?5))";
    let row = (account.id, name.as_str(), hold.as_str(), pulls.cast_signed(), only_grows);
    applying.write.execute(sql, row).map(drop)
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
