//! The SQL of webhooks.
//!
//! No other room has SQL for these tables, and none calls this module: it is public for tests.

pub mod deliveries;

use rusqlite::Row;

use crate::webhooks::{WebhookTotals, WebhooksError};
use atproto::syntax::{Did, ImageName};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A webhook, without its secret.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The webhook's id.
    pub id: i64,
    /// The owner of the repository.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: ImageName,
    /// The URL of the receiver.
    pub url: String,
    /// Time when the webhook was added, microseconds since 1970.
    pub created_us: u64,
    /// Whether the webhook is switched on.
    pub is_on: bool,
    /// Reason why the registry or its operator switched the webhook off.
    pub problem: Option<String>,
    /// Time since when all deliveries have failed, microseconds since 1970.
    pub failing_us: Option<u64>,
}

/// A webhook in the list of all accounts.
#[derive(Clone, Debug)]
pub struct ListedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Number of its waiting deliveries.
    pub waiting: u64,
}

/// A webhook to be added.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The owner of the repository.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: ImageName,
    /// The URL of the receiver.
    pub url: String,
    /// The secret that signs deliveries.
    pub secret: String,
    /// Time of the addition, microseconds since 1970.
    pub created_us: u64,
}

/// Limits of the number of webhooks.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most webhooks of one repository.
    pub per_repository: u64,
    /// Most webhooks of one account.
    pub per_account: u64,
    /// Most webhooks of all accounts.
    pub total: u64,
}

/// Adds a webhook; returns its id. One that is there with the same secret was added by the same form, which was sent twice.
///
/// # Errors
/// [`WebhooksError::TooMany`], [`WebhooksError::Full`], [`WebhooksError::Known`], or when the database fails.
pub fn insert(write: &Write<'_>, row: &NewRow, bounds: Bounds) -> Result<i64, WebhooksError> {
    let (account, repository) = (row.account.as_str(), row.repository.as_str());
    let sql = "SELECT id FROM webhook WHERE account = ?1 AND repository = ?2 AND url = ?3 AND secret = ?4";
    if let Some(id) = write.first(sql, (account, repository, &row.url, &row.secret), |row| row.get(0))? {
        return Ok(id);
    }
    let sql = "SELECT count(*) FROM webhook WHERE account = ?1 AND repository = ?2";
    let of_repository = write.first(sql, (account, repository), |row| row.number(0))?.unwrap_or_default();
    let sql = "SELECT count(*) FROM webhook WHERE account = ?1";
    let of_account = write.first(sql, [account], |row| row.number(0))?.unwrap_or_default();
    if of_repository >= bounds.per_repository || of_account >= bounds.per_account {
        return Err(WebhooksError::TooMany);
    }
    if count(write)? >= bounds.total {
        return Err(WebhooksError::Full);
    }
    let sql = "INSERT OR IGNORE INTO webhook (account, repository, url, secret, created_us) VALUES (?1, ?2, ?3, ?4, ?5)
               RETURNING id";
    let parameters = (account, repository, &row.url, &row.secret, row.created_us.cast_signed());
    write.first(sql, parameters, |row| row.get(0))?.ok_or(WebhooksError::Known)
}

/// Returns the totals of the webhooks and of the waiting deliveries.
///
/// # Errors
/// When the database fails or has invalid data.
pub fn totals(read: &Read<'_>) -> Result<WebhookTotals, StorageError> {
    let webhooks = count(read)?;
    let sql = "SELECT count(*), min(queued_us) FROM webhook_delivery WHERE due_us IS NOT NULL";
    let totals = read.first(sql, [], |row| {
        Ok(WebhookTotals { webhooks, waiting: row.number(0)?, oldest_us: row.number_or_null(1)? })
    })?;
    Ok(totals.unwrap_or_default())
}

fn count(read: &Read<'_>) -> Result<u64, StorageError> {
    Ok(read.first("SELECT count(*) FROM webhook", [], |row| row.number(0))?.unwrap_or_default())
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        repository: row.parse(2, ImageName::parse)?,
        url: row.get(3)?,
        created_us: row.number(4)?,
        is_on: row.get(5)?,
        problem: row.get(6)?,
        failing_us: row.number_or_null(7)?,
    })
}

/// Returns the webhooks of an account, ordered by repository and URL.
///
/// # Errors
/// As [`totals`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<Webhook>, StorageError> {
    let sql = "SELECT id, account, repository, url, created_us, is_on, problem, failing_us FROM webhook
               WHERE account = ?1 ORDER BY repository, url";
    read.all(sql, [account.as_str()], webhook)
}

/// Returns the webhook with this id, if it is one of this account.
///
/// # Errors
/// As [`totals`].
pub fn find(read: &Read<'_>, account: &Did, id: i64) -> Result<Option<Webhook>, StorageError> {
    let sql = "SELECT id, account, repository, url, created_us, is_on, problem, failing_us FROM webhook
               WHERE id = ?1 AND account = ?2";
    read.first(sql, (id, account.as_str()), webhook)
}

/// Most webhooks in the list of all accounts.
const MAX_LISTED: i64 = 1_000;

/// Returns the webhooks of all accounts, the oldest first.
///
/// # Errors
/// As [`totals`].
pub fn all(read: &Read<'_>) -> Result<Vec<ListedWebhook>, StorageError> {
    let sql = "SELECT id, account, repository, url, created_us, is_on, problem, failing_us,
                 (SELECT count(*) FROM webhook_delivery WHERE webhook = webhook.id AND due_us IS NOT NULL)
               FROM webhook ORDER BY id LIMIT ?1";
    read.all(sql, [MAX_LISTED], |row| Ok(ListedWebhook { webhook: webhook(row)?, waiting: row.number(8)? }))
}

/// Returns the number of webhooks of each account.
///
/// # Errors
/// As [`totals`].
pub fn by_account(read: &Read<'_>) -> Result<Vec<(Did, u64)>, StorageError> {
    read.of_accounts("SELECT account, count(*) FROM webhook GROUP BY account", [])
}

/// Whether a repository has a webhook that is on.
///
/// # Errors
/// As [`totals`].
pub fn is_wanted(read: &Read<'_>, account: &Did, repository: &ImageName) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM webhook WHERE account = ?1 AND repository = ?2 AND is_on LIMIT 1";
    let found: Option<i64> = read.first(sql, (account.as_str(), repository.as_str()), |row| row.get(0))?;
    Ok(found.is_some())
}

/// Switches a webhook on, and clears its record of failures.
///
/// # Errors
/// As [`totals`].
pub fn switch_on(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    let sql = "UPDATE webhook SET is_on = 1, problem = NULL, failing_us = NULL, quiet_until_us = NULL WHERE id = ?1";
    write.execute(sql, [id]).map(drop)
}

/// Switches a webhook off and gives up its waiting deliveries. `problem` is `None` when the owner does it. Returns
/// whether the webhook was on.
///
/// # Errors
/// As [`totals`].
pub fn switch_off(write: &Write<'_>, id: i64, problem: Option<&str>) -> Result<bool, StorageError> {
    let sql = "UPDATE webhook SET is_on = 0, problem = ?2 WHERE id = ?1 AND is_on";
    if write.execute(sql, (id, problem))? == 0 {
        return Ok(false);
    }
    deliveries::end_waiting(write, id, "the webhook was switched off")?;
    Ok(true)
}

/// Deletes a webhook of this account, with its deliveries. Returns whether there was one.
///
/// # Errors
/// As [`totals`].
pub fn delete(write: &Write<'_>, account: &Did, id: i64) -> Result<bool, StorageError> {
    let sql = "DELETE FROM webhook WHERE id = ?1 AND account = ?2";
    write.execute(sql, (id, account.as_str())).map(|deleted| deleted > 0)
}

/// Deletes all webhooks of an account, with their deliveries.
///
/// # Errors
/// As [`totals`].
pub fn delete_of(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM webhook WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Whether a webhook works.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookState {
    /// Whether it is switched on.
    pub is_on: bool,
    /// Time since when all its deliveries have failed, microseconds since 1970.
    pub failing_us: Option<u64>,
}

/// Returns whether a webhook works; `None` when it was deleted.
///
/// # Errors
/// As [`totals`].
pub fn state(read: &Read<'_>, id: i64) -> Result<Option<WebhookState>, StorageError> {
    let sql = "SELECT is_on, failing_us FROM webhook WHERE id = ?1";
    read.first(sql, [id], |row| Ok(WebhookState { is_on: row.get(0)?, failing_us: row.number_or_null(1)? }))
}

/// Notes since when the deliveries of a webhook fail, and until when its receiver takes nothing, if it says so.
///
/// # Errors
/// As [`totals`].
pub fn failed(write: &Write<'_>, id: i64, failing_us: u64, quiet_until_us: Option<u64>) -> Result<(), StorageError> {
    let sql = "UPDATE webhook SET failing_us = ?2, quiet_until_us = coalesce(?3, quiet_until_us) WHERE id = ?1";
    write.execute(sql, (id, failing_us.cast_signed(), quiet_until_us.map(u64::cast_signed))).map(drop)
}

/// Notes that a webhook's receiver takes deliveries.
///
/// # Errors
/// As [`totals`].
pub fn succeeded(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    let sql = "UPDATE webhook SET failing_us = NULL, quiet_until_us = NULL WHERE id = ?1 AND failing_us IS NOT NULL";
    write.execute(sql, [id]).map(drop)
}
