//! Rows of events, by sequence number. The content of a frame is defined in the room `pds`.

use std::ops::ControlFlow;

use rusqlite::{Row, params};

use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A page of events, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The sequence number of the last event; `None` for an empty page.
    pub last_seq: Option<i64>,
    /// The frames, in order.
    pub frames: Vec<Vec<u8>>,
}

/// Returns events after `cursor`: at most `limit`, and none after `enough_bytes` are reached.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn events_after(read: &Read<'_>, cursor: i64, limit: u32, enough_bytes: usize) -> Result<EventPage, StorageError> {
    let sql = "SELECT seq, frame FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
    let (mut page, mut bytes) = (EventPage::default(), 0);
    read.each_while(sql, params![cursor, limit], row, |(seq, frame)| {
        bytes += frame.len();
        page.last_seq = Some(seq);
        page.frames.push(frame);
        Ok::<_, StorageError>(if bytes >= enough_bytes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(page)
}

/// Returns the number of events after `cursor`, counted up to `most`.
///
/// # Errors
/// [`StorageError`].
pub fn count_events_after(read: &Read<'_>, cursor: i64, most: u32) -> Result<u32, StorageError> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM event WHERE seq > ?1 LIMIT ?2)";
    Ok(read.first(sql, params![cursor, most], |row| row.get(0))?.unwrap_or_default())
}

/// Returns the bytes of all events, which triggers maintain.
///
/// # Errors
/// [`StorageError`].
pub fn event_bytes(read: &Read<'_>) -> Result<u64, StorageError> {
    Ok(read.first("SELECT bytes FROM event_total WHERE id = 1", [], |row| row.number(0))?.unwrap_or(0))
}

/// Adds an event.
///
/// # Errors
/// [`StorageError`], as for every function here, also when the sequence number was used before.
pub fn put_event(write: &Write<'_>, seq: i64, time_us: u64, frame: &[u8]) -> Result<(), StorageError> {
    let time_us = i64::try_from(time_us).unwrap_or(i64::MAX);
    write.execute("INSERT INTO event (seq, time_us, frame) VALUES (?1, ?2, ?3)", params![seq, time_us, frame]).map(drop)
}

/// Deletes the oldest events up to the last one of before `before_us` that no event from then to `now_us` precedes: at most
/// `limit` of them and never the newest. An event of after `now_us` was written while the clock was ahead: it goes with the
/// next one that is too old. Returns their number, and the last sequence number among them.
///
/// # Errors
/// [`StorageError`].
pub fn delete_events_before(
    write: &Write<'_>,
    before_us: u64,
    now_us: u64,
    limit: u32,
) -> Result<(usize, Option<i64>), StorageError> {
    let [before_us, now_us] = [before_us, now_us].map(|time_us| i64::try_from(time_us).unwrap_or(i64::MAX));
    let last = "SELECT max(seq) FROM (
                    SELECT seq FROM event WHERE seq <= (
                        SELECT seq FROM event WHERE time_us < ?1 AND seq < coalesce(
                            (SELECT seq FROM event WHERE time_us BETWEEN ?1 AND ?2 ORDER BY seq LIMIT 1),
                            (SELECT max(seq) FROM event)
                        ) ORDER BY seq DESC LIMIT 1
                    ) ORDER BY seq LIMIT ?3
                )";
    let last: Option<i64> = write.first(last, params![before_us, now_us, limit], |row| row.get(0))?.flatten();
    let Some(last) = last else { return Ok((0, None)) };
    Ok((write.execute("DELETE FROM event WHERE seq <= ?1", [last])?, Some(last)))
}

/// Deletes the oldest events until the others have at most `max_bytes` together: at most `limit` of them and never the
/// newest. Returns their number, and the last sequence number among them.
///
/// # Errors
/// [`StorageError`].
pub fn delete_events_beyond(
    write: &Write<'_>,
    max_bytes: u64,
    limit: u32,
) -> Result<(usize, Option<i64>), StorageError> {
    let mut excess = event_bytes(write)?.saturating_sub(max_bytes);
    if excess == 0 {
        return Ok((0, None));
    }
    let sql = "SELECT seq, length(frame) FROM event WHERE seq < (SELECT max(seq) FROM event) ORDER BY seq LIMIT ?1";
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.number(1)?));
    let mut last = None;
    write.each_while(sql, [limit], row, |(seq, bytes)| {
        last = Some(seq);
        excess = excess.saturating_sub(bytes);
        Ok::<_, StorageError>(if excess == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let Some(last) = last else { return Ok((0, None)) };
    Ok((write.execute("DELETE FROM event WHERE seq <= ?1", [last])?, Some(last)))
}
