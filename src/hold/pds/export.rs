//! Exports the repository as CAR files: all of it, the proof of one record, or single blocks.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::stored_blocks::StoredBlocks;
use super::{MAX_EXPORTS, Pds, PdsError};
use crate::pds::tables;
use crate::pds::tables::RepoHead;
use atproto::repo::{Cid, car, mst};
use atproto::syntax::Tid;
use server::sqlite::Read;
use server::storage::StorageError;

/// Size of a chunk in bytes, about: blocks are sent in chunks.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks buffered for a slow reader.
const CHUNKS_AHEAD: usize = 2;
/// Minimum rate of a reader. An export holds a snapshot, which keeps the write-ahead log from being reset. So its
/// reader has to take this much a second, counted from the start and with a minute's grace: 1 GB in at most four and a
/// half hours.
const MIN_BYTES_A_SECOND: u64 = 64 * 1024;
const GRACE: Duration = Duration::from_secs(60);
/// Time-out of waiting for another export to end.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Size of the log, in bytes, above which no export starts. Exports that overlap, or follow each other at once, keep
/// the log growing although each ends in time. When all have ended, the next one resets the log first.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// Limit of blocks of a getBlocks request.
const MAX_BLOCKS: usize = 200;

/// A CAR file in chunks. It ends early with an error when the database fails.
pub type BlockStream = mpsc::Receiver<Result<Bytes, PdsError>>;

impl Pds {
    /// Exports the repository as a CAR; with `since`, only the blocks after that revision. Waits ten seconds at most
    /// while too many exports run. The stream is one snapshot; writes go on meanwhile. Returns `None` before the first commit.
    ///
    /// # Errors
    /// [`PdsError::TooManyExports`]; [`PdsError::Storage`]; later errors are sent in the stream.
    pub async fn export(&self, since: Option<Tid>) -> Result<Option<BlockStream>, PdsError> {
        if self.head().await?.is_none() {
            return Ok(None);
        }
        let closed = |_| PdsError::Storage(StorageError::failed("the exports are closed"));
        let permit = timeout(MAX_WAIT, std::sync::Arc::clone(&self.inner.exports).acquire_owned()).await;
        let permit = permit.map_err(|_| PdsError::TooManyExports)?.map_err(closed)?;
        self.check_log().await?;
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        let (database, began) = (self.inner.database.clone(), Instant::now());
        tokio::spawn(async move {
            let (sender, from_database) = mpsc::channel(1);
            let reading = database.snapshot(move |read| send_repo(read, since.as_ref(), &sender));
            let (read, forwarded) = tokio::join!(reading, forward(from_database, &chunks, began));
            // The snapshot has ended, also if the reader takes long to notice.
            drop(permit);
            if let Err(error) = forwarded.and(read) {
                // The reader may have disconnected, which is no error.
                let _ = chunks.send(Err(error)).await;
            }
        });
        Ok(Some(stream))
    }

    /// Refuses an export if the log is long and cannot be reset. The caller holds a permit of an export already.
    async fn check_log(&self) -> Result<(), PdsError> {
        if self.inner.database.sizes().await?.log_bytes <= MAX_LOG_BYTES {
            return Ok(());
        }
        let is_alone = self.inner.exports.available_permits() + 1 == MAX_EXPORTS;
        if is_alone && self.inner.database.shrink_log().await? { Ok(()) } else { Err(PdsError::TooManyExports) }
    }

    /// Returns the proof of a record as a CAR: commit, path through the tree, and the record if it exists. Returns
    /// `None` before the first commit.
    ///
    /// # Errors
    /// [`PdsError::Damaged`] or [`PdsError::Storage`].
    pub async fn record_proof(&self, path: String) -> Result<Option<Vec<u8>>, PdsError> {
        let job = move |read: &Read<'_>| {
            let Some(head) = tables::repo_head(read)? else { return Ok(None) };
            let mut out = commit_car(read, &head)?;
            let (nodes, value) = mst::proof(&StoredBlocks(read), head.data, &path)?;
            for (cid, bytes) in nodes {
                car::push_block(&mut out, &cid, &bytes);
            }
            if let Some(cid) = value {
                car::push_block(&mut out, &cid, &required(read, &cid)?);
            }
            Ok(Some(out))
        };
        self.inner.database.read(job).await
    }

    /// Returns single blocks, each once, as a CAR whose root is the newest commit; `None` before the first commit.
    ///
    /// # Errors
    /// [`PdsError::TooLarge`] beyond 200 blocks; [`PdsError::MissingBlock`] for a block that the repository does not
    /// have.
    pub async fn blocks(&self, cids: Vec<Cid>) -> Result<Option<Vec<u8>>, PdsError> {
        if cids.len() > MAX_BLOCKS {
            return Err(PdsError::TooLarge("at most 200 blocks can be asked for at once"));
        }
        let job = move |read: &Read<'_>| {
            let Some(head) = tables::repo_head(read)? else { return Ok(None) };
            let mut out = car::header(&head.commit)?;
            // A reader that names the largest one many times would have it as often in memory.
            for cid in &BTreeSet::from_iter(cids) {
                car::push_block(&mut out, cid, &required(read, cid)?);
            }
            Ok(Some(out))
        };
        self.inner.database.read(job).await
    }
}

/// Sends the repository to `chunks`. It blocks while the channel is full, and ends when the receiver is dropped.
fn send_repo(read: &Read<'_>, since: Option<&Tid>, chunks: &mpsc::Sender<Bytes>) -> Result<(), PdsError> {
    let Some(head) = tables::repo_head(read)? else { return Ok(()) };
    let mut chunk = commit_car(read, &head)?;
    let send =
        |chunk: Vec<u8>| chunks.blocking_send(chunk.into()).map_err(|_| broken("the reader of an export went away"));
    tables::each_block(read, since, |cid, bytes| {
        if cid != head.commit {
            car::push_block(&mut chunk, &cid, &bytes);
        }
        if chunk.len() >= CHUNK_BYTES { send(std::mem::take(&mut chunk)) } else { Ok(()) }
    })?;
    send(chunk)
}

/// Forwards the chunks to the reader, and ends with an error when the reader is too slow or takes none.
async fn forward(
    mut chunks: mpsc::Receiver<Bytes>,
    reader: &mpsc::Sender<Result<Bytes, PdsError>>,
    began: Instant,
) -> Result<(), PdsError> {
    let mut sent_bytes = 0;
    while let Some(chunk) = chunks.recv().await {
        sent_bytes += chunk.len() as u64;
        match timeout_at(began + allowed(sent_bytes), reader.send(Ok(chunk))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(broken("the reader of an export went away")),
            Err(_) => return Err(broken("the reader of an export is too slow")),
        }
    }
    Ok(())
}

/// Returns the time that a reader may take for so many bytes.
fn allowed(sent_bytes: u64) -> Duration {
    GRACE + Duration::from_secs(sent_bytes / MIN_BYTES_A_SECOND)
}

fn broken(what: &str) -> PdsError {
    PdsError::Storage(StorageError::failed(what))
}

/// Returns the start of a CAR: the header and the newest commit.
fn commit_car(read: &Read<'_>, head: &RepoHead) -> Result<Vec<u8>, PdsError> {
    let mut out = car::header(&head.commit)?;
    car::push_block(&mut out, &head.commit, &required(read, &head.commit)?);
    Ok(out)
}

fn required(read: &Read<'_>, cid: &Cid) -> Result<Vec<u8>, PdsError> {
    tables::block(read, cid)?.ok_or(PdsError::MissingBlock(*cid))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::{CHUNK_BYTES, CHUNKS_AHEAD, Duration, allowed, forward, mpsc};

    #[test]
    fn a_reader_has_to_keep_its_pace() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let is_too_slow = |sent_bytes, elapsed| elapsed > allowed(sent_bytes);
        assert!(!is_too_slow(0, minutes(1)));
        assert!(is_too_slow(1024 * 60, minutes(2)));
        assert!(!is_too_slow(64 * 1024 * 60 * 60, minutes(61)));
        assert!(is_too_slow(64 * 1024 * 60 * 60, minutes(62)));
    }

    /// Returns the duration in seconds of an export with a reader that takes a chunk after each `every`, and whether it
    /// was sent whole.
    async fn lasts(chunks: usize, every: Duration) -> (u64, bool) {
        let (sender, from_database) = mpsc::channel(1);
        let reading = tokio::spawn(async move {
            for _ in 0..chunks {
                if sender.send(vec![0; CHUNK_BYTES].into()).await.is_err() {
                    return;
                }
            }
        });
        let (to_reader, mut stream) = mpsc::channel(CHUNKS_AHEAD);
        let reader = tokio::spawn(async move {
            loop {
                sleep(every).await;
                if stream.recv().await.is_none() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let outcome = forward(from_database, &to_reader, began).await;
        let seconds = began.elapsed().as_secs();
        reading.await.unwrap();
        reader.abort();
        (seconds, outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_ends_by_the_clock_also_when_its_reader_takes_nothing() {
        assert_eq!(lasts(1000, Duration::from_secs(100_000)).await, (63, false), "its grace, and what went ahead");
        assert_eq!(lasts(1000, Duration::from_secs(40)).await, (64, false), "one more chunk was taken");
        let (seconds, is_whole) = lasts(1000, Duration::from_millis(900)).await;
        assert!(is_whole && seconds < 1000, "{seconds}");
    }
}
