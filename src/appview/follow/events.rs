//! Following a source of events: connects, writes its events into the index, continues at the stored cursor.

use std::time::Duration;

use tokio::time::Instant;

use super::event::EventKind;
use super::firehose::{self, Frame};
use super::{Follow, jetstream};
use crate::index::{Change, SourceCursor};
use server::egress::{EgressError, SocketMessage, WebSocket};
use server::metrics::{Counter, CounterBy, Gauge};
use server::storage::StorageError;

/// Maximum size of a message: a frame of the firehose has 5 MB at most, a message of Jetstream a record of 1 MB in
/// JSON.
const MAX_MESSAGE_BYTES: usize = 6 * 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// Maximum number of changes in one transaction, and how long the first of them waits for more.
const BATCH: usize = 500;
const BATCH_TIME: Duration = Duration::from_millis(250);
/// The same time for events that change nothing: their cursor is stored as well.
const IDLE_BATCH_TIME: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that lasted longer resets the backoff.
const GOOD: Duration = Duration::from_secs(60);
/// Jetstream keeps events for at least one day.
const KEPT_US: u64 = 24 * 60 * 60 * 1_000_000;
/// Name of the cursor of all Jetstreams: it is a time, the same at each host.
const JETSTREAM: &str = "jetstream";

/// Counts of events since the start.
#[derive(Debug, Default)]
pub struct FollowCounts {
    /// Events by kind.
    pub events: CounterBy<EventKind>,
    /// Changes of the index by events.
    pub changes: Counter,
    /// Records of the index's collections that do not match their lexicon and were ignored.
    pub refused: Counter,
    /// Connections that ended or failed.
    pub failures: Counter,
    /// 1 while there is a connection.
    pub connected: Gauge,
    /// Time of the last message, microseconds since 1970.
    pub heard_us: Gauge,
    /// Age of the last event when it arrived, in microseconds, if its source has a time.
    pub lag_us: Gauge,
}

/// A source of events.
#[derive(Clone, Copy)]
enum Source<'s> {
    Jetstream(&'s str),
    Firehose(&'s str),
}

impl Source<'_> {
    /// Returns the name of the source's cursor.
    fn name(self) -> String {
        match self {
            Self::Jetstream(_) => JETSTREAM.to_owned(),
            Self::Firehose(url) => url.to_owned(),
        }
    }

    fn url(self, cursor: Option<u64>) -> String {
        match self {
            Self::Jetstream(url) => jetstream::url(url, cursor),
            Self::Firehose(url) => firehose::url(url, cursor),
        }
    }
}

/// Reasons for the end of a connection.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Connection(#[from] EgressError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("it says: {0}")]
    ByHost(String),
}

/// Changes that are not in the index yet.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    cursor: Option<u64>,
    since: Option<Instant>,
}

impl Batch {
    /// Returns how long the batch waits for more events.
    fn wait(&self) -> Duration {
        let time = if self.changes.is_empty() { IDLE_BATCH_TIME } else { BATCH_TIME };
        self.since.map_or(Duration::from_secs(3600), |since| time.saturating_sub(since.elapsed()))
    }
}

impl Follow {
    /// Follows the configured sources, one after the other, as long as the registry runs; returns at once if there is
    /// none.
    pub async fn keep_following(&self) {
        let jetstreams = self.settings.jetstream_urls.iter().map(|url| Source::Jetstream(url));
        let mut sources: Vec<_> = jetstreams.collect();
        if sources.is_empty() {
            sources.extend(self.settings.relay_url.as_deref().map(Source::Firehose));
        }
        let mut pause = FIRST_PAUSE;
        for source in sources.iter().copied().cycle() {
            let began = Instant::now();
            let Err(ended) = self.follow(source).await;
            self.counts.connected.set(0);
            self.counts.failures.inc();
            pause = if began.elapsed() > GOOD { FIRST_PAUSE } else { pause };
            tracing::warn!(source = source.name(), pause_s = pause.as_secs(), "events are not followed: {ended}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows a source until it fails.
    async fn follow(&self, source: Source<'_>) -> Result<std::convert::Infallible, Ended> {
        let name = source.name();
        let cursor = self.index.cursor(&name).await?;
        let url = source.url(cursor);
        let mut socket = self.http.websocket(&url, MAX_MESSAGE_BYTES, CONNECT_TIME).await?;
        self.counts.connected.set(1);
        tracing::info!(source = name, cursor, "events are followed");
        if let Source::Jetstream(_) = source {
            let now_us = (self.clock)();
            match cursor {
                // From this cursor on a restart misses no event, even if the first one takes hours to come.
                None => {
                    self.index.apply(Vec::new(), Some(SourceCursor { source: name.clone(), cursor: now_us })).await?
                }
                Some(cursor) if now_us.saturating_sub(cursor) > KEPT_US => self.missed().await?,
                Some(_) => {}
            }
        }
        let mut batch = Batch::default();
        let ended = loop {
            if let Err(ended) = self.receive(source, &name, &mut socket, &mut batch).await {
                break ended;
            }
        };
        self.flush(&name, &mut batch).await?;
        socket.close().await;
        Err(ended)
    }

    /// Takes the next message into the batch, and writes the batch when it is due or no message comes in time.
    async fn receive(
        &self,
        source: Source<'_>,
        name: &str,
        socket: &mut WebSocket,
        batch: &mut Batch,
    ) -> Result<(), Ended> {
        let Some(message) = socket.next(batch.wait()).await? else { return Ok(self.flush(name, batch).await?) };
        let now_us = (self.clock)();
        self.counts.heard_us.set(now_us);
        let event = match (source, message) {
            (Source::Jetstream(_), SocketMessage::Text(text)) => jetstream::read(&text, now_us),
            (Source::Firehose(_), SocketMessage::Binary(bytes)) => match firehose::read(&bytes, now_us) {
                Ok(Frame::Event(event)) => Some(event),
                Ok(Frame::Gap) => return Ok(self.missed().await?),
                Ok(Frame::BadCursor(message)) => {
                    // The host's cursors started again: list all accounts, and follow from now on.
                    self.missed().await?;
                    self.index.forget_cursor(name).await?;
                    return Err(Ended::ByHost(message));
                }
                Ok(Frame::End(message)) => return Err(Ended::ByHost(message)),
                Ok(Frame::Nothing) | Err(_) => None,
            },
            _ => None,
        };
        let Some(event) = event else {
            self.counts.events.inc(EventKind::Unknown);
            return Ok(());
        };
        self.counts.events.inc(event.kind);
        self.counts.refused.add(event.refused);
        if let Some(at_us) = event.at_us {
            self.counts.lag_us.set(now_us.saturating_sub(at_us));
        }
        batch.since.get_or_insert_with(Instant::now);
        // Cursors only increase: a smaller one is ignored.
        batch.cursor = batch.cursor.max(event.cursor);
        batch.changes.extend(event.changes);
        let is_due = batch.changes.len() >= BATCH || batch.wait().is_zero();
        if is_due { Ok(self.flush(name, batch).await?) } else { Ok(()) }
    }

    /// Writes the changes of the batch and its cursor into the index.
    async fn flush(&self, name: &str, batch: &mut Batch) -> Result<(), StorageError> {
        let Batch { changes, cursor, since } = std::mem::take(batch);
        if since.is_none() {
            return Ok(());
        }
        self.counts.changes.add(changes.len() as u64);
        self.index.apply(changes, cursor.map(|cursor| SourceCursor { source: name.to_owned(), cursor })).await
    }

    /// Lists the records of all known accounts again, after events were missed.
    async fn missed(&self) -> Result<(), StorageError> {
        let accounts = self.index.rebuild().await?;
        tracing::warn!(accounts, "events are missing: the records of all known accounts are listed again");
        Ok(())
    }
}
