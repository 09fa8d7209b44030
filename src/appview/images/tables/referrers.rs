//! The SQL of manifests with a subject that were pushed through this registry.

use rusqlite::Row;

use crate::images::Referrer;
use atproto::syntax::{Did, Digest};
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// A referrer that was pushed.
#[derive(Clone, Debug)]
pub struct ReferrerRow {
    /// The manifest that it refers to.
    pub subject: Digest,
    /// The descriptor of the referrer.
    pub referrer: Referrer,
    /// Time of the push, microseconds since 1970.
    pub pushed_us: u64,
}

/// Adds a referrer, or replaces its row.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn put(write: &Write<'_>, account: &Did, row: &ReferrerRow) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO referrer (account, subject, digest, media_type, size_bytes, artifact_type,
               annotations, pushed_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let referrer = &row.referrer;
    let annotations = referrer.annotations.as_ref().and_then(|all| serde_json::to_string(all).ok());
    let parameters = (
        account.as_str(),
        row.subject.as_bytes(),
        referrer.digest.as_bytes(),
        &referrer.media_type,
        referrer.size.cast_signed(),
        &referrer.artifact_type,
        annotations,
        row.pushed_us.cast_signed(),
    );
    write.execute(sql, parameters).map(drop)
}

/// Forgets a referrer.
///
/// # Errors
/// As [`put`].
pub fn delete(write: &Write<'_>, account: &Did, digest: &Digest) -> Result<(), StorageError> {
    write
        .execute("DELETE FROM referrer WHERE account = ?1 AND digest = ?2", (account.as_str(), digest.as_bytes()))
        .map(drop)
}

/// Forgets all referrers of an account.
///
/// # Errors
/// As [`put`].
pub fn delete_of(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM referrer WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Returns all referrers of an account.
///
/// # Errors
/// As [`put`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<ReferrerRow>, StorageError> {
    let sql = "SELECT digest, media_type, size_bytes, artifact_type, annotations, pushed_us, subject FROM referrer
               WHERE account = ?1 ORDER BY digest";
    read.all(sql, [account.as_str()], referrer)
}

/// Returns the first `limit` referrers of `subject` after `after`, ordered by digest.
///
/// # Errors
/// As [`put`].
pub fn of_subject(
    read: &Read<'_>,
    account: &Did,
    subject: &Digest,
    after: Option<&Digest>,
    limit: usize,
) -> Result<Vec<ReferrerRow>, StorageError> {
    let sql = "SELECT digest, media_type, size_bytes, artifact_type, annotations, pushed_us, subject FROM referrer
               WHERE account = ?1 AND subject = ?2 AND digest > ?3 ORDER BY digest LIMIT ?4";
    let after = after.map_or(&[][..], |digest| &digest.as_bytes()[..]);
    read.all(sql, (account.as_str(), subject.as_bytes(), after, row_limit(limit)), referrer)
}

fn referrer(row: &Row<'_>) -> rusqlite::Result<ReferrerRow> {
    let annotations: Option<String> = row.get(4)?;
    let referrer = Referrer {
        digest: Digest::from_bytes(row.get(0)?),
        media_type: row.get(1)?,
        size: row.number(2)?,
        artifact_type: row.get(3)?,
        annotations: annotations.and_then(|text| serde_json::from_str(&text).ok()),
    };
    Ok(ReferrerRow { referrer, pushed_us: row.number(5)?, subject: Digest::from_bytes(row.get(6)?) })
}
