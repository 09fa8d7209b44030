//! The SQL of deliveries: waiting and ended ones.

use crate::webhooks::{Attempt, Delivery, WebhookEvent};
use atproto::syntax::{Did, ImageName};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// Number of deliveries that are kept of a webhook: the newest ones, waiting or ended.
pub const KEPT: i64 = 50;

/// An event to be queued.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event's id: `id` in the payload, and the first part of `X-Atcr-Delivery`.
    pub event: String,
    /// The kind of the event.
    pub kind: WebhookEvent,
    /// The body of the request.
    pub payload: String,
    /// Time of the event, microseconds since 1970.
    pub queued_us: u64,
}

/// Queues an event for all webhooks of a repository that are on; answers how many there are. It is due at once, or when the
/// receiver takes something again, as it says.
///
/// # Errors
/// When the database fails or has invalid data.
pub fn queue(
    write: &Write<'_>,
    account: &Did,
    repository: &ImageName,
    event: &NewEvent,
) -> Result<usize, StorageError> {
    let sql = "INSERT INTO webhook_delivery (webhook, event, kind, payload, queued_us, due_us)
               SELECT id, ?3, ?4, ?5, ?6, max(?6, coalesce(quiet_until_us, 0)) FROM webhook WHERE account = ?1 AND repository = ?2 AND is_on
               RETURNING webhook";
    let (kind, at_us) = (event.kind.as_str(), event.queued_us.cast_signed());
    let parameters = (account.as_str(), repository.as_str(), &event.event, kind, &event.payload, at_us);
    let webhooks: Vec<i64> = write.all(sql, parameters, |row| row.get(0))?;
    for webhook in &webhooks {
        forget_oldest(write, *webhook)?;
    }
    Ok(webhooks.len())
}

/// Queues an event for one webhook, unless one of its kind waits there; returns the delivery's id.
///
/// # Errors
/// As [`queue`].
pub fn queue_one(write: &Write<'_>, webhook: i64, event: &NewEvent) -> Result<Option<i64>, StorageError> {
    let sql = "INSERT INTO webhook_delivery (webhook, event, kind, payload, queued_us, due_us)
               SELECT ?1, ?2, ?3, ?4, ?5, ?5 WHERE NOT EXISTS
               (SELECT 1 FROM webhook_delivery WHERE webhook = ?1 AND due_us IS NOT NULL AND kind = ?3)
               RETURNING id";
    let (kind, at_us) = (event.kind.as_str(), event.queued_us.cast_signed());
    let parameters = (webhook, &event.event, kind, &event.payload, at_us);
    let id = write.first(sql, parameters, |row| row.get(0))?;
    forget_oldest(write, webhook)?;
    Ok(id)
}

/// Deletes all but the newest [`KEPT`] deliveries of a webhook.
fn forget_oldest(write: &Write<'_>, webhook: i64) -> Result<(), StorageError> {
    let sql = "DELETE FROM webhook_delivery WHERE webhook = ?1 AND id <=
               (SELECT id FROM webhook_delivery WHERE webhook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    write.execute(sql, (webhook, KEPT)).map(drop)
}

/// A webhook with waiting deliveries.
#[derive(Clone, Debug)]
pub struct WaitingAt {
    /// The webhook's id.
    pub webhook: i64,
    /// The owner's DID.
    pub account: String,
    /// The URL of the receiver.
    pub url: String,
    /// Time when the first of them is due, microseconds since 1970.
    pub due_us: u64,
}

/// Returns the webhooks with waiting deliveries.
///
/// # Errors
/// As [`queue`].
pub fn waiting(read: &Read<'_>) -> Result<Vec<WaitingAt>, StorageError> {
    let sql = "WITH RECURSIVE waiting (id) AS (
                 SELECT min(webhook) FROM webhook_delivery WHERE due_us IS NOT NULL
                 UNION ALL SELECT (SELECT min(webhook) FROM webhook_delivery WHERE due_us IS NOT NULL AND webhook > waiting.id)
                 FROM waiting WHERE waiting.id IS NOT NULL)
               SELECT webhook.id, account, url,
                 (SELECT min(due_us) FROM webhook_delivery WHERE webhook = webhook.id AND due_us IS NOT NULL)
               FROM waiting CROSS JOIN webhook ON webhook.id = waiting.id";
    read.all(sql, [], |row| {
        Ok(WaitingAt { webhook: row.get(0)?, account: row.get(1)?, url: row.get(2)?, due_us: row.number(3)? })
    })
}

/// A due delivery with its webhook.
#[derive(Clone)]
pub struct DueRow {
    /// The delivery's id.
    pub id: i64,
    /// The webhook's id.
    pub webhook: i64,
    /// The owner's DID.
    pub account: String,
    /// The URL of the receiver.
    pub url: String,
    /// The secret of the signature.
    pub secret: String,
    /// The event's id.
    pub event: String,
    /// The kind of the event.
    pub kind: WebhookEvent,
    /// The body of the request.
    pub payload: String,
    /// Number of attempts so far.
    pub attempts: u32,
    /// Time when it was queued, microseconds since 1970.
    pub queued_us: u64,
}

/// Returns the first due delivery of a webhook.
///
/// # Errors
/// As [`queue`].
pub fn first_due(read: &Read<'_>, webhook: i64, now_us: u64) -> Result<Option<DueRow>, StorageError> {
    let sql = "SELECT webhook_delivery.id, account, url, secret, event, kind, payload, attempts, queued_us
               FROM webhook_delivery CROSS JOIN webhook ON webhook.id = webhook
               WHERE webhook = ?1 AND due_us <= ?2 ORDER BY due_us LIMIT 1";
    read.first(sql, (webhook, now_us.cast_signed()), |row| {
        Ok(DueRow {
            id: row.get(0)?,
            webhook,
            account: row.get(1)?,
            url: row.get(2)?,
            secret: row.get(3)?,
            event: row.get(4)?,
            kind: row.parse(5, kind_of)?,
            payload: row.get(6)?,
            attempts: row.get(7)?,
            queued_us: row.number(8)?,
        })
    })
}

fn kind_of(text: &str) -> Result<WebhookEvent, &'static str> {
    WebhookEvent::parse(text).ok_or("an event of no kind")
}

/// Stores the result of an attempt, and the time of the next one, if any. Returns whether the delivery still exists.
///
/// # Errors
/// As [`queue`].
pub fn tried(write: &Write<'_>, id: i64, attempt: &Attempt, next_us: Option<u64>) -> Result<bool, StorageError> {
    let sql =
        "UPDATE webhook_delivery SET attempts = attempts + 1, due_us = ?2, tried_us = ?3, took_ms = ?4, status = ?5,
               problem = ?6 WHERE id = ?1";
    let next_us = next_us.map(u64::cast_signed);
    let (tried_us, took_ms) = (attempt.at_us.cast_signed(), attempt.took_ms.cast_signed());
    let parameters = (id, next_us, tried_us, took_ms, attempt.status, &attempt.problem);
    write.execute(sql, parameters).map(|changed| changed > 0)
}

/// Postpones push events of a failing webhook that are due before `until_us`. Pings are not postponed, for their owner
/// waits for the result.
///
/// # Errors
/// As [`queue`].
pub fn put_off(write: &Write<'_>, webhook: i64, until_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE webhook_delivery SET due_us = ?2 WHERE webhook = ?1 AND due_us < ?2 AND kind = 'push'";
    write.execute(sql, (webhook, until_us.cast_signed())).map(drop)
}

/// Gives up the waiting deliveries of a webhook, with `problem` as the reason.
///
/// # Errors
/// As [`queue`].
pub fn end_waiting(write: &Write<'_>, webhook: i64, problem: &str) -> Result<(), StorageError> {
    let sql = "UPDATE webhook_delivery SET due_us = NULL, problem = ?2 WHERE webhook = ?1 AND due_us IS NOT NULL";
    write.execute(sql, (webhook, problem)).map(drop)
}

/// Makes an ended delivery due, as if it had just been queued. Returns whether there is one.
///
/// # Errors
/// As [`queue`].
pub fn again(write: &Write<'_>, webhook: i64, id: i64, now_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE webhook_delivery SET due_us = ?3, queued_us = ?3, attempts = 0, status = NULL, problem = NULL
               WHERE id = ?2 AND webhook = ?1 AND due_us IS NULL";
    write.execute(sql, (webhook, id, now_us.cast_signed())).map(|changed| changed > 0)
}

/// Returns the deliveries of a webhook, the newest first.
///
/// # Errors
/// As [`queue`].
pub fn log(read: &Read<'_>, webhook: i64) -> Result<Vec<Delivery>, StorageError> {
    let sql = "SELECT id, event, kind, coalesce(payload ->> 'tag', ''), queued_us, due_us, attempts, tried_us, took_ms,
               status, problem FROM webhook_delivery WHERE webhook = ?1 ORDER BY id DESC LIMIT ?2";
    read.all(sql, (webhook, KEPT), |row| {
        Ok(Delivery {
            id: row.get(0)?,
            event: event_at(&row.get::<_, String>(1)?, webhook),
            kind: row.parse(2, kind_of)?,
            tag: row.get(3)?,
            queued_us: row.number(4)?,
            due_us: row.number_or_null(5)?,
            attempts: row.get(6)?,
            tried_us: row.number_or_null(7)?,
            took_ms: row.number_or_null(8)?,
            status: row.get(9)?,
            problem: row.get(10)?,
        })
    })
}

/// Returns the id of a delivery for `X-Atcr-Delivery`: that of the event, and the webhook's.
#[must_use]
pub fn event_at(event: &str, webhook: i64) -> String {
    format!("{event}-{webhook}")
}

/// Forgets deliveries from before this time that wait no more.
///
/// # Errors
/// As [`queue`].
pub fn sweep(write: &Write<'_>, before_us: u64) -> Result<(), StorageError> {
    let sql = "DELETE FROM webhook_delivery WHERE queued_us < ?1 AND due_us IS NULL";
    write.execute(sql, [before_us.cast_signed()]).map(drop)
}
